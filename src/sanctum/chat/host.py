"""The chat's side of its sockets: who may follow a channel, and what becomes of what they send."""

from __future__ import annotations

from collections.abc import Collection

from sanctum.backing.errors import DatabaseUnavailable
from sanctum.chat.frames import Ack, Message, Send, Welcome, decode_received
from sanctum.chat.storage import ChatStorage
from sanctum.defects import Defects
from sanctum.gateway.answers import Refusal
from sanctum.gateway.fanout import Publisher
from sanctum.gateway.frames import Error, Ping, Pong, encode
from sanctum.gateway.identity import Identity
from sanctum.gateway.tickets import Admission
from sanctum.telemetry.metrics import Metrics


class ChatHost:
    """Admit members of channels and store what they say."""

    def __init__(
        self, storage: ChatStorage, publisher: Publisher, defects: Defects, metrics: Metrics
    ) -> None:
        self._storage = storage
        self._publisher = publisher
        self._defects = defects
        self._metrics = metrics

    async def key_for(self, identity: Identity, asked: int | None) -> int:
        """Give the channel asked for to its members; raises Refusal and Unavailable."""
        if asked is None:
            raise Refusal(422, "invalid_body", "name the channel - at `$.key`")
        if not await self._storage.is_member(asked, identity.user_id):
            raise Refusal(403, "not_a_member", f"you are not a member of channel {asked}")
        return asked

    def welcome(self, admission: Admission, last: int) -> bytes:
        """Greet a member with the channel's last number."""
        return encode(Welcome(channel=admission.key, user=admission.user_id, last=last))

    async def outsiders(self, admissions: Collection[Admission]) -> Collection[Admission]:
        """List those who are no members of their channel any more; raises DatabaseUnavailable."""
        pairs = {(one.key, one.user_id) for one in admissions}
        gone = await self._storage.no_members(pairs)
        return {one for one in admissions if (one.key, one.user_id) in gone}

    async def reply(self, admission: Admission, text: str) -> bytes:
        """Store a message or answer a ping; raises InvalidFrame."""
        frame = decode_received(text)
        if isinstance(frame, Ping):
            return encode(Pong(id=frame.id))
        return encode(await self._accept(admission, frame))

    async def _accept(self, admission: Admission, send: Send) -> Ack | Error:
        channel, user_id = admission.key, admission.user_id
        try:
            appended = await self._storage.append(channel, user_id, send.id, send.body)
        except DatabaseUnavailable:
            return Error(
                id=send.id,
                error="database_unavailable",
                message="the database does not answer; the message may or may not be stored",
            )
        if appended is None:
            why = f"you are not a member of channel {channel} any more"
            return Error(id=send.id, error="not_a_member", message=why)
        self._metrics.messages.inc()
        self._metrics.message_size.observe(len(send.body.encode()))
        if not self._defects.hides(appended.ordinal):
            message = Message(
                channel=channel, number=appended.number, id=send.id, from_=user_id, body=send.body
            )
            self._publisher.hand_over(channel, encode(message))
        return Ack(id=send.id, number=appended.number)
