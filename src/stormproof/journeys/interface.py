"""The `user` of a journey, as types: annotate with them for help from your editor and mypy.

    async def read_feed(user: User) -> None: ...

What the target does wrong is data here: a Response without an answer, a Socket that is not open, a
Reply that is not ok. Only `Response.json()` of an answer that is no JSON ends the iteration.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from random import Random
from types import SimpleNamespace
from typing import Any, NoReturn, Protocol, TypeVar

from stormproof.journeys.fake import Fake
from stormproof.journeys.feed import Feed, Row
from stormproof.journeys.operations import Operations
from stormproof.journeys.pause import Pause
from stormproof.journeys.requests import Http
from stormproof.journeys.sockets import WebSockets
from stormproof.model.metric import CustomMetric

_Kept = TypeVar("_Kept")


class Message(Protocol):
    """A message that was announced to the ledger; say what became of it, or it stays unknown."""

    @property
    def body(self) -> str:
        """What to send: a stamp and the text."""
        ...

    @property
    def key(self) -> int:
        """The key that names it in the whole run."""
        ...

    def ok(self, number: int) -> None:
        """Say that it was acknowledged under `number`."""
        ...

    def refused(self) -> None:
        """Say that it certainly did not happen."""
        ...

    def unknown(self) -> None:
        """Say that it may have happened: a timeout, a lost connection, a server error."""
        ...


class Ledger(Operations, Protocol):
    """Writes down what must not be lost, doubled or leaked; `scope` is a channel's number."""

    def sent(self, scope: int, text: str) -> Message:
        """Announce a message before it is sent."""
        ...

    def received(self, body: str, scope: int, number: int) -> None:
        """Take a message that arrived."""
        ...

    def joined(self, scope: int, after: int) -> None:
        """Say that this user is owed every message of `scope` above the number `after`."""
        ...

    def left(self, scope: int) -> None:
        """Say that the membership's connection ended; the next `joined` resumes it."""
        ...


class Cleanup(Protocol):
    """Something that will be undone at the end of the run."""

    def forget(self) -> None:
        """Leave it: it is undone already."""
        ...


class User(Protocol):
    """A virtual user: who it is, what it can do, and room for the journey's own state.

    Wait only by its operations and by `think`: both keep the instants that response times run from.
    """

    @property
    def id(self) -> int:
        """Its number in the whole run, from 1."""
        ...

    @property
    def index(self) -> int:
        """Its number within the scenario, from 0."""
        ...

    @property
    def scenario(self) -> str:
        """The scenario's name."""
        ...

    @property
    def env(self) -> Mapping[str, str]:
        """The scenario's settings."""
        ...

    @property
    def data(self) -> Any:
        """What the set-up returned; shared by all users, so leave it as it is."""
        ...

    @property
    def random(self) -> Random:
        """A random stream of its own; the same in every run with the same seed."""
        ...

    @property
    def fake(self) -> Fake:
        """Synthetic text from that stream."""
        ...

    @property
    def state(self) -> SimpleNamespace:
        """Room for what the journey wants to keep."""
        ...

    @property
    def http(self) -> Http:
        """Requests over HTTP."""
        ...

    @property
    def ws(self) -> WebSockets:
        """WebSockets."""
        ...

    @property
    def ledger(self) -> Ledger:
        """What must not be lost."""
        ...

    async def think(self, pause: float | Pause) -> None:
        """Pause, in seconds or as `between(1, 3)`; the next operation is intended at its end."""
        ...

    def draw(self, feed: Feed) -> Row:
        """Return its next row of a feed; call `feed.next(user)` instead."""
        ...

    def keep(self, owner: object, make: Callable[[], _Kept]) -> _Kept:
        """Return what `owner` keeps for this user, made when it is first asked for.

        For values that journeys share, such as an authentication that keeps a user's token.
        """
        ...

    def cleanup(self, work: Callable[[], Awaitable[object]]) -> Cleanup:
        """Have `work` done at the end of the run, the last registered first.

        It happens whatever becomes of the load; an operation of it that fails is told.
        """
        ...

    def tag(self, key: str, value: str) -> None:
        """Tag whatever this user does from now on, in later iterations too."""
        ...

    def tagged(self, **tags: str) -> AbstractContextManager[None]:
        """Tag whatever this user does in a `with` block."""
        ...

    def group(self, name: str) -> AbstractContextManager[None]:
        """Name a part of the journey, in a `with` block: `group_duration`, and the tag `group`.

        A group within a group is named after both: `::checkout::payment`.
        """
        ...

    def record_metric(self, metric: CustomMetric, value: float, tags: Mapping[str, str]) -> None:
        """Keep a value of a custom metric; call `metric.add(user, ...)` instead."""
        ...

    def fail(self, why: str) -> NoReturn:
        """End this iteration as failed."""
        ...
