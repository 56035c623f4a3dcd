#!/bin/sh
# Installs what the Makefile needs. Every failure has a message of its own that says what to do.
#   install.sh new DIR                 make the virtual environment DIR with $PYTHON, or with the first Python new enough
#   install.sh lock DIR LOCK [...]     install the packages of LOCK into it, each with one of LOCK's hashes
#   install.sh project DIR             install this checkout, editable
# $DIR/.installing exists while one runs. Found later, it tells that the last one was interrupted: pip may then count a
# package as installed that is only half there, so the environment is made again.
set -u
NO_PACKAGE=3 # exit code when a package does not exist for this machine

main() {
    command=$1 dir=$2
    shift 2
    case $command in
        new) new ;;
        lock) install --require-hashes -r "$@" ;;
        project) install --no-index --no-deps --no-build-isolation -e . ;;
    esac
}

new() {
    refuse_while_another_installs
    if [ -z "${PYTHON:-}" ] && is_whole; then return; fi
    choose_python
    made_with=$("$PYTHON" -c 'import sys; print(sys.version.split()[0], getattr(sys, "_base_executable", ""))')
    if is_whole && [ "$(cat "$dir/.made")" = "$made_with" ]; then return; fi
    say "creating $dir with Python ${made_with%% *} ..."
    rm -rf "$dir" 2>/dev/null
    output=$(mkdir -p "$dir" 2>&1 && "$PYTHON" -m venv "$dir" 2>&1) || { rm -rf "$dir" 2>/dev/null; fail_new; }
    echo "$made_with" >"$dir/.made"
}

install() {
    refuse_while_another_installs
    echo $$ >"$dir/.installing" || fail "cannot write to $dir"
    # Signals leave .installing, so the next run starts over.
    trap 'say "make: interrupted; run make again, which starts the installation over"; exit 130' INT TERM HUP
    # In a variable, since a log cannot be written to a full disk.
    output=$("$dir/bin/python" -m pip --disable-pip-version-check install "$@" 2>&1)
    code=$?
    trap - INT TERM HUP
    printf '%s\n' "$output" >>"$dir/install.log" 2>/dev/null
    rm -f "$dir/.installing"
    [ $code -eq 0 ] || fail_install
}

is_whole() {
    [ -f "$dir/.made" ] && [ ! -e "$dir/.installing" ] && "$dir/bin/python" -c '' 2>/dev/null
}

refuse_while_another_installs() {
    [ -e "$dir/.installing" ] || return 0
    if kill -0 "$(cat "$dir/.installing")" 2>/dev/null; then
        fail "process $(cat "$dir/.installing") is installing into $dir: wait until it has finished"
    fi
}

# Sets PYTHON to a Python that is new enough.
choose_python() {
    if [ -n "${PYTHON:-}" ]; then
        check_python
        return
    fi
    for PYTHON in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then return; fi
    done
    fail "no Python 3.11 or newer found; install one, or name it: PYTHON=/path/to/python3 make ..."
}

check_python() {
    command -v "$PYTHON" >/dev/null || fail "PYTHON=$PYTHON: there is no such program"
    version=$("$PYTHON" -c 'import sys; print("Python %d.%d" % sys.version_info[:2])' 2>/dev/null </dev/null)
    case $version in
        "Python "[0-9]*) ;;
        *) fail "PYTHON=$PYTHON is not a Python interpreter" ;;
    esac
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "PYTHON=$PYTHON is $version; the cart needs Python 3.11 or newer"
}

fail_new() {
    case $output in
        *"No space left"* | *"quota exceeded"*) fail_full ;;
        *"Permission denied"* | *"Read-only file system"*)
            fail "cannot write to $(pwd): change its owner, or use a checkout of your own" ;;
        *ensurepip* | *"No module named venv"* | *"No module named 'venv'"*)
            fail "$PYTHON has no venv module; Debian and Ubuntu: apt-get install python3-venv" ;;
    esac
    printf '%s\n' "$output" | tail -n 20 >&2
    fail "$PYTHON cannot create the virtual environment $dir"
}

fail_install() {
    case $output in
        *"No space left"* | *"quota exceeded"*) fail_full ;;
        *"DO NOT MATCH THE HASHES"*)
            printf '%s\n' "$output" | grep -A 12 'DO NOT MATCH' >&2
            fail "a downloaded package is not the one that the lock file names; nothing was installed" ;;
        *NewConnectionError* | *NameResolutionError* | *ConnectTimeout* | *ProxyError* | *"Network is unreachable"*)
            fail "the package index cannot be reached: check the network and pip's settings (pip config list)" ;;
        *"Permission denied"* | *"Read-only file system"*)
            fail "cannot write to $(pwd)/$dir: change its owner, or use a checkout of your own" ;;
        *"No matching distribution found"*) no_package ;;
    esac
    printf '%s\n' "$output" | tail -n 20 >&2
    fail "installation failed; pip's full output is in $dir/install.log"
}

no_package() {
    say "make: $(printf '%s\n' "$output" | grep -o 'No matching distribution found.*'): the package index has no file for" \
        "this machine, or cannot be reached"
    exit $NO_PACKAGE
}

fail_full() {
    fail "the disk is full: free some space for $(pwd) and ${TMPDIR:-/tmp}, then run make again (it needs 1 GB)"
}

fail() {
    say "make: $1"
    exit 1
}

say() {
    echo "$*" >&2
}

main "$@"
