"""The journeys that are measured: what a person writes, nothing made for speed."""

from __future__ import annotations

from stormproof import User, check, journey


@journey
async def get_and_check(user: User) -> None:
    """Read one thing and check its status."""
    answer = await user.http.get("/items")
    check(answer, "item served", answer.status == 200)


@journey
async def post_and_parse(user: User) -> None:
    """Create one thing, parse the answer, check twice."""
    answer = await user.http.post("/orders", json={"item": 17, "count": 2, "note": "bench"})
    check(answer, "order created", answer.status == 201)
    check(answer, "order has an id", answer.json()["id"] == 17)


@journey
async def idle(user: User) -> None:
    """Do nothing but exist."""
    await user.think(600.0)


@journey
async def idle_connected(user: User) -> None:
    """Hold one open connection."""
    answer = await user.http.get("/items")
    check(answer, "item served", answer.status == 200)
    await user.think(600.0)


MESSAGE = '{"type": "say", "id": 12345678, "text": "hello hello hello"}'
EXCHANGES = 100


async def enter(user: User) -> None:
    """Open a WebSocket."""
    user.state.socket = await user.ws.connect("/")


@journey(prepare=enter)
async def echo(user: User) -> None:
    """Say something many times, and check each answer."""
    socket = user.state.socket
    for _ in range(EXCHANGES):
        reply = await socket.exchange("echo", MESSAGE)
        check(reply, "echoed", reply.value == MESSAGE)


@journey(prepare=enter)
async def echo_once(user: User) -> None:
    """Say something, and check the answer."""
    reply = await user.state.socket.exchange("echo", MESSAGE)
    check(reply, "echoed", reply.value == MESSAGE)


def ignore(_: str) -> None:
    """Take a message."""


@journey
async def hold(user: User) -> None:
    """Open a WebSocket and keep it."""
    socket = await user.ws.connect("/", on_message=ignore)
    check(socket, "open", socket.is_open)
    await user.think(600.0)
