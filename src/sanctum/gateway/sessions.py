"""Sessions: one open socket from its welcome to its close, whatever its topic."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from starlette.websockets import WebSocket
from uvicorn.protocols.utils import ClientDisconnected

from sanctum.defects import Defects
from sanctum.gateway.frames import Error, InvalidFrame, encode
from sanctum.gateway.identity import Identity
from sanctum.gateway.members import Member, QueueLimits, SlowReader
from sanctum.gateway.sockets import GOING_AWAY, POLICY_VIOLATION, BoundedSocket, socket_of
from sanctum.gateway.tickets import Admission
from sanctum.gateway.topics import Topic
from sanctum.telemetry.metrics import Metrics


class Host(Protocol):
    """Decide for a topic who may follow which key, and talk to those who do."""

    async def key_for(self, identity: Identity, asked: int | None) -> int:
        """Give the key that a user may follow.

        Args:
            identity: the user.
            asked: the key asked for, None where none was named.

        Raises:
            Refusal: 403 when the user must not follow it, 422 when there is no such key.
            Unavailable: when that cannot be looked up.
        """
        ...

    def welcome(self, admission: Admission, last: int) -> bytes:
        """Encode the first frame of a socket; `last` is its key's last number."""
        ...

    async def reply(self, admission: Admission, text: str) -> bytes:
        """Answer what a client sent; raises InvalidFrame."""
        ...

    async def outsiders(self, admissions: Collection[Admission]) -> Collection[Admission]:
        """List those, of whom it once admitted, who may follow their key no more.

        Raises:
            Unavailable: when that cannot be looked up.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Hold a topic with its host: what a ticket of that topic lets a client follow."""

    topic: Topic
    host: Host


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """Bound what one socket may hold, and how long a frame may take to leave."""

    queue: QueueLimits
    send_timeout_s: float


class Sessions:
    """Serve sockets and close them all when the process goes."""

    def __init__(self, limits: SessionLimits, defects: Defects, metrics: Metrics) -> None:
        self._limits = limits
        self._defects = defects
        self._metrics = metrics
        self._sockets: dict[BoundedSocket, Admission] = {}

    def __len__(self) -> int:
        return len(self._sockets)

    def close_all(self) -> None:
        """Close every socket as going away, without waiting for any client."""
        for socket in list(self._sockets):
            socket.expel(GOING_AWAY, "the service is going away")

    def close_ended(self, has_ended: Callable[[Identity], bool]) -> None:
        """Close the sockets of sessions that have ended: log-out is for them, too."""
        for socket, admission in list(self._sockets.items()):
            if has_ended(holder_of(admission)):
                socket.expel(POLICY_VIOLATION, "the session has ended")

    def admissions(self, topic: str) -> Collection[Admission]:
        """List by which admissions to a topic sockets are open."""
        return {one for one in self._sockets.values() if one.topic == topic}

    def close_of(self, admissions: Collection[Admission]) -> None:
        """Close the sockets that were opened by these admissions: they hold no more."""
        for socket, admission in list(self._sockets.items()):
            if admission in admissions:
                socket.expel(POLICY_VIOLATION, "you may not follow this any more")

    def api_keys(self) -> Collection[int]:
        """List the API keys, by id, with which open sockets were opened."""
        keys = {admission.api_key for admission in self._sockets.values()}
        return [key for key in keys if key is not None]

    def close_of_keys(self, keys: Collection[int]) -> None:
        """Close the sockets that were opened with API keys which are valid no more."""
        for socket, admission in list(self._sockets.items()):
            if admission.api_key in keys:
                socket.expel(POLICY_VIOLATION, "the API key is valid no more")

    async def serve(
        self,
        websocket: WebSocket,
        offer: Offer,
        admission: Admission,
        last: int,
        after: int | None,
    ) -> None:
        """Accept a socket and serve it until it closes.

        Args:
            websocket: the socket, not yet accepted.
            offer: the topic it follows.
            admission: what its ticket proved.
            last: the key's last number, read before accepting.
            after: the number after which delivery begins, None for ``last``.
        """
        await websocket.accept()
        socket = socket_of(websocket.scope)
        self._sockets[socket] = admission
        self._metrics.ws_connects.inc()
        self._metrics.ws_active.inc()
        session = _Session(websocket, socket, offer, admission, self._limits, self._metrics)
        try:
            await session.run(last, self._first_tail(last, after))
        finally:
            del self._sockets[socket]
            self._metrics.ws_active.dec()
            self._metrics.count_close(socket.close_code)
            if socket.heartbeat_expired:
                self._metrics.ws_heartbeat_terminates.inc()
            if socket.overloaded:
                self._metrics.ws_overloads.inc()

    def _first_tail(self, last: int, after: int | None) -> int:
        if after is None:
            return last
        return min(after + self._defects.numbers_skipped_on_resume(), last)


def holder_of(admission: Admission) -> Identity:
    """Give who was admitted, as far as their sessions tell them apart."""
    return Identity(
        user_id=admission.user_id,
        username="",
        session=admission.session,
        api_key=admission.api_key,
        epoch=admission.epoch,
    )


class _Session:
    """Talk to one client and deliver to it."""

    def __init__(
        self,
        websocket: WebSocket,
        socket: BoundedSocket,
        offer: Offer,
        admission: Admission,
        limits: SessionLimits,
        metrics: Metrics,
    ) -> None:
        self._websocket = websocket
        self._socket = socket
        self._topic = offer.topic
        self._host = offer.host
        self._admission = admission
        self._limits = limits
        self._metrics = metrics

    async def run(self, last: int, tail: int) -> None:
        await self._answer(self._host.welcome(self._admission, last))
        audience = self._topic.audience(self._admission.key)
        member = Member(
            tail=tail,
            send=self._send_stored,
            read_page=audience.read_page,
            limits=self._limits.queue,
        )
        self._topic.join(audience, member, self._expel_slow)
        try:
            async with asyncio.TaskGroup() as tasks:
                delivery = tasks.create_task(self._deliver(member))
                await self._listen()
                delivery.cancel()
        finally:
            self._topic.leave(audience, member)

    async def _deliver(self, member: Member) -> None:
        try:
            await member.deliver()
        except ClientDisconnected:
            return  # the listener is told as well
        except SlowReader:
            self._expel_slow()

    async def _listen(self) -> None:
        while True:
            event = await self._websocket.receive()
            if event["type"] == "websocket.disconnect":
                return
            try:
                answer = await self._host.reply(self._admission, event.get("text") or "")
            except InvalidFrame as error:
                self._metrics.payload_rejects.labels(error.error).inc()
                refusal = Error(id=error.client_id, error=error.error, message=error.message)
                answer = encode(refusal)
            await self._answer(answer)

    async def _answer(self, frame: bytes) -> None:
        """Send a frame; when the socket is gone, the listener is told by its next event."""
        try:
            await self._send(frame)
        except ClientDisconnected:
            return
        except SlowReader:
            self._expel_slow()

    async def _send_stored(self, frame: bytes) -> None:
        await self._send(frame)
        self._topic.metrics.delivered.inc()

    async def _send(self, frame: bytes) -> None:
        try:
            await self._socket.send_text(frame, self._limits.send_timeout_s)
        except TimeoutError:
            raise SlowReader from None
        self._metrics.ws_frames_sent.inc()

    def _expel_slow(self) -> None:
        self._socket.expel_overloaded("too slow: frames wait unread")
