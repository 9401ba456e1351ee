"""The fault `link-reset`."""

from __future__ import annotations

from stormproof.faults.link_fault import WITNESS_S, LinkFault, counted, whole
from stormproof.faults.links.measuring import how_cut
from stormproof.faults.links.tcp import TcpLink
from stormproof.faults.links.toxics import ResetPeer
from stormproof.kernel.units import SECOND_NS
from stormproof.model.plan import PlannedFault


class LinkReset(LinkFault):
    """Reset connections, those that are open and those that come, at both ends.

    What it does:
        On a `share` of the connections both ends get a TCP reset: `after` the injection, or `after`
        they were made, if that is later. What the upstream answers meanwhile is lost.
    Why it matters:
        Load balancers, firewalls and crashing peers reset connections in the middle of a request.
        Whether the request was done nobody knows; only a client that asks again safely gets by.
    What a failure looks like:
        Errors reach users though the dependency is up, a write is done twice or lost, a pool hands
        out dead connections, subscriptions are not taken up again.
    Limits:
        With `after` at 0 nobody gets a connection to work as long as the fault lasts.
    Source:
        Toxiproxy's `reset_peer`, which resets new connections only.
    """

    def __init__(self, link: TcpLink, planned: PlannedFault) -> None:
        self._toxic = ResetPeer(after_ns=whole(planned, "after"))
        super().__init__(link, planned, [("down", self._toxic)])

    async def witness(self) -> str | None:
        """Show that connections of the target were reset, and one of ours where that is soon."""
        after_s = self._toxic.after_ns / SECOND_NS
        tally = await self._touched(lambda tally: tally.cut > 0)
        if tally is None:
            return None
        if after_s >= WITNESS_S:  # one of ours might live longer than the fault
            return f"{counted(tally.cut, 'connection')} reset"
        cut = await how_cut(self._link, self._names, within_s=after_s + WITNESS_S)
        if not isinstance(cut, ConnectionResetError):
            return None
        return f"{counted(tally.cut, 'connection')} reset; one of ours was too"
