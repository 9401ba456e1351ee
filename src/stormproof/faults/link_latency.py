"""The fault `link-latency`."""

from __future__ import annotations

import time

from stormproof.faults.link_fault import WITNESS_S, LinkFault, counted, directions_of, whole
from stormproof.faults.links.measuring import own_connection, received
from stormproof.faults.links.tcp import TcpLink
from stormproof.faults.links.toxics import Latency
from stormproof.kernel.units import SECOND_NS, duration_text
from stormproof.model.plan import PlannedFault


class LinkLatency(LinkFault):
    """Make a link slow: what passes it arrives later, in order.

    What it does:
        Everything that goes in `direction` (down: what the upstream answers), closes and resets
        too, is delayed by `latency`, give or take up to `jitter`, on a `share` of the connections.
        New connections are accepted at once.
    Why it matters:
        Slow is worse than dead: callers wait with locks, pool places and threads in hand. A
        dependency that takes 100 ms longer is the most frequent partial outage there is.
    What a failure looks like:
        Latency grows by far more than was added, queues and pools fill up, requests that do not
        need the dependency slow down as well, retries multiply the load.
    Limits:
        What is kept back is bounded, so that a connection carries at most 4 MiB a `latency`.
        Handshakes of TCP are not delayed. Delays are a millisecond or so longer than was asked.
    Source:
        Toxiproxy's `latency`; tc-netem's delay.
    """

    def __init__(self, link: TcpLink, planned: PlannedFault) -> None:
        self._toxic = Latency(
            latency_ns=whole(planned, "latency"), jitter_ns=whole(planned, "jitter")
        )
        super().__init__(link, planned, [(one, self._toxic) for one in directions_of(planned)])

    async def witness(self) -> str | None:
        """Show that bytes of the target were delayed, and how long a byte of ours took."""
        tally = await self._touched(lambda tally: tally.bytes > 0)
        if tally is None:
            return None
        least_ns = max(0, self._toxic.latency_ns - self._toxic.jitter_ns)
        took_ns = await self._measure()
        if took_ns is not None and took_ns < least_ns:
            return None
        took = (
            f"did not arrive within {WITNESS_S:g}s"
            if took_ns is None
            else f"took {duration_text(took_ns)}"
        )
        if took_ns is None and least_ns < WITNESS_S * SECOND_NS:
            return None
        return f"{counted(tally.bytes, 'byte')} delayed; a byte of ours {took}"

    async def _measure(self) -> int | None:
        """Send a byte each way that is slow; return the shortest time, None for none in time."""
        least_ns: int | None = None
        try:
            async with own_connection(self._link, self._names) as own:
                for one in self._applied:
                    began_ns = time.monotonic_ns()
                    own.sender(one.direction).write(b"?")
                    got = await received(own.receiver(one.direction), 1, within_s=WITNESS_S)
                    took_ns = time.monotonic_ns() - began_ns
                    if got:
                        least_ns = min(took_ns, least_ns or took_ns)
        except (OSError, TimeoutError):
            return 0  # no connection came about: there is nothing that could have been slow
        return least_ns
