#!/bin/sh
# Make ./.venv hold what requirements.lock pins, hash by hash, and the project itself, editable.
#
# Runs before every make target. When nothing changed since the last complete set-up it only compares a
# fingerprint. Otherwise it tries, in turn, what the machine offers:
#
#   an environment:  python -m venv, uv venv, virtualenv
#   an installer:    uv; pip from ensurepip; the pinned pip, fetched by whatever pip the machine has
#                    (Debian splits ensurepip off and forbids plain pip to install, not to fetch)
#
# It never downloads a Python, and needs neither a compiler nor a system package. An interrupted set-up is
# never trusted: the stamp says "incomplete" from before the first change until after the last one, and
# such an environment is built again from nothing.
#
# Exit codes: 0 ready, 69 this machine lacks something (the last line says what), 130 interrupted.

set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"
venv=$root/.venv
stamp=$venv/.setup-stamp
log=$root/.setup.log
network_trouble='name resolution|dns error|network is unreachable|connection (refused|reset|broken|error)'
network_trouble="$network_trouble|timed out|certificate verify|error sending request|proxyerror"

# What a user set for other environments must not leak into this one.
unset PYTHONHOME PYTHONPATH PIP_TARGET PIP_PREFIX VIRTUAL_ENV
export PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1
export PIP_ROOT_USER_ACTION=ignore UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1

say() {
    printf 'setup: %s\n' "$*" >&2
}

fail() {
    say "$*"
    exit 69
}

fingerprint() {
    cat pyproject.toml requirements.lock scripts/setup.sh | sha256sum | cut -c 1-64
}

is_ready() {
    [ -x "$venv/bin/python" ] && [ -r "$stamp" ] && [ "$(cat "$stamp")" = "complete $wanted $root" ]
}

# Print "minor executable" of the interpreter behind a command, seen through shims and environments.
base_interpreter() {
    "$1" -c '
import sys
if sys.implementation.name != "cpython" or sys.version_info < (3, 11) or sys.version_info[0] != 3:
    sys.exit(1)
print(sys.version_info[1], getattr(sys, "_base_executable", sys.executable))
' 2>>"$log"
}

# Prefer a Python for which wheels of every part exist: the cache server's stop at 3.13.
find_interpreter() {
    newer=
    for name in python3.13 python3.12 python3.11 python3; do
        command -v "$name" >/dev/null 2>&1 || continue
        found=$(base_interpreter "$name") || continue
        if [ "${found%% *}" -le 13 ]; then
            interpreter=${found#* }
            return
        fi
        newer=${found#* }
    done
    if [ -n "$uv" ] && interpreter=$("$uv" python find '>=3.11,<3.14' 2>>"$log"); then
        return
    fi
    [ -n "$newer" ] || fail "no Python 3.11, 3.12 or 3.13 on the PATH; install one (Debian: apt install python3 python3-venv)"
    interpreter=$newer
    say "only $newer is here; Valkey has wheels for Python 3.11 to 3.13, so a cache server must be named to certify"
}

# An environment that exists is kept where no set-up was cut short in it, it was not moved, and its Python works.
environment_is_sound() {
    [ -x "$venv/bin/python" ] || return 1
    if [ -e "$stamp" ]; then
        case $(cat "$stamp") in "complete "*" $root") ;; *) return 1 ;; esac
    fi
    "$venv/bin/python" -c '
import os, sys
sound = sys.version_info >= (3, 11) and sys.prefix != sys.base_prefix
sys.exit(not (sound and os.path.realpath(sys.prefix) == os.path.realpath(sys.argv[1])))
' "$venv" >>"$log" 2>&1
}

create_environment() {
    find_interpreter
    rm -rf "$venv" 2>>"$log" || fail "cannot replace $venv; remove it, or give it to this user"
    mkdir "$venv" 2>>"$log" || fail "cannot write in $root"
    echo incomplete >"$stamp"
    "$interpreter" -m venv --without-pip "$venv" >>"$log" 2>&1 ||
        { [ -n "$uv" ] && "$uv" venv --allow-existing --python "$interpreter" "$venv" >>"$log" 2>&1; } ||
        "$interpreter" -m virtualenv "$venv" >>"$log" 2>&1 ||
        virtualenv --python "$interpreter" "$venv" >>"$log" 2>&1 ||
        fail "$interpreter makes no environment; install uv or python3-venv"
}

pip_of_environment() {
    PYTHONPATH="$bootstrap" "$venv/bin/python" -m pip "$@"
}

# The hashed lines of one package in the lock.
locked() {
    awk -v start="^$1==" '$0 ~ start { on = 1 } on { print } on && !/\\$/ { exit }' requirements.lock
}

# Run the pinned pip straight from its wheel, fetched by any pip that is around, however old or fenced in.
fetch_pip() {
    bootstrap_folder=$venv/bootstrap
    mkdir -p "$bootstrap_folder"
    locked pip >"$bootstrap_folder/pip.txt"
    "$@" download --no-deps --only-binary :all: --require-hashes --requirement "$bootstrap_folder/pip.txt" \
        --dest "$bootstrap_folder" >>"$log" 2>&1 || return 1
    bootstrap=$(echo "$bootstrap_folder"/pip-*.whl)
    pip_of_environment --version >>"$log" 2>&1
}

find_pip() {
    bootstrap=
    pip_of_environment --version >>"$log" 2>&1 && return
    "$venv/bin/python" -m ensurepip >>"$log" 2>&1 && return
    base=$(base_interpreter "$venv/bin/python")
    fetch_pip "${base#* }" -m pip || fetch_pip pip3 || fetch_pip pip
}

install_with_uv() {
    "$uv" pip install --python "$venv/bin/python" "$@" >>"$log" 2>&1
}

install_with_pip() {
    pip_of_environment install "$@" >>"$log" 2>&1
}

# The project itself comes last and builds with what the lock brought: nothing unpinned is fetched on the side.
install_everything() {
    "$1" --only-binary :all: --require-hashes --requirement requirements.lock &&
        "$1" --no-deps --no-build-isolation --editable .
}

# End with the log's last lines and one that says what to do: the argument, unless the network is to blame.
explain_failure() {
    say "the last lines of .setup.log:"
    tail -n 10 "$log" | cut -c 1-240 | sed 's/^/    /' >&2
    if grep -qiE "$network_trouble" "$log"; then
        fail "the package index was not reached; check network, proxy and certificates, then run the same again"
    fi
    fail "$1"
}

install_without_uv() {
    find_pip || explain_failure "uv or pip is needed; install either (Debian: apt install python3-venv)"
    install_everything install_with_pip || explain_failure "the packages could not be installed; see .setup.log"
}

# uv's cache lives in the home folder; where there is none to write in, it does without.
find_uv() {
    uv=$(command -v uv 2>/dev/null || true)
    case $uv in "$venv"/*) uv= ;; esac
    if [ -z "${UV_CACHE_DIR:-}${XDG_CACHE_HOME:-}" ] && [ ! -w "${HOME:-/nonexistent}" ]; then
        export UV_NO_CACHE=1
    fi
}

set_up() {
    : >"$log" 2>/dev/null || fail "cannot write in $root; run as the user who owns it"
    find_uv
    environment_is_sound || create_environment
    echo incomplete >"$stamp" 2>>"$log" || fail "cannot write in $venv; remove it, or give it to this user"
    say "installing $(grep -c '^[a-z].*==' requirements.lock) pinned packages into .venv"
    { [ -n "$uv" ] && install_everything install_with_uv; } || install_without_uv
    rm -rf "$venv/bootstrap"
    echo "complete $wanted $root" >"$stamp.new"
    mv "$stamp.new" "$stamp"
    say "ready: $("$venv/bin/python" --version), .venv"
}

wanted=$(fingerprint)
is_ready && exit 0
trap 'exit 130' HUP INT TERM
# The lock lies on this very file and passes to the installers: whoever comes second waits for the last of them.
if command -v flock >/dev/null 2>&1; then
    exec 9<"$root/scripts/setup.sh"
    flock 9 || say "no lock on this file system; do not run two set-ups at once"
fi
is_ready || set_up
