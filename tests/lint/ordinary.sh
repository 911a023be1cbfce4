#!/bin/sh
# ordinary.sh NEXTEST FLAG…: as root, runs the tests of the listener, the control API and the secrets once more as an
# ordinary user, to whom the kernel shows less. What was built is used as it is: it goes into an archive, and with the
# sources to a place which that user can reach. FLAGs are those of the build.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
nextest=$1
shift
[ "$(id -u)" = 0 ] || { echo 'error: only root can become somebody else' >&2; exit 1; }

tests='package(bitrouter-tests) & (binary(listener) | binary(control) | binary(secrets))'
# Nobody's log-in.
uid=60001
while getent passwd "$uid" >/dev/null; do uid=$((uid + 1)); done
as_user() {
    env -i PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 HOME="$work/home" \
        BITROUTER_TESTS_TMP="$work/tmp" TMPDIR="$work/tmp" \
        setpriv --reuid="$uid" --regid="$uid" --clear-groups "$@"
}

# Below the place of tidy.sh, which removes it and sees what stays behind.
work=${BITROUTER_TESTS_TMP:?run by tidy.sh}/o
mkdir -m 0711 "$work"
mkdir -m 0700 "$work/home" "$work/tmp" "$work/built"
mkdir -m 0755 "$work/source"
chown "$uid:$uid" "$work/home" "$work/tmp" "$work/built"

cd "$root"
git ls-files -z | tar --create --null --files-from=- --ignore-failed-read | tar --extract --no-same-owner --directory "$work/source"
chmod -R go+rX "$work/source"

# The packages of Python; its interpreter may stand in somebody's home.
cp -R --preserve=mode,links .venv "$work/source/.venv"
chmod -R go+rX "$work/source/.venv"
python=$(readlink -f .venv/bin/python)
if ! as_user "$python" -c '' 2>/dev/null; then
    public=/usr/bin/$(basename "$python")
    as_user "$public" -c '' || { echo "error: an ordinary user can run neither $python nor $public" >&2; exit 1; }
    ln -sf "$public" "$work/source/.venv/bin/python"
    printf 'home = /usr/bin\ninclude-system-site-packages = false\n' >"$work/source/.venv/pyvenv.cfg"
fi

cp -L "$nextest" "$work/cargo-nextest"
chmod 0755 "$work/cargo-nextest"
# The whole workspace is what was built; a part of it would be built anew, with other features of what it links.
"$nextest" nextest archive "$@" --workspace -E "$tests" --archive-file "$work/tests.tar.zst" --zstd-level 1
chmod 0644 "$work/tests.tar.zst"

cd "$work/source"
code=0
as_user "$work/cargo-nextest" nextest run --archive-file "$work/tests.tar.zst" --extract-to "$work/built" \
    --workspace-remap "$work/source" --no-fail-fast -E "$tests" || code=$?
# What its tests left behind stays for tidy.sh to see; the rest is ours.
rm -rf "$work/source" "$work/built" "$work/home" "$work/cargo-nextest" "$work/tests.tar.zst"
rm -rf "$work/tmp"/bitrouter-tests-*
rmdir "$work/tmp" "$work" 2>/dev/null || true
exit "$code"
