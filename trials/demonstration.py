"""The demonstration: feed and chat keep their promises while the cache is cut and restarted.

What it proves: reading and posting stay fast and right while the cache is away, no acknowledged
chat message is lost, doubled, leaked or altered, and the service says truthfully when it is ready.
Why it matters: the cache is the part that most services believe they can lose.
Journeys: people who read the feed and now and then post; people who chat in held WebSockets.
Faults: the link to the cache goes silent; later the cache restarts.
"""

from __future__ import annotations

import asyncio
import json

from stormproof import (
    Floors,
    SignIn,
    Trial,
    TrialFault,
    TrialProbe,
    User,
    check,
    journey,
)

PASSWORD = "sanctum-demo-password"  # of every synthetic user
WELCOME_S = 5.0  # from an open socket to the channel's first frame
REFUSALS = {"invalid_frame", "invalid_text", "body_too_large"}  # certain: nothing was stored
CHANNELS = "channels"  # how many there are, from the profile

TRIAL = Trial(
    name="demonstration",
    title="Feed and chat survive the loss of the cache",
    stack="embedded",
    scenarios={"feed": "read_and_post", "chat": "talk"},
    faults={
        "cache-cut": TrialFault(kind="link-partition", part="cache-link"),
        "cache-restart": TrialFault(kind="process-restart", part="cache"),
    },
    probes={
        "ready": TrialProbe(path="/health/ready"),
        "health": TrialProbe(path="/health"),
        "canary": TrialProbe(
            method="POST",
            path="/api/ws/ticket",
            body=json.dumps({"channel": 1}),
            sign_in=SignIn(
                path="/api/auth/login",
                body=json.dumps({"username": "user-0001", "password": PASSWORD}),
            ),
        ),
    },
    checkers=("delivery",),
    objectives={
        "delivery_lost": ("count==0",),
        "delivery_duplicated": ("count==0",),
        "delivery_foreign": ("count==0",),
        "delivery_corrupted": ("count==0",),
        "delivery_unexpected": ("count==0",),
        "delivery_misnumbered": ("count==0",),
        "delivery_reordered": ("count==0",),
        "fault_effective": ("rate==1",),
        "fault_undone": ("rate==1",),
        "fault_residue": ("count==0",),
    },
    floors=Floors(duration="60s", rates={"feed": 30}, vus={"chat": 48}, fault="4s"),
)


async def sign_in(user: User) -> None:
    """Log in once; every synthetic user has the same password."""
    answer = await user.http.post(
        "/api/auth/login",
        json={"username": f"user-{user.index + 1:04d}", "password": PASSWORD},
    )
    if not check(answer, "logged in", answer.status == 200):
        user.fail(f"cannot log in: {answer.status} {answer.error}")
    user.state.token = answer.json()["token"]


@journey(prepare=sign_in)
async def read_and_post(user: User) -> None:
    """Read the feed; one visit in five writes a post and looks at it."""
    token = user.state.token
    feed = await user.http.get("/api/feed", query={"limit": 20}, auth=token)
    check(feed, "feed served", feed.status == 200)
    if user.random.random() < 0.2:
        post = {"text": user.fake.sentence()}
        created = await user.http.post("/api/posts", json=post, auth=token)
        if check(created, "post created", created.status == 201):
            mine = await user.http.get("/api/posts/{id}", id=created.json()["id"], auth=token)
            check(mine, "post readable", mine.status == 200)


async def enter(user: User) -> None:
    """Log in, take a ticket, join the channel; after a broken socket resume where it ended."""
    state = user.state
    if not hasattr(state, "token"):
        await sign_in(user)
        state.channel = user.index % int(user.env[CHANNELS]) + 1
        state.socket = None
        state.seen = None
        state.welcomed = asyncio.Event()
    if state.socket is not None and state.socket.is_open:
        return
    ticket = await user.http.post(
        "/api/ws/ticket", json={"channel": state.channel}, auth=state.token
    )
    if not check(ticket, "ticket issued", ticket.status == 201):
        user.fail(f"no ticket: {ticket.status} {ticket.error}")
    state.welcomed.clear()
    query = {"ticket": ticket.json()["ticket"]}
    if state.seen is not None:
        query["after"] = str(state.seen)
    state.socket = await user.ws.connect(
        "/ws/{channel}",
        channel=state.channel,
        query=query,
        on_message=lambda text: on_frame(user, text),
    )
    if not check(state.socket, "channel entered", state.socket.is_open):
        user.fail(f"no socket: {state.socket.status} {state.socket.error}")
    try:
        await asyncio.wait_for(state.welcomed.wait(), WELCOME_S)
    except TimeoutError:
        await state.socket.close()
        user.fail("the channel never said welcome")


def on_frame(user: User, text: str) -> None:
    """Take one frame: the welcome, a message of a member, an answer to what was sent."""
    frame = json.loads(text)
    match frame["type"]:
        case "message":
            user.state.seen = frame["number"]
            user.ledger.received(frame["body"], frame["channel"], frame["number"])
        case "welcome":
            if user.state.seen is None:
                user.state.seen = frame["last"]
            user.ledger.joined(frame["channel"], user.state.seen)
            user.state.welcomed.set()
        case "ack" | "error":
            user.state.socket.resolve(frame["id"], frame)


@journey(prepare=enter, settle=enter)
async def talk(user: User) -> None:
    """Say something in the channel and wait until it is acknowledged; then pause."""
    await enter(user)
    message = user.ledger.sent(user.state.channel, user.fake.sentence())
    key = f"{message.key:x}"
    order = json.dumps({"type": "send", "id": key, "body": message.body})
    reply = await user.state.socket.exchange("chat send", order, key)
    if reply.ok and reply.value["type"] == "ack":
        message.ok(reply.value["number"])
    elif reply.ok and reply.value["error"] in REFUSALS:
        message.refused()
    else:
        message.unknown()
    check(reply, "message acknowledged", reply.ok and reply.value["type"] == "ack")
    pace_s = float(user.env["pace_s"])
    await user.think(pace_s * (0.5 + user.random.random()))
