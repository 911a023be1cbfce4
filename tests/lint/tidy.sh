#!/bin/sh
# tidy.sh COMMAND…: runs COMMAND with a place of its own for everything temporary, and fails where something stays
# behind: a file in that place, a process that knows it, a socket that listens in it. Where nobody else runs tests or
# browsers (`CI` is set), nothing by the names that these use may stay in /tmp either.
set -u

# Short, because the path of a control socket may have 107 bytes; and other users must be able to enter.
place=$(mktemp -d /tmp/btXXXXXX) || exit 1
chmod 0711 "$place"
mkdir "$place/tmp"
names() { ls -A /tmp | grep -E '^(br[A-Za-z0-9]{6}|bitrouter.*|\.?org\.chromium\..*|\.com\.google\.Chrome.*)$'; }
before=$(names)
left=

processes() { # the path comes in by a pipe, so that grep does not find itself
    printf '%s\n' "$place" | grep -alF -f - /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null |
        cut -d / -f 3 | sort -un
}

found() { # what, list
    [ -n "$2" ] || return 0
    printf 'error: the tests left behind: %s\n%s\n' "$1" "$2" >&2
    left=yes
}

look() {
    for pid in $(processes); do
        found "process $pid" "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)"
        kill -9 "$pid" 2>/dev/null
    done
    found "a socket that listens" "$(awk -v place="$place/" 'index($8, place) == 1 && $4 == "00010000"' /proc/net/unix)"
    # Copies for other users, which all tests of a run share.
    rm -rf "$place"/bitrouter-tests-*
    found "files" "$(find "$place" -mindepth 1 ! -path "$place/tmp")"
    if [ -n "${CI-}" ]; then
        found "in /tmp" "$(names | while read -r name; do
            printf '%s\n' "$before" | grep -qxF -- "$name" || printf '%s\n' "$name"
        done)"
    fi
}

# Whatever ends this script, the place goes.
trap 'chmod -R u+rwX "$place"; rm -rf "$place"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

BITROUTER_TESTS_TMP=$place TMPDIR=$place/tmp "$@"
code=$?
# The locks of uids that a killed test left: nobody holds them any more.
for lock in /tmp/.bitrouter-tests-uid-*; do
    [ ! -f "$lock" ] || flock --nonblock "$lock" rm -f "$lock" 2>/dev/null
done
look
[ "$code" != 0 ] || [ -z "$left" ] || code=1
exit "$code"
