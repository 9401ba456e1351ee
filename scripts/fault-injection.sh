#!/bin/sh
# Break the reference service on purpose while it is used, and judge how it comes back.
#
#     scripts/fault-injection.sh [--trial TRIAL] [OPTIONS of stormproof certify...]
#
# Without --trial it is `fault_drills`: cache restarted, service restarted, database paused. Others:
# service_recovery, consumer_resilience, stream_partition, pool_exhaustion, cascading_failure.
# A rehearsal: scripts/fault-injection.sh --scale 0.5
#
# Exit codes are certify's: 0 PASS, 1 FAIL, 2 INCONCLUSIVE, 64 bad input, 69 environment.

set -eu
cd "$(dirname -- "$0")/.."

trial=fault_drills
if [ "${1:-}" = --trial ]; then
    if [ $# -lt 2 ]; then
        echo "fault-injection: --trial needs a name, such as service_recovery" >&2
        exit 64
    fi
    trial=$2
    shift 2
fi
sh scripts/setup.sh
exec .venv/bin/stormproof certify "$trial" "$@"
