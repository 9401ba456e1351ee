#!/bin/sh
# Run all tests but those of tests/e2e and tests/browser, with coverage; what is given is passed on to pytest.
#
# Without arguments three groups run side by side, since each waits for something else most of the time: the
# tests of tests/unit and tests/property, which open no address and start no process; those of the reference
# service, on servers of their own; and all others. What the first two say follows once the others are done.
#
# Exit codes: 0 all passed and enough is covered, otherwise that of what failed.

set -eu

bin=.venv/bin
status=0
"$bin/coverage" erase
if [ $# -gt 0 ]; then
    "$bin/coverage" run -m pytest --ignore=tests/e2e --ignore=tests/browser "$@" || status=$?
else
    said=$(mktemp -d)
    "$bin/coverage" run -m pytest -p no:cacheprovider tests/unit tests/property >"$said/pure" 2>&1 &
    pure=$!
    "$bin/coverage" run -m pytest -p no:cacheprovider tests/sanctum >"$said/sanctum" 2>&1 &
    sanctum=$!
    trap 'kill "$pure" "$sanctum" 2>/dev/null || :; rm -rf "$said"' EXIT
    trap 'exit 130' INT TERM
    others=$(printf -- '--ignore=tests/%s ' e2e browser unit property sanctum)
    # shellcheck disable=SC2086 # one word a folder
    "$bin/coverage" run -m pytest $others || status=$?
    wait "$pure" || status=$?
    wait "$sanctum" || status=$?
    cat "$said/pure" "$said/sanctum"
fi
[ "$status" = 0 ] || exit "$status"
"$bin/coverage" combine --quiet
"$bin/coverage" report
