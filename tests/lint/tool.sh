#!/bin/sh
# tool.sh NAME VERSION [or-newer]: prints the path of the cargo tool NAME at VERSION, installing it once under .tools/.
# With `or-newer`, one on PATH that is at least VERSION will do.
set -eu
name=$1 version=$2 newer=${3-}
root=$(cd "$(dirname "$0")/../.." && pwd)

version_of() { # cargo-x prints "cargo-x 1.2.3 …"; nextest only behind its verb
    case $name in
        cargo-nextest) "$1" nextest --version ;;
        *) "$1" --version ;;
    esac 2>/dev/null | sed -n '1s/^[^0-9]*\([0-9][0-9.]*\).*$/\1/p'
}

if [ "$newer" = or-newer ] && found=$(command -v "$name"); then
    oldest=$(printf '%s\n' "$version" "$(version_of "$found")" | sort -V | head -n 1)
    if [ "$oldest" = "$version" ]; then
        printf '%s\n' "$found"
        exit 0
    fi
fi

binary=$root/.tools/bin/$name
if [ ! -x "$binary" ] || [ "$(version_of "$binary")" != "$version" ]; then
    printf 'installing %s %s under .tools/ (once; takes some minutes)\n' "$name" "$version" >&2
    (cd "$root" && cargo install --quiet --locked --force --root .tools "$name@$version") >&2
fi
printf '%s\n' "$binary"
