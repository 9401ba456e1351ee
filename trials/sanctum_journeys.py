"""Sanctum's users as its trials play them: credentials, tokens, tickets, seats in channels.

What a real client does to get in and to stay in is here, once; trials import the journeys and
probes they need. A journey's numbers come from its scenario's `env` in the profile.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from stormproof import (
    Counter,
    PasswordLogin,
    Response,
    Setting,
    SignIn,
    Socket,
    Ticket,
    TrialProbe,
    User,
    check,
    journey,
)

PASSWORD = "sanctum-demo-password"  # of every synthetic user
WELCOME_S = 5.0  # from an open socket to the channel's first frame
TOKEN_USED_S = 3600.0  # then people log in anew; Sanctum's tokens live for three hours
REFUSALS = {"invalid_frame", "invalid_text", "body_too_large"}  # certain: nothing was stored
# How many channels there are; the seed makes each user a member of one.
CHANNELS = Setting("channels", low=1, whole=True)
PACE_S = Setting("pace_s")  # from one iteration of a user to its next, on average
POST_SHARE = Setting("post_share", high=1)  # of the visits that write a post
PAGE, LONG_PAGE = {"limit": 20}, {"limit": 100}

READY = TrialProbe(path="/health/ready")
HEALTH = TrialProbe(path="/health")
CANARY = TrialProbe(
    method="POST",
    path="/api/ws/ticket",
    body=json.dumps({"channel": 1}),
    sign_in=SignIn(
        path="/api/auth/login",
        body=json.dumps({"username": "user-0001", "password": PASSWORD}),
    ),
)
MISSED = Counter(
    "notification_missed",
    doc="Posts that a member of the author's channel did not find announced once they were stored.",
)
DELIVERED = {
    "delivery_lost": ("count==0",),
    "delivery_duplicated": ("count==0",),
    "delivery_foreign": ("count==0",),
    "delivery_corrupted": ("count==0",),
    "delivery_unexpected": ("count==0",),
    "delivery_misnumbered": ("count==0",),
    "delivery_reordered": ("count==0",),
}
# Of every drill: each fault bit, was undone, and left nothing behind.
SURVIVED = {
    "fault_effective": ("rate==1",),
    "fault_undone": ("rate==1",),
    "fault_residue": ("count==0",),
}

Frame = Mapping[str, Any]
Connect = Callable[[Mapping[str, str], Callable[[str], None]], Awaitable[Socket]]


def name_of(index: int) -> str:
    """Give the name of the synthetic user of a number, from 0."""
    return f"user-{index + 1:04d}"


LOGIN = PasswordLogin(
    "/api/auth/login",
    name=lambda user: name_of(user.index),
    password=PASSWORD,
    lifetime_s=TOKEN_USED_S,
)
TICKET = Ticket("/api/ws/ticket", login=LOGIN)


async def sign_in(user: User) -> None:
    """Log in and keep the token."""
    await LOGIN.token(user)


async def pause(user: User) -> None:
    """Pause as people do: each time another length, `pace_s` on average."""
    await user.think(PACE_S.of(user) * (0.5 + user.random.random()))


@journey(settings=(PACE_S, POST_SHARE))
async def visit(user: User) -> None:
    """Read the feed, read the notifications and tick off the new ones, now and then post."""
    token = await LOGIN.token(user)
    feed = await user.http.get("/api/feed", query=PAGE, auth=token)
    check(feed, "feed served", feed.status == 200)
    if not check(feed, "token valid", feed.status != 401):
        token = await LOGIN.renew(user, token)
    await read_notifications(user, token)
    if user.random.random() < POST_SHARE.of(user):
        await write_post(user, token)
    await pause(user)


async def read_notifications(user: User, token: str) -> None:
    """Look at the newest notifications, and mark read those among them that are not yet."""
    listed = await user.http.get("/api/notifications", query=PAGE, auth=token)
    if not check(listed, "notifications served", listed.status == 200):
        return
    ids = [one["id"] for one in listed.json()["notifications"] if not one["read"]]
    if ids:
        body = {"ids": ids}
        marked = await user.http.post("/api/notifications/read", json=body, auth=token)
        check(marked, "marked read", marked.status == 200 and marked.json()["marked"] == len(ids))


async def write_post(user: User, token: str) -> None:
    """Write a post and look at it."""
    created = await post(user, token)
    if check(created, "post created", created.status == 201):
        mine = await user.http.get("/api/posts/{id}", id=created.json()["id"], auth=token)
        check(mine, "post readable", mine.status == 200)


def post(user: User, token: str) -> Awaitable[Response]:
    """Write a post."""
    return user.http.post("/api/posts", json={"text": user.fake.sentence()}, auth=token)


@journey(settings=(CHANNELS, PACE_S))
async def tell(user: User) -> None:
    """Post, and see as another member of the channel that the post is announced at once."""
    author, reader = await LOGIN.token(user), await FELLOW.token(user)
    with user.group("fan_out"):
        created = await post(user, author)
        listed = await user.http.get("/api/notifications", query=LONG_PAGE, auth=reader)
    if created.status == 201 and listed.status == 200:
        announced = {one["post"] for one in listed.json()["notifications"]}
        MISSED.add(user, int(created.json()["id"] not in announced))
    await pause(user)


def fellow_of(user: User) -> str:
    """Name the first member of the user's channel, or the second where the user is the first."""
    first, channels = channel_of(user) - 1, int(CHANNELS.of(user))
    return name_of(first + channels if user.index == first else first)


FELLOW = PasswordLogin(
    "/api/auth/login", name=fellow_of, password=PASSWORD, lifetime_s=TOKEN_USED_S
)


@journey
async def arrive(user: User) -> None:
    """Log in as somebody who was away, and see that the token is good by using it."""
    credentials = {"username": name_of(user.index), "password": PASSWORD}
    session = await user.http.post("/api/auth/login", json=credentials)
    if not check(session, "logged in", session.status == 200):
        user.fail(f"cannot log in: {session.status} {session.error}")
    unread = await user.http.get("/api/notifications/unread", auth=session.json()["token"])
    check(unread, "token valid", unread.status != 401)
    check(unread, "unread counted", unread.status == 200)


class Held:
    """A WebSocket that one user keeps: opened again where it broke, and resumed where it was.

    What follows a numbered stream derives from it: it says where the stream is, and takes its
    frames.

    Args:
        order: what the ticket is asked for.
        connect: connects with a query, and what takes the texts that come.
    """

    __slots__ = ("_connect", "_order", "_socket", "_welcomed", "seen", "user")

    def __init__(self, user: User, order: Mapping[str, object], connect: Connect) -> None:
        self.user = user
        self.seen: int | None = None  # the number of the stream's last frame
        self._order, self._connect = order, connect
        self._welcomed = asyncio.Event()
        self._socket: Socket | None = None

    @property
    def socket(self) -> Socket:
        """The socket, once it was opened."""
        assert self._socket is not None, "take() comes first"
        return self._socket

    async def take(self) -> None:
        """Be connected: where no socket is open, take a ticket, connect, await the welcome."""
        if self._socket is not None and self._socket.is_open:
            return
        query = {"ticket": await TICKET.take(self.user, self._order)}
        if self.seen is not None:
            query["after"] = str(self.seen)
        self._welcomed.clear()
        self._socket = await self._connect(query, self._take_text)
        if not check(self.socket, "socket opened", self.socket.is_open):
            self.user.fail(f"no socket: {self.socket.status} {self.socket.error}")
        try:
            await asyncio.wait_for(self._welcomed.wait(), WELCOME_S)
        except TimeoutError:
            await self.socket.close()
            self.user.fail("the service never said welcome")

    async def leave(self) -> None:
        """Close the socket, and wait until the other side has closed it too."""
        await self.socket.close()

    def welcomed(self) -> None:
        """Tell the ledger what is owed from here on; `seen` holds where the stream is."""

    def take_frame(self, frame: Frame) -> None:
        """Take a frame that is no welcome."""

    def _take_text(self, text: str) -> None:
        frame = json.loads(text)
        if frame.get("type") != "welcome":
            self.take_frame(frame)
            return
        if self.seen is None:
            self.seen = frame["last"]
        self.welcomed()
        self._welcomed.set()


class Seat(Held):
    """One user's seat in one channel.

    Args:
        on_frame: takes each frame but the welcome and what answers a ping.
    """

    __slots__ = ("_asked", "_channel", "_on_frame")

    def __init__(self, user: User, channel: int, on_frame: Callable[[Frame], None]) -> None:
        super().__init__(
            user,
            {"channel": channel},
            lambda query, take: user.ws.connect(
                "/ws/{channel}", channel=channel, query=query, on_message=take
            ),
        )
        self._channel = channel
        self._on_frame = on_frame
        self._asked = 0

    async def ping(self) -> None:
        """Ping the socket, as clients do that can."""
        pong = await self.socket.ping()
        check(pong, "ping answered", pong.ok)

    async def ask(self) -> None:
        """Send the frame with which a browser asks whether anybody is there."""
        self._asked += 1
        key = f"p{self._asked}"
        frame = json.dumps({"type": "ping", "id": key})
        reply = await self.socket.exchange("ping frame", frame, key)
        check(reply, "ping frame answered", reply.ok)

    def welcomed(self) -> None:
        """Tell the ledger that the channel's messages are owed from here on."""
        assert self.seen is not None, "the welcome told it"
        self.user.ledger.joined(self._channel, self.seen)

    def take_frame(self, frame: Frame) -> None:
        """Take a message, or an answer."""
        if frame["type"] == "pong":
            self.socket.resolve(frame["id"], frame)
            return
        if frame["type"] == "message":
            self.seen = frame["number"]
        self._on_frame(frame)


def channel_of(user: User) -> int:
    """Give the channel that the seed made a user a member of."""
    return user.index % int(CHANNELS.of(user)) + 1


async def enter(user: User) -> None:
    """Be in one's channel; after a broken socket resume where it ended."""
    if not hasattr(user.state, "seat"):
        user.state.seat = Seat(user, channel_of(user), lambda frame: hear(user, frame))
    await user.state.seat.take()


def hear(user: User, frame: Frame) -> None:
    """Take one frame: a message of a member, or an answer to what was sent."""
    match frame["type"]:
        case "message":
            user.ledger.received(frame["body"], frame["channel"], frame["number"])
        case "ack" | "error":
            user.state.seat.socket.resolve(frame["id"], frame)


@journey(prepare=enter, settle=enter, settings=(CHANNELS, PACE_S))
async def talk(user: User) -> None:
    """Say something in the channel and wait until it is acknowledged; then pause."""
    await enter(user)
    await say(user)
    await pause(user)


@journey(prepare=enter, settle=enter, settings=(CHANNELS, PACE_S))
async def chat_and_hold(user: User) -> None:
    """Ping the seat twice and say something once; people of this kind are seldom heard."""
    await enter(user)
    for _ in range(2):
        await user.state.seat.ping()
        await pause(user)
    await say(user)


async def say(user: User) -> None:
    """Say something in the channel; its outcome is what the answer makes certain."""
    message = user.ledger.sent(channel_of(user), user.fake.sentence())
    key = f"{message.key:x}"
    order = json.dumps({"type": "send", "id": key, "body": message.body})
    reply = await user.state.seat.socket.exchange("chat send", order, key)
    if reply.ok and reply.value["type"] == "ack":
        message.ok(reply.value["number"])
    elif reply.ok and reply.value["error"] in REFUSALS:
        message.refused()
    else:
        message.unknown()
    check(reply, "message acknowledged", reply.ok and reply.value["type"] == "ack")
