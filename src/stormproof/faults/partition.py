"""The fault `link-partition`."""

from __future__ import annotations

import asyncio

from stormproof.faults.links import TcpLink

WITNESS_S = 1.0
_LOOK_EVERY_S = 0.01
_CONNECT_S = 1.0


class LinkPartition:
    """Hold a link in both directions, as if the network between two parts were gone.

    What it does:
        From the injection on the link reads nothing and forwards nothing. Connections stay open,
        new ones are accepted and stay silent, nothing is reset. On undo everything that waited
        flows on in order, as TCP does when a route comes back.
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

    def __init__(self, link: TcpLink) -> None:
        self._link = link
        self._connections_before = 0

    async def inject(self) -> str:
        """Hold the link."""
        self._connections_before = self._link.counters().connections_open
        self._link.hold()
        return f"{self._link.name} holds {self._connections_before} connections"

    async def witness(self) -> str | None:
        """Show bytes or connections of the target that wait, and that a new connection does not
        get through."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + WITNESS_S
        held = self._link.held_back()
        while not (held.bytes or held.connections):
            if loop.time() >= deadline:
                return None
            await asyncio.sleep(_LOOK_EVERY_S)
            held = self._link.held_back()
        if await self._link.reaches_upstream(timeout_s=5 * _LOOK_EVERY_S):
            return None
        return (
            f"{held.bytes} bytes and {held.connections} new connections held back; "
            "a connection of our own got no answer"
        )

    async def undo(self) -> str:
        """Release the link."""
        held = self._link.held_back()
        self._link.release()
        return f"released {held.bytes} bytes and {held.connections} new connections"

    async def residue(self) -> str | None:
        """Show a link that still holds, or through which nothing gets to the upstream."""
        if self._link.is_held:
            return f"{self._link.name} still holds"
        if not await self._link.reaches_upstream(timeout_s=_CONNECT_S):
            return f"a new connection through {self._link.name} reaches no upstream"
        return None
