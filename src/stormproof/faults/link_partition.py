"""The fault `link-partition`."""

from __future__ import annotations

import asyncio

from stormproof.faults.link_fault import (
    LOOK_EVERY_S,
    WITNESS_S,
    LinkFault,
    counted,
    directions_of,
    word,
)
from stormproof.faults.links.measuring import own_connection, reaches_upstream, received
from stormproof.faults.links.tcp import TcpLink
from stormproof.faults.links.toxics import Drop, Hold
from stormproof.model.plan import PlannedFault

_SILENCE_S = 0.05


class LinkPartition(LinkFault):
    """Cut a link in one `direction` or both, as if the network between two parts were gone.

    What it does:
        With the `mode` hold the link reads nothing and forwards nothing. Connections stay open,
        new ones are accepted and stay silent, nothing is reset. On undo everything that waited
        flows on in order, as TCP does when a route comes back. With the `mode` drop it takes what
        it is sent and loses it, closes too; on undo connections that lost something are reset.
    Why it matters:
        A lost peer mostly shows as silence and not as an error. A service that waits for an error
        hangs; one without a deadline on each use of the dependency hangs with it.
    What a failure looks like:
        Requests that need no cache become slow or fail; health says ready while operations time
        out; after the undo the service does not reconnect, or delivers twice what was in flight.
    Limits:
        A new connection is accepted, where a true partition would leave it unanswered. What the
        link had read before the injection is still sent on. The cut is at the link: parts that
        talk past it notice nothing.
    Source:
        Jepsen's partitions; Toxiproxy's `timeout` toxic with timeout 0.
    """

    def __init__(self, link: TcpLink, planned: PlannedFault) -> None:
        self._drops = word(planned, "mode") == "drop"
        toxic = Drop() if self._drops else Hold()
        super().__init__(link, planned, [(one, toxic) for one in directions_of(planned)])

    async def witness(self) -> str | None:
        """Show what of the target waits or was lost, and that nothing of ours gets through."""
        seen = await (self._lost() if self._drops else self._held())
        if seen is None or not await self._is_own_silent():
            return None
        return f"{seen}; a connection of our own got no answer"

    async def undo(self) -> str:
        """Take the cut off."""
        held = self._link.held_back(self._names)
        lost = await super().undo()
        if self._drops:
            return lost
        return f"released {held.bytes} bytes and {held.connections} new connections"

    async def _held(self) -> str | None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + WITNESS_S
        held = self._link.held_back(self._names)
        while not (held.bytes or held.connections):
            if loop.time() >= deadline:
                return None
            await asyncio.sleep(LOOK_EVERY_S)
            held = self._link.held_back(self._names)
        return f"{held.bytes} bytes and {held.connections} new connections held back"

    async def _lost(self) -> str | None:
        tally = await self._touched(lambda tally: tally.bytes > 0)
        return None if tally is None else f"{counted(tally.bytes, 'byte')} lost"

    async def _is_own_silent(self) -> bool:
        if not self._drops:
            return not await reaches_upstream(self._link, self._names, timeout_s=_SILENCE_S)
        try:
            async with own_connection(self._link, self._names) as own:
                for one in self._applied:
                    own.sender(one.direction).write(b"?")
                    if await received(own.receiver(one.direction), 1, within_s=_SILENCE_S):
                        return False
        except (OSError, TimeoutError):
            return False  # no connection came about, which is another fault
        return True
