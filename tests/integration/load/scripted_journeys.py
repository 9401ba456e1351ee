"""Journeys that tests drive against their target."""

from __future__ import annotations

import json
import os
import signal

from stormproof import check, journey
from stormproof.journeys.interface import User


@journey
async def read(user: User) -> None:
    """Read one page."""
    answer = await user.http.get("/feed")
    check(answer, "served", answer.status == 200)


@journey
async def linger(user: User) -> None:
    """Read a slow page."""
    await user.http.get("/slow/{ms}", ms=user.env["ms"])


async def join_plan(user: User) -> None:
    """Be on one of two plans for good."""
    user.tag("plan", "free" if user.index % 2 else "paid")


@journey(prepare=join_plan)
async def shop(user: User) -> None:
    """Look around, then check out; talk to the shop over a socket that was opened outside."""
    state = user.state.__dict__
    if "socket" not in state:
        state["socket"] = await user.ws.connect(
            "/ws/echo", on_message=lambda text: state["socket"].resolve(text, text)
        )
    with user.group("browse"):
        await user.http.get("/feed")
        with user.group("details"):
            await user.think(0.001)
            page = await user.http.get("/item")
            check(page, "served", page.status == 200)
    with user.tagged(step="pay"):
        reply = await state["socket"].exchange("pay", f"pay {user.id}", f"pay {user.id}")
        check(reply, "paid", reply.ok)


async def refused(user: User) -> None:
    """Be refused at the door."""
    answer = await user.http.post("/status/{code}", code=401)
    user.state.token = answer.json()["absent"]


@journey(prepare=refused)
async def never(user: User) -> None:
    """Never happen."""
    raise AssertionError("users that cannot be prepared take no part")


@journey
async def stumble(user: User) -> None:
    """Fail in every way in turn."""
    turn = user.state.__dict__.setdefault("turn", 0)
    user.state.turn = turn + 1
    await user.http.get("/feed")
    if turn % 3 == 0:
        user.fail("on purpose")
    if turn % 3 == 1:
        (await user.http.get("/no-json")).json()
    raise KeyError(turn)


@journey
async def fail_at_once(user: User) -> None:
    """Fail without waiting for anything."""
    await user.http.get("/feed")
    user.fail("always")


async def wedge(user: User) -> None:
    """Never give the loop back."""
    while True:
        pass


@journey(prepare=wedge)
async def wedged(user: User) -> None:
    """Never happen."""


async def mostly(user: User) -> None:
    """Let all but one user in."""
    if user.index == 3:
        user.fail("not this one")


@journey(prepare=mostly)
async def choose(user: User) -> None:
    """Show what the user is: its random choice, its text, its id."""
    choice = user.random.randrange(1_000_000)
    name = f"{user.scenario}-{user.index}-{user.id}-{choice}-{user.fake.name()}"
    await user.http.get("/who/{name}", name=name)
    await user.think(60)


@journey
async def die(user: User) -> None:
    """Kill the worker."""
    await user.http.get("/feed")
    os.kill(os.getpid(), signal.SIGKILL)


@journey
async def block(user: User) -> None:
    """Never give the loop back."""
    await user.http.get("/feed")
    while True:
        pass


async def enter(user: User) -> None:
    """Join the channel, or come back to it."""
    state = user.state
    if getattr(state, "socket", None) is not None and state.socket.is_open:
        return
    state.socket = await user.ws.connect("/ws/chat/1", on_message=lambda text: take(user, text))


def take(user: User, text: str) -> None:
    """Take a frame of the chat."""
    frame = json.loads(text)
    if frame["type"] == "welcome":
        user.ledger.joined(1, frame["last"])
    elif frame["type"] == "message":
        user.ledger.received(frame["body"], 1, frame["number"])
    else:
        user.state.socket.resolve(frame["id"], frame["number"])


@journey(prepare=enter, settle=enter)
async def talk(user: User) -> None:
    """Say something and pause."""
    message = user.ledger.sent(1, user.fake.sentence())
    order = json.dumps({"id": message.key, "body": message.body})
    reply = await user.state.socket.exchange("chat", order, message.key)
    if reply.ok:
        message.ok(reply.value)
    else:
        message.unknown()
    check(reply, "acknowledged", reply.ok)
    await user.think(0.02)


async def resume(user: User) -> None:
    """Join the channel, or come back to it where it was left."""
    state = user.state.__dict__
    if "socket" in state and state["socket"].is_open:
        return
    query = {"after": state["seen"]} if "seen" in state else None
    state["socket"] = await user.ws.connect(
        "/ws/chat/{n}", n=2, query=query, on_message=lambda text: follow(user, text)
    )


def follow(user: User, text: str) -> None:
    """Take a frame of the chat, and remember how far it was heard."""
    frame = json.loads(text)
    state = user.state.__dict__
    if frame["type"] == "welcome":
        user.ledger.joined(2, state.setdefault("seen", frame["last"]))
    elif frame["type"] == "message":
        state["seen"] = frame["number"]
        user.ledger.received(frame["body"], 2, frame["number"])
    else:
        state["socket"].resolve(frame["id"], frame["number"])


@journey(prepare=resume, settle=resume)
async def come_and_go(user: User) -> None:
    """Talk, or, as every second user, leave for a while and come back."""
    if user.index % 2 == 0:
        message = user.ledger.sent(2, user.fake.sentence())
        order = json.dumps({"id": message.key, "body": message.body})
        message.ok((await user.state.socket.exchange("chat", order, message.key)).value)
        await user.think(0.005)
        return
    await user.state.socket.close()
    user.ledger.left(2)
    await user.think(0.05)
    await resume(user)
    await user.think(0.05)
