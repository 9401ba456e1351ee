#!/bin/sh
# Install the peers that come from Debian, where one is missing; leave nothing running.
# Exit 69 with one line where that cannot be done here. BENCH_ROOT: what stands before /usr/sbin.
set -eu
missing_peers() {
    for peer in wrk hey nginx; do
        (PATH=$PATH:${BENCH_ROOT:-}/usr/sbin && command -v "$peer" >/dev/null 2>&1) || printf ' %s' "$peer"
    done
}
give_up() {
    echo "bench: missing:$1; $2 (Debian: apt-get install$packages)" >&2
    exit 69
}
missing=$(missing_peers)
[ -n "$missing" ] || exit 0
packages=$(echo "$missing" | sed 's/nginx/nginx-light/')
if [ "$(id -u)" != 0 ]; then
    give_up "$missing" 'only root can install them'
fi
if ! command -v apt-get >/dev/null 2>&1; then
    give_up "$missing" 'there is no apt-get to install them'
fi
# A policy that denies starting services holds for this installation only.
policy=${BENCH_ROOT:-}/usr/sbin/policy-rc.d
kept=''
[ ! -e "$policy" ] || kept=yes
trap '[ -n "$kept" ] || rm -f "$policy"' EXIT
trap 'exit 130' INT TERM HUP
[ -n "$kept" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod +x "$policy"; }
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
if ! apt-get update -qq || ! apt-get install -y -qq --no-install-recommends $packages >/dev/null; then
    give_up "$missing" 'apt-get cannot install them'
fi
left=$(missing_peers)
[ -z "$left" ] || give_up "$left" 'apt-get installed them somewhere else'
