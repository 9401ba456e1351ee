"""The fault `link-slice`."""

from __future__ import annotations

from stormproof.faults.link_fault import WITNESS_S, LinkFault, counted, directions_of, whole
from stormproof.faults.links.measuring import own_connection, received
from stormproof.faults.links.tcp import TcpLink
from stormproof.faults.links.toxics import Slicer
from stormproof.model.plan import PlannedFault

SLICES_MEASURED = 5


class LinkSlice(LinkFault):
    """Cut what passes a link into small pieces.

    What it does:
        On a `share` of the connections, what goes in `direction` is sent on in pieces of `bytes`,
        give or take `variation`, each `pause` after the one before.
    Why it matters:
        TCP is a stream: a message arrives in as many pieces as the network likes. Code that reads
        once and takes what came for a whole message works in every test and fails far from home.
    What a failure looks like:
        Truncated or merged messages, parse errors, JSON that ends in the middle, a connection
        closed as if its peer had broken the protocol.
    Limits:
        Pieces that the receiver's machine has in hand at once may still be read as one; a `pause`
        of a millisecond or more keeps them apart.
    Source:
        Toxiproxy's `slicer`.
    """

    def __init__(self, link: TcpLink, planned: PlannedFault) -> None:
        self._toxic = Slicer(
            average_bytes=whole(planned, "bytes"),
            variation_bytes=whole(planned, "variation"),
            delay_ns=whole(planned, "pause"),
        )
        super().__init__(link, planned, [(one, self._toxic) for one in directions_of(planned)])

    async def witness(self) -> str | None:
        """Show that bytes of the target were sliced, and that a message of ours came in pieces."""
        tally = await self._touched(lambda tally: tally.cut > 0)
        if tally is None:
            return None
        size_max = self._toxic.average_bytes + self._toxic.variation_bytes
        count = SLICES_MEASURED * size_max
        direction = self._applied[0].direction
        try:
            async with own_connection(self._link, self._names) as own:
                own.sender(direction).write(bytes(count))
                got = len(await received(own.receiver(direction), count, within_s=WITNESS_S))
                pieces = own.deliveries(direction)
        except (OSError, TimeoutError):
            return None
        if got == 0 or got > pieces * size_max:
            return None
        sliced, came = counted(tally.bytes, "byte"), f"{got:,} of {counted(count, 'byte')} of ours"
        return f"{sliced} sliced; {came} left in {counted(pieces, 'piece')}"
