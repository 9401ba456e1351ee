#!/bin/sh
# Run all tests but those of tests/e2e and tests/browser, with coverage; what is given is passed on to pytest.
#
# The tests of tests/unit and tests/property open no address and start no process, so without arguments
# they run beside the others, which mostly wait. Their output follows once the others are done.
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
    "$bin/coverage" run -m pytest tests/unit tests/property >"$said" 2>&1 &
    beside=$!
    trap 'kill "$beside" 2>/dev/null || :; rm -f "$said"' EXIT
    trap 'exit 130' INT TERM
    "$bin/coverage" run -m pytest --ignore=tests/e2e --ignore=tests/browser --ignore=tests/unit --ignore=tests/property || status=$?
    wait "$beside" || status=$?
    cat "$said"
fi
[ "$status" = 0 ] || exit "$status"
"$bin/coverage" combine --quiet
"$bin/coverage" report
