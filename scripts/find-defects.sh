#!/usr/bin/env bash
# Plant each defect of the reference target in turn and require that it is found: certify must exit 1
# and its verdict must name the promise that the defect breaks.
#
#     scripts/find-defects.sh [DEFECT[,DEFECT...]...]
#
# Those joined by a comma are planted in one run; each must be found by the promise that it breaks.
# The runs stay in runs/defects/ for whoever wants to look. Exit codes: 0 all found, 1 one was not.

set -euo pipefail
cd "$(dirname -- "$0")/.."

# What the verdict must name: the kind of a finding, or a failed objective, as a regular expression.
declare -rA breach_of=(
    [lose_message]='^lost$'
    [no_cache_reconnect]='^recovery_ready_s'
    [skip_reader]='^notification_missed'
    [slow_feed]='^http_req_duration\{scenario:feed'
    [acknowledge_first]='^lost$'
    [drop_dead_letters]='^lost$'
    [dead_letters_uncounted]='^dispatcher:messaging_outbox_dead_total'
    [crash_on_outage]='^part-died$'
    [keep_breaker_open]='^target:storage_circuit_breaker_open|^recovery_ready_s'
)

# Under which load it is looked for: the demonstration, unless that does not touch what is broken.
declare -rA load_of=(
    [skip_reader]='soak --profile moderate --scale 0.01'
    [acknowledge_first]='consumer_resilience --scale 0.1'
    [drop_dead_letters]='stream_partition --scale 0.1'
    [dead_letters_uncounted]='stream_partition --scale 0.1'
    [crash_on_outage]='cascading_failure --scale 0.05'
    [keep_breaker_open]='pool_exhaustion --scale 0.1'
)

certify_with() {
    local defects=$1 out=$2 code=0
    local -a load
    read -ra load <<<"${load_of[$defects]:-demonstration --profile ci-strict}"
    SANCTUM_DEFECTS=$defects .venv/bin/stormproof certify "${load[@]}" --out "$out" || code=$?
    if [[ $code != 1 ]]; then
        echo "$defects: certify exited $code, not 1" >&2
        return 1
    fi
}

# certify keeps each run in a folder of its own below --out; here that is exactly one.
find_defects() {
    local defects=$1 out=runs/defects/$1 defect missed=0
    local -a each
    IFS=, read -ra each <<<"$defects"
    for defect in "${each[@]}"; do
        if [[ -z ${breach_of[$defect]:-} ]]; then
            echo "$defect: no such defect; known are: ${!breach_of[*]}" >&2
            return 1
        fi
    done
    rm -rf -- "$out"
    certify_with "$defects" "$out" || return 1
    local verdicts=("$out"/*/verdict.json)
    for defect in "${each[@]}"; do
        printf '%s: ' "$defect"
        .venv/bin/python scripts/require_breach.py "${verdicts[0]}" "${breach_of[$defect]}" ||
            missed=1
    done
    return "$missed"
}

if (($# == 0)); then
    set -- lose_message no_cache_reconnect skip_reader slow_feed
fi
missed=()
for defects in "$@"; do
    find_defects "$defects" || missed+=("$defects")
done
if ((${#missed[@]})); then
    echo "not found: ${missed[*]}" >&2
    exit 1
fi
echo "every planted defect was found: $*"
