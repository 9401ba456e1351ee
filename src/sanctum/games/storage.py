"""Rooms and their events in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import msgspec

from sanctum.backing.database import Database, Row, Transaction
from sanctum.games.board import EMPTY
from sanctum.games.referee import Event, Room

_COLUMNS = """
    id, name, host_id, guest_id, state, board, moves, turn_id, winner_id, end_reason, last_number
"""
_FIND = f"SELECT {_COLUMNS} FROM game_rooms WHERE id = $1"  # noqa: S608 - only constants are interpolated
_LOCK = f"{_FIND} FOR UPDATE"
_WAITING = f"""
    SELECT {_COLUMNS} FROM game_rooms
    WHERE state = 'waiting' AND id < $1 ORDER BY id DESC LIMIT $2
"""  # noqa: S608
# What another process ends already is passed over.
_LOCK_IDLE = f"""
    SELECT {_COLUMNS} FROM game_rooms
    WHERE state <> 'ended' AND active_at < now() - $1 * interval '1 second'
    ORDER BY active_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""  # noqa: S608
_CREATE = f"""
    INSERT INTO game_rooms (name, host_id, board) SELECT $2, id, $3 FROM users WHERE id = $1
    RETURNING {_COLUMNS}
"""  # noqa: S608
_TELL = "INSERT INTO room_events (room_id, number, body) VALUES ($1, $2, $3)"
# One statement, for while it runs the others who act in the room wait.
_CHANGE = f"""
    WITH told AS ({_TELL})
    UPDATE game_rooms SET last_number = $2, guest_id = $4, state = $5, board = $6, moves = $7,
        turn_id = $8, winner_id = $9, end_reason = $10, active_at = now()
    WHERE id = $1
"""  # noqa: S608
_EVENTS = """
    SELECT number, body FROM room_events WHERE room_id = $1 AND number > $2
    ORDER BY number LIMIT $3
"""
_LAST_NUMBERS = "SELECT id, last_number FROM game_rooms WHERE id = ANY($1::bigint[])"
_COUNT_OPEN = "SELECT state, count(*) FROM game_rooms WHERE state <> 'ended' GROUP BY state"
ID_MAX = 2**63 - 1

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Hold a room as it stands, and what has just happened in it, None for nothing."""

    room: Room
    event: Event | None


class RoomStorage:
    """Store and find rooms; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, host: int, name: str) -> Event | None:
        """Open a room and tell of it; None when its host has no account any more."""
        async with self._database.transaction("create_room") as transaction:
            row = await transaction.fetch_one(_CREATE, host, name, EMPTY)
            if row is None:
                return None
            event = Event(kind="created", by=host, place=None, room=_room(row))
            room = event.room
            await transaction.fetch(_TELL, room.id, room.last, encoded(event))
        return event

    async def change(self, room_id: int, decide: Callable[[Room], Event | None]) -> Changed | None:
        """Lock a room, and store what is decided of it together with its event.

        Args:
            room_id: which room.
            decide: gives the event, None where the room is to stay as it is; what it raises
                leaves the room as it was.

        Returns:
            how it stands afterwards, None when there is no such room.
        """
        async with self._database.transaction("change_room") as transaction:
            row = await transaction.fetch_one(_LOCK, room_id)
            if row is None:
                return None
            room = _room(row)
            event = decide(room)
            if event is not None:
                await _store(transaction, event)
        return Changed(room=room if event is None else event.room, event=event)

    async def change_idle(
        self, idle_s: float, limit: int, decide: Callable[[Room], Event]
    ) -> Sequence[Event]:
        """Store what is decided of each room in which nothing happened for some seconds."""
        async with self._database.transaction("change_idle_rooms") as transaction:
            rows = await transaction.fetch(_LOCK_IDLE, idle_s, limit)
            events = [decide(_room(row)) for row in rows]
            for event in events:
                await _store(transaction, event)
        return events

    async def find(self, room_id: int) -> Room | None:
        """Find a room by its id."""
        row = await self._database.fetch_one("find_room", _FIND, room_id)
        return None if row is None else _room(row)

    async def waiting(self, before: int, limit: int) -> Sequence[Room]:
        """List rooms with a smaller id that wait for a second player, newest first."""
        rows = await self._database.fetch("waiting_rooms", _WAITING, before, limit)
        return [_room(row) for row in rows]

    async def events(self, room_id: int, after: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """List a room's events with a larger number, in order, each as the JSON it was told in."""
        rows = await self._database.fetch("room_events", _EVENTS, room_id, after, limit)
        return [(cast(int, row[0]), cast(bytes, row[1])) for row in rows]

    async def last_numbers(self, rooms: Collection[int]) -> Mapping[int, int]:
        """Give the number of the last event of each room that there is among those asked for."""
        rows = await self._database.fetch("last_events", _LAST_NUMBERS, list(rooms))
        return {cast(int, row[0]): cast(int, row[1]) for row in rows}

    async def count_open(self) -> dict[str, int]:
        """Count the rooms that have not ended, by state; a state without any is left out."""
        rows = await self._database.fetch("count_rooms", _COUNT_OPEN)
        return {cast(str, row[0]): cast(int, row[1]) for row in rows}


def encoded(event: Event) -> bytes:
    """Give the JSON in which an event is stored and told."""
    return _encoder.encode(event)


async def _store(transaction: Transaction, event: Event) -> None:
    room = event.room
    await transaction.fetch(
        _CHANGE,
        room.id,
        room.last,
        encoded(event),
        room.guest,
        room.state,
        room.board,
        room.moves,
        room.turn,
        room.winner,
        room.end_reason,
    )


def _room(row: Row) -> Room:
    return Room(*row)  # type: ignore[misc]
