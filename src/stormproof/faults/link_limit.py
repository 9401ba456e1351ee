"""The fault `link-limit`."""

from __future__ import annotations

from stormproof.faults.link_fault import WITNESS_S, LinkFault, counted, directions_of, whole
from stormproof.faults.links.measuring import own_connection, received
from stormproof.faults.links.tcp import TcpLink
from stormproof.faults.links.toxics import LimitData
from stormproof.model.plan import PlannedFault

MEASURED_BYTES_MAX = 16 << 20  # a larger limit is not tried out


class LinkLimit(LinkFault):
    """Close each connection once it has carried so much.

    What it does:
        On a `share` of the connections, `bytes` more pass in `direction` from the injection on, or
        from when the connection is made; behind the last of them it is closed, at both ends.
    Why it matters:
        Proxies with limits, full disks and crashes end a transfer in its middle, with a close that
        looks clean. Whoever does not count what should have come takes half for the whole.
    What a failure looks like:
        Truncated answers that are passed on as good, a parser that waits for ever, a pool that
        never replaces the connection.
    Limits:
        Bytes are counted on the wire, those of TLS and headers included.
    Source:
        Toxiproxy's `limit_data`.
    """

    def __init__(self, link: TcpLink, planned: PlannedFault) -> None:
        self._bytes_max = whole(planned, "bytes")
        toxic = LimitData(bytes=self._bytes_max)
        super().__init__(link, planned, [(one, toxic) for one in directions_of(planned)])

    async def witness(self) -> str | None:
        """Show that connections of the target were closed, and where one of ours ended."""
        tally = await self._touched(lambda tally: tally.cut > 0)
        if tally is None:
            return None
        seen = f"{counted(tally.bytes, 'byte')} counted, {counted(tally.cut, 'connection')} closed"
        if self._bytes_max > MEASURED_BYTES_MAX:
            return seen
        direction = self._applied[0].direction
        try:
            async with own_connection(self._link, self._names) as own:
                own.sender(direction).write(bytes(self._bytes_max + 1))
                reader = own.receiver(direction)
                got = await received(reader, self._bytes_max + 1, within_s=WITNESS_S)
                is_over = reader.at_eof()
        except (OSError, TimeoutError):
            return None
        if len(got) > self._bytes_max or not is_over:
            return None
        return f"{seen}; one of ours ended after {counted(len(got), 'byte')}"
