"""Routes for rooms and what is played in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request, Response

from sanctum.games.board import PLACES
from sanctum.games.referee import Move, Room
from sanctum.games.service import Rooms
from sanctum.games.storage import ID_MAX, RoomStorage
from sanctum.gateway.answers import Refusal, check_storable, json_response, read_body
from sanctum.gateway.contract import contract
from sanctum.gateway.identity import Gate
from sanctum.gateway.parameters import WholeNumber

ROOM_ID = WholeNumber("room_id", 0, ID_MAX)
LIMIT = WholeNumber("limit", 1, 100, default=20)
BEFORE = WholeNumber("before", 1, ID_MAX, default=ID_MAX)
AFTER = WholeNumber("after", 0, ID_MAX, default=0)


class NewRoom(msgspec.Struct, frozen=True):
    """Ask for a room to be opened."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class NewMove(msgspec.Struct, frozen=True):
    """Ask for a move: the how many-th of its game it is meant to be, counted from 1, and where."""

    number: Annotated[int, msgspec.Meta(ge=1, le=PLACES)]
    place: Annotated[int, msgspec.Meta(ge=0, lt=PLACES)]


class RoomPage(msgspec.Struct, frozen=True):
    """Hold one page of rooms, and where the next one begins."""

    rooms: Sequence[Room]
    next: int | None


class NumberedEvent(msgspec.Struct, frozen=True):
    """Hold an event under its number."""

    number: int
    event: msgspec.Raw


class EventPage(msgspec.Struct, frozen=True):
    """Hold one page of a room's events, in order, and after which number the next one begins."""

    events: Sequence[NumberedEvent]
    next: int | None


_new_room = msgspec.json.Decoder(NewRoom)
_new_move = msgspec.json.Decoder(NewMove)


def build_router(rooms: Rooms, storage: RoomStorage, gate: Gate) -> APIRouter:
    """Build the routes over the rooms."""
    router = APIRouter(prefix="/v1/rooms")
    _add_actions(router, rooms, gate)
    _add_reads(router, storage, gate)
    return router


def _add_actions(router: APIRouter, rooms: Rooms, gate: Gate) -> None:
    ended = contract({200: Room}, ROOM_ID, refuses=[403, 404])

    @router.post("", openapi_extra=contract({201: Room}, body=NewRoom))
    async def create_room(request: Request) -> Response:
        user = await gate.identify(request)
        body = await read_body(request, _new_room)
        room = await rooms.create(user.user_id, check_storable(body.name, "name"))
        return json_response(room, 201)

    @router.post(
        "/{room_id}/join", openapi_extra=contract({200: Room}, ROOM_ID, refuses=[404, 409])
    )
    async def join_room(request: Request) -> Response:
        user = await gate.identify(request)
        return json_response(await rooms.join(ROOM_ID.read(request), user.user_id))

    @router.post(
        "/{room_id}/moves",
        openapi_extra=contract({201: Room}, ROOM_ID, body=NewMove, refuses=[403, 404, 409]),
    )
    async def move(request: Request) -> Response:
        user = await gate.identify(request)
        room_id = ROOM_ID.read(request)
        body = await read_body(request, _new_move)
        made = Move(number=body.number, place=body.place)
        return json_response(await rooms.move(room_id, user.user_id, made), 201)

    @router.post("/{room_id}/leave", openapi_extra=ended)
    async def leave_room(request: Request) -> Response:
        user = await gate.identify(request)
        return json_response(await rooms.leave(ROOM_ID.read(request), user.user_id))

    @router.post("/{room_id}/close", openapi_extra=ended)
    async def close_room(request: Request) -> Response:
        user = await gate.identify(request)
        return json_response(await rooms.close(ROOM_ID.read(request), user.user_id))


def _add_reads(router: APIRouter, storage: RoomStorage, gate: Gate) -> None:
    @router.get("", openapi_extra=contract({200: RoomPage}, LIMIT, BEFORE))
    async def list_waiting(request: Request) -> Response:
        await gate.identify(request)
        limit, before = LIMIT.read(request), BEFORE.read(request)
        found = await storage.waiting(before, limit + 1)
        page = found[:limit]
        return json_response(RoomPage(page, page[-1].id if len(found) > limit else None))

    @router.get("/{room_id}", openapi_extra=contract({200: Room}, ROOM_ID, refuses=[404]))
    async def read_room(request: Request) -> Response:
        await gate.identify(request)
        return json_response(await find(request))

    @router.get(
        "/{room_id}/events",
        openapi_extra=contract({200: EventPage}, ROOM_ID, LIMIT, AFTER, refuses=[404]),
    )
    async def list_events(request: Request) -> Response:
        await gate.identify(request)
        limit, after = LIMIT.read(request), AFTER.read(request)
        room = await find(request)
        found = await storage.events(room.id, after, limit + 1)
        page = [NumberedEvent(number, msgspec.Raw(body)) for number, body in found[:limit]]
        following = page[-1].number if len(found) > limit else None
        return json_response(EventPage(page, following))

    async def find(request: Request) -> Room:
        room_id = ROOM_ID.read(request)
        room = await storage.find(room_id)
        if room is None:
            raise Refusal(404, "not_found", f"there is no room {room_id}")
        return room
