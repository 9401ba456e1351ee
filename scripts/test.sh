#!/bin/sh
# Run all tests but those of tests/e2e and tests/browser, with coverage; what is given is passed on to pytest.
#
# Without arguments two rows of tests run side by side, since each mostly waits: those of tests/unit followed by
# the reference service's, and all others. No third one does: runs that are judged need a core for their workers.
# What the first row says follows the other's.
#
# Exit codes: 0 all passed and enough is covered, otherwise that of what failed.

set -eu

bin=.venv/bin
status=0
"$bin/coverage" erase
if [ $# -gt 0 ]; then
    "$bin/coverage" run -m pytest --ignore=tests/e2e --ignore=tests/browser "$@" || status=$?
else
    said=$(mktemp)
    (
        failed=0
        "$bin/coverage" run -m pytest -p no:cacheprovider tests/unit || failed=$?
        "$bin/coverage" run -m pytest -p no:cacheprovider tests/sanctum || failed=$?
        exit "$failed"
    ) >"$said" 2>&1 &
    beside=$!
    trap 'kill "$beside" 2>/dev/null || :; rm -f "$said"' EXIT
    trap 'exit 130' INT TERM
    others=$(printf -- '--ignore=tests/%s ' e2e browser unit sanctum)
    # shellcheck disable=SC2086 # one word a folder
    "$bin/coverage" run -m pytest $others || status=$?
    wait "$beside" || status=$?
    cat "$said"
fi
[ "$status" = 0 ] || exit "$status"
"$bin/coverage" combine --quiet
"$bin/coverage" report
