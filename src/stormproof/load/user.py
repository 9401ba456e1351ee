"""A virtual user, as the engine makes it and a journey sees it (see `journeys.interface.User`)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, NoReturn

from stormproof.clients.guard import IterationFailed, JourneyGuard
from stormproof.clients.http import HttpClient
from stormproof.clients.ledger import Deliveries, LedgerBook
from stormproof.clients.tape import Actor, Scope
from stormproof.clients.websocket import WsClient
from stormproof.journeys import interface
from stormproof.journeys.fake import Fake
from stormproof.journeys.journey import Journey
from stormproof.kernel.seeds import derive
from stormproof.load.pacer import Pacer
from stormproof.load.tagging import Group, Outfit, Tagged
from stormproof.model.plan import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the users of one scenario in one worker share."""

    scenario: Scenario
    journey: Journey
    outfit: Outfit  # that users begin with
    deliveries: Deliveries
    pacer: Pacer
    seed: int

    @property
    def scope(self) -> Scope:
        """The part of the tape that is the scenario's."""
        return self.outfit.scope


class VirtualUser:
    """A user: who it is, what it can do, and room for the journey's own state."""

    __slots__ = (
        "_fake",
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
        self.id = id_
        self.index = index
        self.actor = Actor(id_, site.scope)
        self.guard = JourneyGuard(self.actor)
        self.state = SimpleNamespace()
        self.outfit = site.outfit
        self.http = HttpClient(site.outfit.http, self.actor)
        self.ws = WsClient(site.outfit.ws, self.actor)
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

    async def think(self, seconds: float) -> None:
        """Pause; the next operation is intended when the pause ends.

        Args:
            seconds: from the end of the last operation on.
        """
        actor = self.actor
        actor.intended_ns += max(0, int(seconds * 1e9))
        await self._site.pacer.sleep_until(actor.intended_ns)

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

    def fail(self, why: str) -> NoReturn:
        """End this iteration as failed."""
        raise IterationFailed(why)

    def close(self) -> None:
        """Close all its connections at once."""
        self.http.close()
        self.ws.abort()


if TYPE_CHECKING:

    def _conforms(user: VirtualUser) -> interface.User:
        return user
