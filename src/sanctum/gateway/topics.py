"""Rooms: the members of each channel that this process serves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from sanctum.chat.frames import Message, decode_place, encode
from sanctum.chat.members import Member, Page, SlowReader
from sanctum.chat.storage import ChatStorage
from sanctum.defects import Defects
from sanctum.telemetry.metrics import Metrics

PAGE_MESSAGES = 100


class Room:
    """Serve the members of one channel."""

    def __init__(self, channel: int, load: Callable[[int, int], Awaitable[Page]]) -> None:
        self.channel = channel
        self.members: dict[Member, Callable[[], None]] = {}
        self._load = load
        self._unread: dict[int, asyncio.Task[Page]] = {}

    async def read_page(self, after: int) -> Page:
        """Read the messages after a number; members that ask at the same moment share the read.

        A read is shared only until its statement is sent, so that it sees every message that was
        committed before anyone asked.
        """
        page = self._unread.get(after)
        if page is None:
            page = asyncio.get_running_loop().create_task(self._read(after))
            page.add_done_callback(_retrieve)
            self._unread[after] = page
        return await asyncio.shield(page)

    async def _read(self, after: int) -> Page:
        del self._unread[after]
        return await self._load(self.channel, after)

    def offer(self, number: int, frame: bytes) -> None:
        """Offer a live message to every member; one that is too slow is expelled."""
        for member, expel in list(self.members.items()):
            try:
                member.offer(number, frame)
            except SlowReader:
                expel()

    def fall_behind(self) -> None:
        """Make every member read what it may have missed."""
        for member in self.members:
            member.fall_behind()


class Rooms:
    """Find the room of a channel and load its messages.

    Attributes:
        subscribed: whether published messages reach this process at present.
    """

    def __init__(self, storage: ChatStorage, defects: Defects, metrics: Metrics) -> None:
        self._storage = storage
        self._defects = defects
        self._metrics = metrics
        self._rooms: dict[int, Room] = {}
        self.subscribed = False

    def __iter__(self) -> Iterator[Room]:
        return iter(list(self._rooms.values()))

    def room(self, channel: int) -> Room:
        """Return the room of a channel, made on first use."""
        room = self._rooms.get(channel)
        if room is None:
            room = self._rooms[channel] = Room(channel, self._load_page)
        return room

    def join(self, room: Room, member: Member, expel: Callable[[], None]) -> None:
        """Let a member take part; ``expel`` closes its socket when it is too slow."""
        self._rooms[room.channel] = room
        room.members[member] = expel

    def leave(self, room: Room, member: Member) -> None:
        """Let a member go; an empty room is forgotten."""
        room.members.pop(member, None)
        if not room.members:
            self._rooms.pop(room.channel, None)

    def offer(self, frame: bytes) -> None:
        """Offer an encoded live message to the members of its channel; raises DecodeError."""
        place = decode_place(frame)
        room = self._rooms.get(place.channel)
        if room is not None:
            room.offer(place.number, frame)

    def fall_behind(self, channel: int) -> None:
        """Make a channel's members read what they may have missed."""
        room = self._rooms.get(channel)
        if room is not None:
            room.fall_behind()

    def all_fall_behind(self) -> None:
        """Make every member of every channel read what it may have missed."""
        for room in self._rooms.values():
            room.fall_behind()

    async def _load_page(self, channel: int, after: int) -> Page:
        self._metrics.catch_ups.inc()
        stored = await self._storage.after(channel, after, PAGE_MESSAGES)
        frames = [
            (
                message.number,
                encode(
                    Message(
                        channel=channel,
                        number=message.number,
                        id=message.client_id,
                        from_=message.author_id,
                        body=message.body,
                    )
                ),
            )
            for message in stored
            if not self._defects.hides(message.ordinal)
        ]
        last = stored[-1].number if stored else after
        return Page(frames=frames, last=last, full=len(stored) == PAGE_MESSAGES)


def _retrieve(page: asyncio.Task[Page]) -> None:
    """Mark a failure as seen also where every member that asked has gone."""
    if not page.cancelled():
        page.exception()
