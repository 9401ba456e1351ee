"""What the faults on links have in common: toxics put on, looked at, taken off, looked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from stormproof.faults.links.measuring import (
    own_connection,
    reaches_upstream,
    received,
    serves_directly,
)
from stormproof.faults.links.tcp import TcpLink
from stormproof.faults.links.toxics import Applied, Direction, Tally, Toxic
from stormproof.kernel.errors import FaultRefused
from stormproof.model.fault import KINDS, SettingValue
from stormproof.model.plan import PlannedFault

WITNESS_S = 1.0  # how long a fault may take to touch the target's traffic
PATIENCE_S = 5.0  # before a link is said to be blocked: a busy machine is no residue
UPSTREAM_TRIES = 2  # an upstream may come back between a look through the link and one past it
LOOK_EVERY_S = 0.01
BOTH: tuple[Direction, ...] = ("up", "down")


class LinkFault:
    """A fault that consists of toxics on one link (`stormproof.seams.Fault`, but for its witness).

    Args:
        link: what suffers it.
        planned: what the plan says of it.
        toxics: the toxic for each direction.
    """

    def __init__(
        self, link: TcpLink, planned: PlannedFault, toxics: Sequence[tuple[Direction, Toxic]]
    ) -> None:
        self._link = link
        self._fault = planned.name
        self._share = number(planned, "share")
        self._applied = tuple(
            Applied(
                name=f"{planned.name}:{direction}",
                toxic=toxic,
                direction=direction,
                share=self._share,
            )
            for direction, toxic in toxics
        )

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self._applied)

    async def inject(self) -> str:
        """Put the toxics on."""
        on = {one.name for one in self._link.toxics}
        if not on.isdisjoint(self._names):
            raise FaultRefused(f"{self._fault} is on {self._link.name} already")
        for one in self._applied:
            self._link.put(one)
        touched = self._tally().connections
        return f"on {self._link.name}: {counted(touched, 'connection')} under it at once"

    async def undo(self) -> str:
        """Take the toxics off."""
        tally = self._tally()
        for name in self._names:
            self._link.take_off(name)
        return (
            f"off {self._link.name}: {counted(tally.bytes, 'byte')} on "
            f"{counted(tally.connections, 'connection')} had suffered it"
        )

    async def residue(self) -> str | None:
        """Show toxics that are still on, or a link through which nothing gets."""
        left = [one.name for one in self._link.toxics if one.name in self._names]
        if left:
            return f"{self._link.name} still suffers {', '.join(left)}"
        if self._link.is_refusing:
            return None  # another fault's doing, which looks for the rest when it ends
        return await blockage(self._link)

    async def _touched(self, has_touched: Callable[[Tally], bool]) -> Tally | None:
        """Wait until the toxics have touched traffic of the target; None when they do not."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + WITNESS_S
        while not has_touched(tally := self._tally()):
            if loop.time() >= deadline_s:
                return None
            await asyncio.sleep(LOOK_EVERY_S)
        return tally

    def _tally(self) -> Tally:
        """Count what the toxics did, in both directions; a connection under two counts once."""
        tallies = [self._link.tally(name) for name in self._names]
        return Tally(
            connections=max(one.connections for one in tallies),
            bytes=sum(one.bytes for one in tallies),
            cut=sum(one.cut for one in tallies),
        )


async def blockage(link: TcpLink) -> str | None:
    """Say what keeps a connection of our own from passing a link that nothing should keep.

    An upstream that nobody reaches, past the link neither, is not the link's doing.
    """
    try:
        async with own_connection(link, (), within_s=PATIENCE_S) as own:
            for direction in BOTH:
                own.sender(direction).write(b"?")
                if await received(own.receiver(direction), 1, within_s=PATIENCE_S) != b"?":
                    return f"nothing passes {link.name} {direction}"
    except (OSError, TimeoutError) as error:
        return f"no connection passes {link.name}: {str(error) or 'none came about in time'}"
    for _ in range(UPSTREAM_TRIES):
        if await reaches_upstream(link, (), timeout_s=PATIENCE_S):
            return None
        if not await serves_directly(link, timeout_s=PATIENCE_S):
            return None
    return f"a new connection through {link.name} reaches no upstream"


def directions_of(planned: PlannedFault) -> tuple[Direction, ...]:
    """Read the directions that a fault has been set to."""
    match word(planned, "direction"):
        case "up":
            return ("up",)
        case "down":
            return ("down",)
        case _:
            return BOTH


def number(planned: PlannedFault, name: str) -> float:
    """Read a setting that is a number."""
    value = _setting(planned, name)
    assert not isinstance(value, str)
    return value


def whole(planned: PlannedFault, name: str) -> int:
    """Read a setting that is a whole number, or nanoseconds."""
    return int(number(planned, name))


def word(planned: PlannedFault, name: str) -> str:
    """Read a setting that is a word."""
    return str(_setting(planned, name))


def counted(count: int, what: str) -> str:
    """Write a number of things."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _setting(planned: PlannedFault, name: str) -> SettingValue:
    value = planned.settings.get(name, KINDS[planned.kind].settings[name].default)
    if value is None:
        raise FaultRefused(f"{planned.name} has no setting {name}")
    return value
