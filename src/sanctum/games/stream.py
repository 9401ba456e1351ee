"""What players and watchers follow over a socket: the events of a room, as a topic."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from sanctum.games.frames import Happened, Welcome
from sanctum.games.referee import Event
from sanctum.games.storage import RoomStorage, encoded
from sanctum.gateway.answers import Refusal
from sanctum.gateway.fanout import Publisher
from sanctum.gateway.frames import Pong, decode_ping, encode
from sanctum.gateway.identity import Identity
from sanctum.gateway.members import Page
from sanctum.gateway.tickets import Admission

TOPIC = "game"
PAGE_EVENTS = 100


class RoomLog:
    """Read the events of rooms; every method raises DatabaseUnavailable."""

    def __init__(self, storage: RoomStorage) -> None:
        self._storage = storage

    async def last_numbers(self, keys: Collection[int]) -> Mapping[int, int]:
        """Give the number of the last event of each room among those asked for."""
        return await self._storage.last_numbers(keys)

    async def after(self, key: int, number: int) -> Page:
        """Read a page of a room's events with a larger number."""
        stored = await self._storage.events(key, number, PAGE_EVENTS)
        return Page(
            frames=[(at, _frame(key, at, body)) for at, body in stored],
            last=stored[-1][0] if stored else number,
            full=len(stored) == PAGE_EVENTS,
        )


class RoomHost:
    """Let every user follow any room; what is played is done by requests."""

    def __init__(self, storage: RoomStorage) -> None:
        self._storage = storage

    async def key_for(self, _identity: Identity, asked: int | None) -> int:
        """Give the room asked for; raises Refusal and Unavailable."""
        if asked is None:
            raise Refusal(422, "invalid_body", "name the room - at `$.key`")
        if await self._storage.find(asked) is None:
            raise Refusal(422, "invalid_body", f"there is no room {asked} - at `$.key`")
        return asked

    def welcome(self, admission: Admission, last: int) -> bytes:
        """Greet a watcher with the number of the room's last event."""
        return encode(Welcome(room=admission.key, user=admission.user_id, last=last))

    async def outsiders(self, _admissions: Collection[Admission]) -> Collection[Admission]:
        """Nobody is shut out of a room."""
        return ()

    async def reply(self, _admission: Admission, text: str) -> bytes:
        """Answer a ping; raises InvalidFrame for everything else."""
        return encode(Pong(id=decode_ping(text).id))


class Crier:
    """Publish what happened in rooms, once it is committed."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def tell(self, event: Event) -> None:
        """Publish an event to all processes."""
        room = event.room
        self._publisher.hand_over(room.id, _frame(room.id, room.last, encoded(event)))


def _frame(room: int, number: int, body: bytes) -> bytes:
    return encode(Happened(room=room, number=number, event=msgspec.Raw(body)))
