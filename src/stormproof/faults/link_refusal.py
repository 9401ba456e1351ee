"""The fault `link-refusal`."""

from __future__ import annotations

from stormproof.faults.link_fault import LinkFault, blockage, counted
from stormproof.faults.links.measuring import PASSAGE_S, how_cut
from stormproof.faults.links.tcp import TcpLink
from stormproof.faults.links.toxics import ResetPeer
from stormproof.model.plan import PlannedFault


class LinkRefusal(LinkFault):
    """Refuse connections, and cut those there are.

    What it does:
        The link stops to listen, so that who connects is refused at once, and cuts every open
        connection. On undo it listens again on the same port. With a `share` below 1 it goes on
        listening and resets that share of the connections as soon as they are made.
    Why it matters:
        A process that is down, being deployed or out of its port refuses: the clearest of all
        outages, and the one that invites to try again at once and without end.
    What a failure looks like:
        A storm of attempts to connect, a crash on the first refusal, a service that never comes
        back, or that says it is ready meanwhile.
    Limits:
        Below a share of 1 a connection is reset and not refused: a port cannot do both. Where
        nobody is connected, the first who is within a second is reset, and then it is refused.
    Source:
        Toxiproxy's `down`.
    """

    def __init__(self, link: TcpLink, planned: PlannedFault) -> None:
        super().__init__(link, planned, [("up", ResetPeer(after_ns=0))])
        self._cut = 0

    async def inject(self) -> str:
        """Refuse, or reset a share."""
        if self._share < 1:
            return await super().inject()
        first = 0 if self._link.has_clients else await self._cut_first()
        self._cut = first + self._link.refuse()
        return f"{self._link.name} refuses; {counted(self._cut, 'connection')} cut"

    async def witness(self) -> str | None:
        """Show that connections of the target were cut, and one of ours was refused or reset."""
        if self._share < 1:
            tally = await self._touched(lambda tally: tally.cut > 0)
            if tally is None or not await self._is_own_cut():
                return None
            return f"{counted(tally.cut, 'connection')} reset; one of ours was too"
        if not self._cut or not await self._is_own_cut():
            return None
        return f"a connection of ours was refused; {counted(self._cut, 'connection')} cut"

    async def undo(self) -> str:
        """Listen again."""
        told = await super().undo()
        if self._share < 1:
            return told
        await self._link.accept_again()
        return f"{self._link.name} listens again on port {self._link.listen_port}"

    async def residue(self) -> str | None:
        """Show a link that refuses, or through which nothing gets."""
        if self._share < 1:
            return await super().residue()
        if self._link.is_refusing:
            return f"{self._link.name} still refuses"
        return await blockage(self._link)

    async def _cut_first(self) -> int:
        """Reset whoever connects first; return how many that were.

        Who is refused leaves no trace, so that nobody could tell whether anybody ever was.
        """
        await super().inject()
        try:
            tally = await self._touched(lambda tally: tally.cut > 0)
        finally:
            await super().undo()
        return 0 if tally is None else tally.cut

    async def _is_own_cut(self) -> bool:
        cut = await how_cut(self._link, self._names, within_s=PASSAGE_S)
        kind = ConnectionResetError if self._share < 1 else ConnectionRefusedError
        return isinstance(cut, kind)
