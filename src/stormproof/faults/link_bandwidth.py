"""The fault `link-bandwidth`."""

from __future__ import annotations

import time

from stormproof.faults.link_fault import LinkFault, counted, directions_of, whole
from stormproof.faults.links.effects import PIECE_S
from stormproof.faults.links.measuring import own_connection, received
from stormproof.faults.links.tcp import TcpLink
from stormproof.faults.links.toxics import Bandwidth
from stormproof.kernel.units import SECOND_NS
from stormproof.model.plan import PlannedFault

MEASURED_S = 3 * PIECE_S  # of the rate, that are sent to measure it
_PATIENCE_S = 1.0


class LinkBandwidth(LinkFault):
    """Make a link narrow: each connection carries only so many bytes a second.

    What it does:
        On a `share` of the connections, what goes in `direction` passes at `rate` bytes a second
        at most, a fiftieth of a second's worth at a time. Senders stall as behind a full network.
    Why it matters:
        Large answers, backups and noisy neighbours fill a network. Small messages behind large
        ones wait, and whoever sends without looking at backpressure runs out of memory.
    What a failure looks like:
        Memory of the sender grows, a slow reader holds up others, large answers time out halfway
        and are asked for again from their beginning.
    Limits:
        The rate is each connection's own, not one that all share. Below a byte a fiftieth of a
        second it passes byte by byte.
    Source:
        Toxiproxy's `bandwidth`; tc-tbf's rate.
    """

    def __init__(self, link: TcpLink, planned: PlannedFault) -> None:
        self._rate = whole(planned, "rate")
        toxic = Bandwidth(bytes_per_s=self._rate)
        super().__init__(link, planned, [(one, toxic) for one in directions_of(planned)])

    async def witness(self) -> str | None:
        """Show that bytes of the target went through the narrow link, and how fast ours did."""
        tally = await self._touched(lambda tally: tally.bytes > 0)
        if tally is None:
            return None
        measured = await self._measure()
        if measured is None:
            return None
        return f"{counted(tally.bytes, 'byte')} narrowed; {measured}"

    async def _measure(self) -> str | None:
        """Say how fast bytes of ours pass; None when faster than they may."""
        count = max(2, round(self._rate * MEASURED_S))
        direction = self._applied[0].direction
        try:
            async with own_connection(self._link, self._names) as own:
                began_ns = time.monotonic_ns()
                own.sender(direction).write(bytes(count))
                got = len(await received(own.receiver(direction), count, within_s=_PATIENCE_S))
                took_s = (time.monotonic_ns() - began_ns) / SECOND_NS
        except (OSError, TimeoutError):
            return None
        if got > took_s * self._rate:
            return None
        return f"{got:,} of {counted(count, 'byte')} of ours in {took_s:.3f}s"
