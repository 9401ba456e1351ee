"""The referee: what each action makes of a room, or why it is refused. Nothing is stored here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from sanctum.defects import Defects
from sanctum.games.board import GUEST_MARK, HOST_MARK, is_free, is_full, is_won_by, marked
from sanctum.gateway.answers import Refusal

State = Literal["waiting", "playing", "ended"]
EndReason = Literal["win", "draw", "leave", "closed", "idle"]
END_REASONS: tuple[EndReason, ...] = ("win", "draw", "leave", "closed", "idle")
OPEN_STATES: tuple[State, ...] = ("waiting", "playing")


class Room(msgspec.Struct, frozen=True):
    """Hold a room as its players and watchers see it; players are told by their user ids.

    `turn` is who may move, None where nobody may; `last` is the number of the room's last event.
    """

    id: int
    name: str
    host: int
    guest: int | None
    state: State
    board: str
    moves: int
    turn: int | None
    winner: int | None
    end_reason: EndReason | None
    last: int


class Event(msgspec.Struct, frozen=True):
    """Tell what happened in a room, and how it stands since: one event says all."""

    kind: Literal["created", "joined", "moved", "left", "closed", "expired"]
    by: int | None
    place: int | None
    room: Room


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Hold a move: the how many-th of its game it is meant to be, and where."""

    number: int
    place: int


class Referee:
    """Decide what an action makes of a room; None where the room is so already."""

    def __init__(self, defects: Defects) -> None:
        self._defects = defects

    def joined(self, room: Room, user: int) -> Event | None:
        """Let a second player in; raises Refusal 409."""
        if user == room.guest and room.state == "playing":
            return None
        _check_open(room)
        if user == room.host:
            raise Refusal(409, "own_room", "a host does not join its own room")
        if room.guest is not None:
            raise Refusal(409, "room_full", "two are playing already")
        after = _next(room, guest=user, state="playing", turn=room.host)
        return Event(kind="joined", by=user, place=None, room=after)

    def moved(self, room: Room, user: int, move: Move) -> Event:
        """Make a move; raises Refusal 403 for others than the players, else 409."""
        _check_player(room, user)
        _check_open(room)
        if room.state == "waiting":
            raise Refusal(409, "no_opponent", "a second player has not joined yet")
        if move.number != room.moves + 1:
            message = f"the next move is number {room.moves + 1}, not {move.number}"
            raise Refusal(409, "stale_move", message)
        self._check_turn(room, user)
        if not is_free(room.board, move.place):
            raise Refusal(409, "place_taken", f"place {move.place} is marked already")
        after = _after_move(room, user, move)
        return Event(kind="moved", by=user, place=move.place, room=after)

    def left(self, room: Room, user: int) -> Event | None:
        """End the room because a player goes; who stays has won. Raises Refusal 403."""
        _check_player(room, user)
        if room.state == "ended":
            return None
        stays = room.guest if user == room.host else room.host
        return Event(kind="left", by=user, place=None, room=_ended(room, "leave", stays))

    def closed(self, room: Room, user: int) -> Event | None:
        """End the room because its host says so; nobody has won. Raises Refusal 403."""
        if user != room.host:
            raise Refusal(403, "not_the_host", "only the host closes a room")
        if room.state == "ended":
            return None
        return Event(kind="closed", by=user, place=None, room=_ended(room, "closed", None))

    def expired(self, room: Room) -> Event:
        """End the room because nothing happened in it for too long; nobody has won."""
        return Event(kind="expired", by=None, place=None, room=_ended(room, "idle", None))

    def _check_turn(self, room: Room, user: int) -> None:
        if user == room.guest and self._defects.withholds_turns(room.id):
            raise _not_your_turn()
        if user != room.turn and not self._defects.overlooks_turn():
            raise _not_your_turn()


def _not_your_turn() -> Refusal:
    return Refusal(409, "not_your_turn", "it is the other player's turn")


def _check_open(room: Room) -> None:
    if room.state == "ended":
        raise Refusal(409, "room_ended", f"the room has ended: {room.end_reason}")


def _check_player(room: Room, user: int) -> None:
    if user not in (room.host, room.guest):
        raise Refusal(403, "not_a_player", "you do not play in this room")


def _after_move(room: Room, user: int, move: Move) -> Room:
    mark, other = (HOST_MARK, room.guest) if user == room.host else (GUEST_MARK, room.host)
    board = marked(room.board, move.place, mark)
    after = msgspec.structs.replace(room, board=board, moves=room.moves + 1)
    if is_won_by(board, mark):
        return _ended(after, "win", user)
    if is_full(board):
        return _ended(after, "draw", None)
    return _next(after, turn=other)


def _ended(room: Room, reason: EndReason, winner: int | None) -> Room:
    return _next(room, state="ended", turn=None, end_reason=reason, winner=winner)


def _next(room: Room, **changes: object) -> Room:
    return msgspec.structs.replace(room, last=room.last + 1, **changes)
