"""Topics: frames that are numbered by key and stored before they are published.

A key is what numbers count for: a channel of the chat, a user's inbox. A frame is committed under
its key's next number, then published to all processes, each of which offers it to the members it
serves. Publishing is only the fast path: numbers have no gaps, so a member that is offered any
number but the next one knows that it missed something and reads it from the log. The same catch-up
serves a resumed socket, a lost subscription, a frame that could not be published, and the sweep: a
member is either in step, or behind and reading pages until it is in step again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from prometheus_client import Counter

from sanctum.gateway.members import Member, Page, SlowReader

# All members fall behind at once when a subscription is lost: their reads must leave connections
# to requests.
PAGES_AT_ONCE = 4


class Log(Protocol):
    """Read what a topic has stored; every method raises DatabaseUnavailable."""

    async def after(self, key: int, number: int) -> Page:
        """Read the frames of a key with a larger number, a page of bounded size in order."""
        ...

    async def last_numbers(self, keys: Collection[int]) -> Mapping[int, int]:
        """Give the last number of each key; one that is absent has none yet."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Say where a published frame belongs."""

    key: int
    number: int


class Mishap(Enum):
    """Name what may go wrong with one frame on its way to its members."""

    MISSED = "one of them is not sent it"
    STRAYED = "somebody else is sent it too"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicMetrics:
    """Count what happens to the frames of a topic.

    Attributes:
        published: frames published to all processes.
        unpublished: frames left to catch-up because they could not be published.
        delivered: frames sent to a member.
        pages: pages read from the log.
    """

    published: Counter
    unpublished: Counter
    delivered: Counter
    pages: Counter


class Audience:
    """Serve the members of one key."""

    def __init__(
        self, key: int, load: Callable[[int, int], Awaitable[Page]], reading: asyncio.Semaphore
    ) -> None:
        """Make an audience without members.

        Args:
            key: what its frames are numbered for.
            load: reads the frames of a key after a number.
            reading: bounds how many pages are read at once.
        """
        self.key = key
        self.members: dict[Member, Callable[[], None]] = {}
        self._load = load
        self._reading = reading
        self._unread: dict[int, asyncio.Task[Page]] = {}

    async def read_page(self, after: int) -> Page:
        """Read the frames after a number; members that ask at the same moment share the read.

        A read is shared only until its statement is sent, so that it sees every frame that was
        committed before anyone asked.
        """
        page = self._unread.get(after)
        if page is None:
            page = asyncio.get_running_loop().create_task(self._read(after))
            page.add_done_callback(_retrieve)
            self._unread[after] = page
        return await asyncio.shield(page)

    async def _read(self, after: int) -> Page:
        async with self._reading:
            del self._unread[after]
            return await self._load(self.key, after)

    def offer(self, number: int, frame: bytes) -> None:
        """Offer a live frame to every member; one that is too slow is expelled."""
        for member, expel in list(self.members.items()):
            try:
                member.offer(number, frame)
            except SlowReader:
                expel()

    def pass_over_one(self, number: int) -> None:
        """Let the first member miss a live frame; only a planted defect asks for that."""
        next(iter(self.members)).pass_over(number)

    def intrude_on_one(self, frame: bytes) -> None:
        """Send the first member a frame of another key; only a planted defect asks for that."""
        next(iter(self.members)).intrude(frame)

    def fall_behind(self) -> None:
        """Make every member read what it may have missed."""
        for member in self.members:
            member.fall_behind()

    def catch_up_to(self, last: int) -> None:
        """Make every member read that has not reached a number which is stored."""
        for member in self.members:
            if member.tail < last:
                member.fall_behind()


class Topic:
    """Find the audience of a key and load its frames.

    Attributes:
        name: the topic of the cache's pub/sub.
        log: what is stored.
        metrics: what is counted.
        subscribed: whether published frames reach this process at present.
    """

    def __init__(
        self,
        name: str,
        log: Log,
        locate: Callable[[bytes], Place],
        metrics: TopicMetrics,
        *,
        mishap: Callable[[bytes], Mishap | None] = lambda _frame: None,
    ) -> None:
        """Make a topic without members.

        Args:
            name: the topic of the cache's pub/sub.
            log: reads what is stored.
            locate: tells where a published frame belongs; raises msgspec.DecodeError.
            metrics: what to count.
            mishap: tells what goes wrong with a frame that is offered; nothing does but by a
                planted defect.
        """
        self.name = name
        self.log = log
        self.metrics = metrics
        self.subscribed = False
        self._locate = locate
        self._mishap = mishap
        self._audiences: dict[int, Audience] = {}
        self._reading = asyncio.Semaphore(PAGES_AT_ONCE)

    def __iter__(self) -> Iterator[Audience]:
        return iter(list(self._audiences.values()))

    def audience(self, key: int) -> Audience:
        """Return the audience of a key, made on first use."""
        audience = self._audiences.get(key)
        if audience is None:
            audience = self._audiences[key] = Audience(key, self._load_page, self._reading)
        return audience

    def join(self, audience: Audience, member: Member, expel: Callable[[], None]) -> None:
        """Let a member take part; ``expel`` closes its socket when it is too slow."""
        self._audiences[audience.key] = audience
        audience.members[member] = expel

    def leave(self, audience: Audience, member: Member) -> None:
        """Let a member go; an empty audience is forgotten."""
        audience.members.pop(member, None)
        if not audience.members:
            self._audiences.pop(audience.key, None)

    def offer(self, frame: bytes) -> None:
        """Offer a published frame to the members of its key; raises msgspec.DecodeError."""
        place = self._locate(frame)
        audience = self._audiences.get(place.key)
        if audience is None:
            return
        match self._mishap(frame):
            case Mishap.MISSED:
                audience.pass_over_one(place.number)
            case Mishap.STRAYED:
                self._lead_astray(place.key, frame)
        audience.offer(place.number, frame)

    def _lead_astray(self, key: int, frame: bytes) -> None:
        others = [audience for audience in self if audience.key != key]
        if others:
            others[0].intrude_on_one(frame)

    def fall_behind(self, key: int) -> None:
        """Make a key's members read what they may have missed."""
        audience = self._audiences.get(key)
        if audience is not None:
            audience.fall_behind()

    def all_fall_behind(self) -> None:
        """Make every member of every key read what it may have missed."""
        for audience in self._audiences.values():
            audience.fall_behind()

    async def _load_page(self, key: int, after: int) -> Page:
        self.metrics.pages.inc()
        return await self.log.after(key, after)


def _retrieve(page: asyncio.Task[Page]) -> None:
    """Mark a failure as seen also where every member that asked has gone."""
    if not page.cancelled():
        page.exception()
