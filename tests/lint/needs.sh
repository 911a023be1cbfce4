#!/bin/sh
# needs.sh build: is there a cargo that is new enough, and a C compiler? If not: the one line to run, exit 1.
# needs.sh tests: are the programs there that the tests use? Installs them when root on Debian; otherwise prints the
#                 list of packages to install and stops, before anything is built.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)

# What the tests use: Debian package, then a program of it (or `python:module`, `file:path`), then what it is for.
# The one list; `.ci/run` has only what make itself needs.
test_packages() {
    cat <<'LIST'
python3          python3                 the official SDK, the structure checks
python3-venv     python:ensurepip        the private environment of the SDK
npm              npm                     the official SDKs for Node, and Node itself
git              git                     the structure checks ask it which files are ours
curl             curl                    the lines of the banner, as pasted
openssl          openssl                 a certificate that nobody vouches for
bash             bash                    the shell hook
zsh              zsh                     the shell hook
fish             fish                    the shell hook
chromium         chromium                the browser rules of the listener
strace           strace                  injected faults of the disk
faketime         faketime                a wall clock that is set
systemd          systemd-socket-activate passed sockets
valgrind         valgrind                counted instructions of a request
util-linux       setpriv                 callers of another uid, namespaces
iproute2         ip                      a machine without IPv6
postgresql       file:/usr/lib/postgresql/*/bin/initdb the node on PostgreSQL
postgresql-client psql                   what stands in its database
pgbouncer        file:/usr/sbin/pgbouncer a pooler in front of it
LIST
}

fail() { # message, hint
    printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
    exit 1
}

at_least() { # is $2 at least $1?
    [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

is_debian_root() {
    [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] && command -v apt-get >/dev/null
}

needs_build() {
    wanted=$(sed -n 's/^channel *= *"\([0-9.]*\)".*/\1/p' "$root/rust-toolchain.toml")
    rustup='curl --proto =https --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y && . "$HOME/.cargo/env"'
    command -v cargo >/dev/null || fail "cargo is missing (Rust $wanted is needed)" "$rustup"
    # Under rustup this also installs the toolchain that the file names, when it is not there yet.
    if ! answer=$(cd "$root" && cargo --version 2>&1); then
        printf '%s\n' "$answer" >&2
        fail "cargo does not run" "rustup toolchain install $wanted --profile minimal -c clippy -c rustfmt"
    fi
    found=$(printf '%s\n' "$answer" | sed -n 's/^cargo \([0-9][0-9.]*\).*/\1/p' | tail -n 1)
    if ! at_least "$wanted" "${found:-0}"; then
        if command -v rustup >/dev/null; then
            rustup="rustup toolchain install $wanted --profile minimal -c clippy -c rustfmt"
        fi
        fail "cargo ${found:-of unknown version} is too old ($wanted is needed)" "$rustup"
    fi
    if ! printf 'int main(void) { return 0; }\n' | "${CC:-cc}" -x c -o /dev/null - 2>/dev/null; then
        fail "no working C compiler (\`${CC:-cc}\`)" "on Debian: apt-get install -y gcc libc6-dev; elsewhere: gcc or clang, with the C library's headers"
    fi
}

has() {
    case $1 in
        file:*) ls ${1#file:} >/dev/null 2>&1 ;;
        python:*) python3 -c "import ${1#python:}" 2>/dev/null ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

missing_packages() {
    test_packages | while read -r package program _; do
        has "$program" || printf '%s ' "$package"
    done
}

needs_tests() {
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    if is_debian_root; then
        printf 'installing for the tests: %s\n' "$missing" >&2
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq </dev/null >&2
        # shellcheck disable=SC2086  # a list of words
        apt-get install -y -qq --no-install-recommends $missing </dev/null >&2
        missing=$(missing_packages)
        [ -n "$missing" ] || return 0
    fi
    test_packages | while read -r package program purpose; do
        has "$program" || printf '  %-14s %s\n' "$package" "$purpose" >&2
    done
    if [ "$(uname -s)" != Linux ]; then
        fail "the whole-system tests need Linux" "run them in a container: .ci/run"
    fi
    fail "the tests need programs that are missing" "sudo apt-get install -y --no-install-recommends $missing"
}

case ${1-} in
    build) needs_build ;;
    tests) needs_tests ;;
    *) fail "unknown argument \`${1-}\`" "needs.sh build|tests" ;;
esac
