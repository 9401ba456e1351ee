"""Players: how tests open rooms, join, move, read and follow them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.sanctum.clients import Answer, Api
from tests.sanctum.servers import DEADLINE_S, LOOPBACK
from websockets.asyncio.client import ClientConnection, connect

HOST, GUEST, OUTSIDER = 1, 2, 3
NEVER_S = "60"  # longer than a test takes
WON_BY_HOST = (0, 3, 1, 4, 2)
WON_BY_GUEST = (0, 3, 1, 4, 8, 5)
WON_ON_A_DIAGONAL = (0, 1, 4, 2, 8)
DRAWN = (0, 1, 2, 4, 3, 5, 7, 6, 8)
ENDINGS: tuple[tuple[tuple[int, ...], int | None, str], ...] = (
    (WON_BY_HOST, HOST, "win"),
    (WON_BY_GUEST, GUEST, "win"),
    (WON_ON_A_DIAGONAL, HOST, "win"),
    (DRAWN, None, "draw"),
)


async def create(api: Api, user: int = HOST, name: str = "a room") -> int:
    """Open a room."""
    created = await api.call("POST", "/v1/rooms", {"name": name}, await api.token(user))
    assert created.status == 201, created
    room: int = created.body["id"]
    return room


async def act(api: Api, room: int, action: str, user: int) -> Answer:
    """Join, leave or close a room."""
    return await api.call("POST", f"/v1/rooms/{room}/{action}", token=await api.token(user))


async def move(api: Api, room: int, user: int, number: int, place: int) -> Answer:
    """Ask for a move."""
    body = {"number": number, "place": place}
    return await api.call("POST", f"/v1/rooms/{room}/moves", body, await api.token(user))


async def started(api: Api, host: int = HOST, guest: int = GUEST) -> int:
    """Open a room that two play in."""
    room = await create(api, host)
    assert (await act(api, room, "join", guest)).status == 200
    return room


async def play(api: Api, room: int, places: tuple[int, ...]) -> dict[str, Any]:
    """Make moves by turns and return the room as it stands after the last one."""
    answer = None
    for number, place in enumerate(places, 1):
        answer = await move(api, room, HOST if number % 2 else GUEST, number, place)
        assert answer.status == 201, answer
    assert answer is not None
    return await read(api, room)


async def read(api: Api, room: int) -> dict[str, Any]:
    """Read a room."""
    answer = await api.call("GET", f"/v1/rooms/{room}", token=await api.token(OUTSIDER))
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.body
    return body


async def events(api: Api, room: int, query: str = "") -> dict[str, Any]:
    """Read a page of a room's events."""
    path = f"/v1/rooms/{room}/events{query}"
    answer = await api.call("GET", path, token=await api.token(OUTSIDER))
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.body
    return body


def refusal(answer: Answer) -> tuple[int, str]:
    """Give the status and code of a refusal."""
    return answer.status, answer.body["error"]


async def follow(api: Api, room: int, user: int, after: int | None = None) -> ClientConnection:
    """Open a socket on a room's events and read its welcome."""
    asked = {"topic": "game", "key": room}
    issued = await api.call("POST", "/api/ws/ticket", asked, await api.token(user))
    assert issued.status == 201, issued
    resume = "" if after is None else f"&after={after}"
    url = f"ws://{LOOPBACK}:{api.port}/api/ws/game?ticket={issued.body['ticket']}{resume}"
    socket = await connect(url, compression=None)
    welcome = json.loads(await socket.recv())
    assert (welcome["type"], welcome["room"], welcome["user"]) == ("welcome", room, user)
    return socket


async def told(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    """Read events from a socket."""
    async with asyncio.timeout(DEADLINE_S):
        return [json.loads(await socket.recv()) for _ in range(count)]
