"""The fault `link-slow-close`."""

from __future__ import annotations

import time

from stormproof.faults.link_fault import LinkFault, counted, directions_of, whole
from stormproof.faults.links.measuring import PASSAGE_S, own_connection, received
from stormproof.faults.links.tcp import TcpLink
from stormproof.faults.links.toxics import SlowClose
from stormproof.kernel.units import SECOND_NS, duration_text
from stormproof.model.plan import PlannedFault


class LinkSlowClose(LinkFault):
    """Let closes arrive late.

    What it does:
        On a `share` of the connections, a close or reset that goes in `direction` is passed on only
        after `delay`; data passes at once.
    Why it matters:
        A peer that has gone is seen to be gone much later than it went. Its connections stay in
        pools and tables, and are used.
    What a failure looks like:
        Descriptors and memory pile up, a pool is full of connections that lead nowhere, requests
        are sent into them and time out.
    Limits:
        It touches only what closes while it lasts.
    Source:
        Toxiproxy's `slow_close`.
    """

    def __init__(self, link: TcpLink, planned: PlannedFault) -> None:
        self._toxic = SlowClose(delay_ns=whole(planned, "delay"))
        super().__init__(link, planned, [(one, self._toxic) for one in directions_of(planned)])

    async def witness(self) -> str | None:
        """Show that closes of the target were delayed, and when one of ours arrived."""
        tally = await self._touched(lambda tally: tally.cut > 0)
        if tally is None:
            return None
        direction = self._applied[0].direction
        try:
            async with own_connection(self._link, self._names) as own:
                own.sender(direction).write_eof()
                began_ns = time.monotonic_ns()
                reader = own.receiver(direction)
                await received(reader, 1, within_s=PASSAGE_S)
                took_ns = time.monotonic_ns() - began_ns
                has_come = reader.at_eof()
        except (OSError, TimeoutError):
            return None
        if took_ns < min(self._toxic.delay_ns, PASSAGE_S * SECOND_NS):
            return None
        took = f"took {duration_text(took_ns)}" if has_come else "did not arrive within 1s"
        return f"{counted(tally.cut, 'close')} delayed; one of ours {took}"
