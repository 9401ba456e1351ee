#!/bin/sh
# Install the peers that come from Debian, where one is missing; leave nothing running.
set -eu
missing=''
for peer in wrk hey nginx; do
    PATH=$PATH:/usr/sbin command -v "$peer" >/dev/null 2>&1 || missing="$missing $peer"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "bench: missing:$missing; install them (Debian: apt-get install wrk hey nginx-light)" >&2
    exit 69
fi
packages=$(echo "$missing" | sed 's/nginx/nginx-light/')
# A policy that denies starting services holds for this installation only.
policy=/usr/sbin/policy-rc.d
kept=''
[ ! -e "$policy" ] || kept=yes
[ -n "$kept" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod +x "$policy"; }
trap '[ -n "$kept" ] || rm -f "$policy"' EXIT
apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
