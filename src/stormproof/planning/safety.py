"""Load goes only where, and only as much as, somebody meant it to.

A target on this machine may be loaded up to the hard limits of `kernel.limits`. Any other needs a
cap that was given on purpose: `--vus`, `--rate`, or `limits` of the profile or the environment.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from stormproof.kernel.errors import Problem
from stormproof.kernel.limits import REQUESTS_MAX
from stormproof.kernel.units import SECOND_NS, duration_text
from stormproof.model.plan import Network, Plan, Scenario
from stormproof.model.profile import Limits
from stormproof.rules.promise import lines_of, promised

DIRECT = Network()
CAP = "give --vus or --rate, or `limits` in the profile or the environment"


def target_problems(
    url: str, *, capped: bool, network: Network = DIRECT, option: str = "--target"
) -> list[Problem]:
    """Find what keeps a URL from being a target.

    Args:
        url: `http[s]://host[:port]` or `unix:/path`.
        capped: whether the load is bounded on purpose.
        network: how the target is reached: names may lead elsewhere, or through a proxy.
        option: where the URL is from, for messages.
    """
    if not url:
        return []
    where = f"{option} {url}"
    if url.startswith("unix:"):
        return _unix_problems(url, where)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return [Problem(where=where, what="has no valid port", fix="1 to 65535")]
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return [Problem(where=where, what="is no http URL", fix="such as http://127.0.0.1:8000")]
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        return [Problem(where=where, what="is more than scheme, host and port")]
    if not capped and not _stays_here(parts.hostname, network):
        return [Problem(where=where, what="is not this machine, and its load has no cap", fix=CAP)]
    return []


def _unix_problems(url: str, where: str) -> list[Problem]:
    if url.removeprefix("unix:").startswith("/"):
        return []
    return [Problem(where=where, what="names no socket", fix="such as unix:/run/api.sock")]


def _stays_here(host: str, network: Network) -> bool:
    """Say whether what is sent to a host never leaves this machine."""
    is_proxied = bool(network.proxy) and not is_loopback_url(network.proxy)
    return is_loopback(network.hosts.get(host, host)) and not is_proxied


def is_loopback(host: str) -> bool:
    """Say whether a host's name or address is this machine's own."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_loopback_url(url: str) -> bool:
    """Say whether a URL leads to this machine; what is no URL does not."""
    if url.startswith("unix:"):
        return True
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return False
    return host is not None and is_loopback(host)


def limit_problems(plan: Plan, limits: Limits, where: str) -> Iterator[Problem]:
    """Find where a plan asks for more than its limits, and than the hard ones, allow."""
    place = f"{where}: limits"
    users = sum(one.max_vus for one in plan.scenarios)
    if limits.vus is not None and users > limits.vus:
        yield _over(place, f"{users} users in all", f"vus <= {limits.vus}")
    if plan.duration_ns > limits.duration_ns:
        length = duration_text(plan.duration_ns)
        yield _over(place, f"a load of {length}", f"<= {duration_text(limits.duration_ns)}")
    paced = {one.name: _peak_per_s(one) for one in plan.scenarios}
    rates = [rate for rate in paced.values() if rate is not None]
    if limits.rate is not None:
        unpaced = [name for name, rate in paced.items() if rate is None]
        if unpaced and limits.vus is None:
            what = f"rate says nothing of the closed loop {unpaced[0]}"
            yield _over(place, what, "limit its users too: vus")
        if sum(rates) > limits.rate:
            yield _over(place, f"{sum(rates):g} iterations a second", f"rate <= {limits.rate}")
    expected = sum(_iterations(one) for one in plan.scenarios)
    most = REQUESTS_MAX if limits.requests is None else limits.requests
    if expected > most:
        yield _over(place, f"about {expected:.0f} iterations in all", f"requests <= {most}")


def _peak_per_s(scenario: Scenario) -> float | None:
    """Return the most iterations that a scenario starts a second; None when nothing paces it."""
    if scenario.is_open_model:
        return scenario.peak_rate_per_s
    lines = lines_of(scenario)
    return None if lines is None else max((line.high for line in lines), default=0.0)


def _iterations(scenario: Scenario) -> float:
    """Return how many iterations a scenario does in all, as far as the plan can say."""
    match scenario.executor:
        case "per-vu-iterations":
            return scenario.vus * scenario.iterations
        case "shared-iterations":
            return scenario.iterations
        case _:
            end_s = (scenario.start_ns + scenario.duration_ns) / SECOND_NS
            return promised(lines_of(scenario) or (), [(0.0, end_s)])


def rate_cap_per_s(plan: Plan, limits: Limits) -> float | None:
    """Return the rate above which nobody may lift the load while it runs; None: the hard limit.

    It is the profile's; where there is none, a target elsewhere gets no more than was planned.
    """
    if limits.rate is not None:
        return float(limits.rate)
    if plan.target and not is_loopback_url(plan.target):
        return sum(one.peak_rate_per_s for one in plan.scenarios)
    return None


def _over(place: str, what: str, bound: str) -> Problem:
    return Problem(where=place, what=what, fix=bound)
