"""A virtual user, as the engine makes it and a journey sees it (see `journeys.interface.User`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from stormproof.clients.guard import IterationFailed, JourneyGuard
from stormproof.clients.http import HttpClient
from stormproof.clients.ledger import Deliveries, LedgerBook
from stormproof.clients.measures import MeasureBook
from stormproof.clients.tape import Actor, Scope
from stormproof.clients.websocket import WsClient
from stormproof.journeys import interface
from stormproof.journeys.fake import Fake
from stormproof.journeys.feed import Feed, Row
from stormproof.journeys.journey import Journey
from stormproof.journeys.pause import Pause
from stormproof.kernel.limits import CLEANUPS_PER_USER_MAX
from stormproof.kernel.seeds import derive
from stormproof.load.feeds import FeedDesk
from stormproof.load.pacer import Pacer
from stormproof.load.tagging import Group, Outfit, Tagged
from stormproof.model.metric import CustomMetric
from stormproof.model.plan import Scenario

_Kept = TypeVar("_Kept")


class Cleanup:
    """Something that a user will undo at the end of the run."""

    __slots__ = ("_registered", "work")

    def __init__(
        self, registered: dict[Cleanup, None], work: Callable[[], Awaitable[object]]
    ) -> None:
        self._registered = registered
        self.work = work

    def forget(self) -> None:
        """Leave it: it is undone already."""
        self._registered.pop(self, None)


@dataclass(slots=True, kw_only=True)
class Commons:
    """What all users of one worker share."""

    feeds: FeedDesk
    data: Any = None  # what the set-up handed over
    owing: list[VirtualUser] = field(default_factory=list)  # who has something to clean up
    on_owing: Callable[[], None] = lambda: None

    def owe(self, user: VirtualUser) -> None:
        """Take a user that has something to clean up, for the first time."""
        self.owing.append(user)
        if len(self.owing) == 1:
            self.on_owing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the users of one scenario in one worker share."""

    scenario: Scenario
    journey: Journey
    outfit: Outfit  # that users begin with
    deliveries: Deliveries
    measures: MeasureBook
    pacer: Pacer
    commons: Commons
    seed: int

    @property
    def scope(self) -> Scope:
        """The part of the tape that is the scenario's."""
        return self.outfit.scope


class VirtualUser:
    """A user: who it is, what it can do, and room for the journey's own state."""

    __slots__ = (
        "_cleanups",
        "_fake",
        "_kept",
        "_random",
        "_site",
        "actor",
        "guard",
        "http",
        "id",
        "index",
        "ledger",
        "outfit",
        "state",
        "ws",
    )

    def __init__(self, site: Site, id_: int, index: int) -> None:
        self._site = site
        self._random: Random | None = None
        self._fake: Fake | None = None
        self._cleanups: dict[Cleanup, None] | None = None
        self._kept: dict[object, Any] | None = None
        self.id = id_
        self.index = index
        self.actor = Actor(id_, site.scope)
        self.guard = JourneyGuard(self.actor)
        self.state = SimpleNamespace()
        self.outfit = site.outfit
        self.http = HttpClient(site.outfit.http, self.actor)
        self.ws = WsClient(site.outfit.ws, self.actor, self.http)
        self.ledger = LedgerBook(self.actor, site.deliveries)

    @property
    def scenario(self) -> str:
        """The scenario's name."""
        return self._site.scenario.name

    @property
    def env(self) -> Mapping[str, str]:
        """The scenario's settings."""
        return self._site.scenario.env

    @property
    def data(self) -> Any:
        """What the set-up returned."""
        return self._site.commons.data

    @property
    def random(self) -> Random:
        """A random stream of its own; the same in every run with the same seed."""
        if self._random is None:
            self._random = Random(derive(self._site.seed, self.scenario, self.index))  # noqa: S311
        return self._random

    @property
    def fake(self) -> Fake:
        """Synthetic text, from another stream of its own."""
        if self._fake is None:
            seed = derive(self._site.seed, self.scenario, self.index, "fake")
            self._fake = Fake(Random(seed))  # noqa: S311
        return self._fake

    async def think(self, pause: float | Pause) -> None:
        """Pause; the next operation is intended when the pause ends.

        Args:
            pause: in seconds, from the end of the last operation on; or how to draw them.
        """
        seconds = pause.draw(self.random) if isinstance(pause, Pause) else pause
        actor = self.actor
        actor.intended_ns += max(0, int(seconds * 1e9))
        await self._site.pacer.sleep_until(actor.intended_ns)

    def draw(self, feed: Feed) -> Row:
        """Return its next row of a feed."""
        return self._site.commons.feeds.draw(feed, self.id, self._own_random)

    def keep(self, owner: object, make: Callable[[], _Kept]) -> _Kept:
        """Return what `owner` keeps for this user, made when it is first asked for."""
        if self._kept is None:
            self._kept = {}
        if owner not in self._kept:
            self._kept[owner] = make()
        kept: _Kept = self._kept[owner]
        return kept

    def cleanup(self, work: Callable[[], Awaitable[object]]) -> Cleanup:
        """Have something done at the end of the run, the last registered first."""
        if self._cleanups is None:
            self._cleanups = {}
            self._site.commons.owe(self)
        if len(self._cleanups) >= CLEANUPS_PER_USER_MAX:
            raise IterationFailed(f"over {CLEANUPS_PER_USER_MAX} clean-ups: forget what is undone")
        one = Cleanup(self._cleanups, work)
        self._cleanups[one] = None
        return one

    def next_cleanup(self) -> Callable[[], Awaitable[object]] | None:
        """Take the clean-up that was registered last; None when there is none left."""
        return self._cleanups.popitem()[0].work if self._cleanups else None

    def tag(self, key: str, value: str) -> None:
        """Tag whatever it does from now on."""
        self.wear(self.outfit.with_tag(key, value))

    def tagged(self, **tags: str) -> AbstractContextManager[None]:
        """Tag whatever it does in a `with` block."""
        return Tagged(self, tags)

    def group(self, name: str) -> AbstractContextManager[None]:
        """Name and time what it does in a `with` block."""
        return Group(self, name)

    def wear(self, outfit: Outfit) -> None:
        """Count what it does from now on under another tag set."""
        self.outfit = outfit
        self.actor.scope = outfit.scope
        self.http.use(outfit.http)
        self.ws.use(outfit.ws)

    def record_metric(self, metric: CustomMetric, value: float, tags: Mapping[str, str]) -> None:
        """Keep a value of a custom metric under the tags that it wears."""
        self._site.measures.add(self.actor.scope, metric, value, tags)

    def fail(self, why: str) -> NoReturn:
        """End this iteration as failed."""
        raise IterationFailed(why)

    def _own_random(self) -> Random:
        return self.random

    def close(self) -> None:
        """Close all its connections at once."""
        self.http.close()
        self.ws.abort()


if TYPE_CHECKING:

    def _conforms(user: VirtualUser) -> interface.User:
        return user
