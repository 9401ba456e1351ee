"""Sessions: one open chat socket from its welcome to its close."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.websockets import WebSocket
from uvicorn.protocols.utils import ClientDisconnected

from sanctum.backing.errors import DatabaseUnavailable
from sanctum.chat.fanout import Publisher
from sanctum.chat.frames import (
    Ack,
    Error,
    InvalidFrame,
    Message,
    Ping,
    Pong,
    Send,
    Welcome,
    decode_received,
    encode,
)
from sanctum.chat.members import Member, SlowReader
from sanctum.chat.rooms import Rooms
from sanctum.chat.storage import ChatStorage
from sanctum.chat.tickets import Admission
from sanctum.defects import Defects
from sanctum.gateway.sockets import GOING_AWAY, TRY_AGAIN_LATER, BoundedSocket, socket_of
from sanctum.telemetry.metrics import Metrics

ABNORMAL_CLOSURE = 1006


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """Bound what one socket may hold."""

    queue_max: int
    send_timeout_s: float


class Sessions:
    """Serve chat sockets and close them all when the process goes."""

    def __init__(
        self,
        storage: ChatStorage,
        rooms: Rooms,
        publisher: Publisher,
        limits: SessionLimits,
        defects: Defects,
        metrics: Metrics,
    ) -> None:
        self._storage = storage
        self._rooms = rooms
        self._publisher = publisher
        self._limits = limits
        self._defects = defects
        self._metrics = metrics
        self._sockets: set[BoundedSocket] = set()

    def close_all(self) -> None:
        """Close every socket as going away, without waiting for any client."""
        for socket in list(self._sockets):
            socket.expel(GOING_AWAY, "the service is going away")

    async def serve(
        self, websocket: WebSocket, admission: Admission, last: int, after: int | None
    ) -> None:
        """Accept a socket and serve it until it closes.

        Args:
            websocket: the socket, not yet accepted.
            admission: what its ticket proved.
            last: the channel's last number, read before accepting.
            after: the number after which delivery begins, None for ``last``.
        """
        await websocket.accept()
        socket = socket_of(websocket.scope)
        self._sockets.add(socket)
        self._metrics.ws_connects.inc()
        self._metrics.ws_active.inc()
        code = ABNORMAL_CLOSURE
        try:
            welcome = Welcome(channel=admission.channel, user=admission.user_id, last=last)
            await self._answer(socket, welcome)
            tail = last if after is None else min(after, last)
            code = await self._converse(websocket, socket, admission, tail)
        finally:
            self._sockets.discard(socket)
            self._metrics.ws_active.dec()
            self._metrics.ws_closes.labels(str(code)).inc()
            if socket.heartbeat_expired:
                self._metrics.ws_heartbeat_terminates.inc()

    async def _converse(
        self, websocket: WebSocket, socket: BoundedSocket, admission: Admission, tail: int
    ) -> int:
        room = self._rooms.room(admission.channel)
        member = Member(
            tail=tail,
            send=lambda frame: self._send_message(socket, frame),
            read_page=room.read_page,
            queue_max=self._limits.queue_max,
        )
        self._rooms.join(room, member, lambda: self._expel_slow(socket))
        try:
            async with asyncio.TaskGroup() as tasks:
                delivery = tasks.create_task(self._deliver(member, socket))
                code = await self._listen(websocket, socket, admission)
                delivery.cancel()
        finally:
            self._rooms.leave(room, member)
        return code

    async def _deliver(self, member: Member, socket: BoundedSocket) -> None:
        try:
            await member.deliver()
        except ClientDisconnected:
            return  # the listener is told as well, with the close code
        except SlowReader:
            self._expel_slow(socket)

    async def _listen(
        self, websocket: WebSocket, socket: BoundedSocket, admission: Admission
    ) -> int:
        while True:
            event = await websocket.receive()
            if event["type"] == "websocket.disconnect":
                return int(event.get("code") or ABNORMAL_CLOSURE)
            try:
                frame = decode_received(event.get("text") or "")
            except InvalidFrame as error:
                self._metrics.payload_rejects.labels(error.error).inc()
                refusal = Error(id=error.client_id, error=error.error, message=str(error))
                await self._answer(socket, refusal)
            else:
                await self._answer(socket, await self._reply(admission, frame))

    async def _reply(self, admission: Admission, frame: Send | Ping) -> Ack | Error | Pong:
        if isinstance(frame, Ping):
            return Pong(id=frame.id)
        return await self._accept(admission, frame)

    async def _accept(self, admission: Admission, send: Send) -> Ack | Error:
        channel, user_id = admission.channel, admission.user_id
        try:
            appended = await self._storage.append(channel, user_id, send.id, send.body)
        except DatabaseUnavailable:
            return Error(
                id=send.id,
                error="database_unavailable",
                message="the database does not answer; the message may or may not be stored",
            )
        self._metrics.messages.inc()
        self._metrics.message_size.observe(len(send.body.encode()))
        if not self._defects.hides(appended.ordinal):
            message = Message(
                channel=channel, number=appended.number, id=send.id, from_=user_id, body=send.body
            )
            self._publisher.hand_over(channel, encode(message))
        return Ack(id=send.id, number=appended.number)

    async def _answer(self, socket: BoundedSocket, frame: Welcome | Ack | Error | Pong) -> None:
        """Send a frame; when the socket is gone, the listener is told by its next event."""
        try:
            await self._send(socket, encode(frame))
        except ClientDisconnected:
            return
        except SlowReader:
            self._expel_slow(socket)

    async def _send_message(self, socket: BoundedSocket, frame: bytes) -> None:
        await self._send(socket, frame)
        self._metrics.delivered.inc()

    async def _send(self, socket: BoundedSocket, frame: bytes) -> None:
        try:
            await socket.send_text(frame, self._limits.send_timeout_s)
        except TimeoutError:
            raise SlowReader from None
        self._metrics.ws_frames_sent.inc()

    def _expel_slow(self, socket: BoundedSocket) -> None:
        if socket.expel(TRY_AGAIN_LATER, "too slow: frames wait unread"):
            self._metrics.ws_overloads.inc()
