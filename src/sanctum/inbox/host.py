"""The inbox's side of its sockets: everybody follows the own one, and sends nothing but pings."""

from __future__ import annotations

from collections.abc import Collection

from sanctum.gateway.answers import Refusal
from sanctum.gateway.frames import Pong, decode_ping, encode
from sanctum.gateway.identity import Identity
from sanctum.gateway.tickets import Admission
from sanctum.inbox.frames import Welcome


class InboxHost:
    """Admit users to their own inbox."""

    async def key_for(self, identity: Identity, asked: int | None) -> int:
        """Give a user the own inbox; raises Refusal where another one is asked for."""
        if asked not in (None, identity.user_id):
            raise Refusal(403, "not_your_inbox", "an inbox is followed by its user only")
        return identity.user_id

    def welcome(self, admission: Admission, last: int) -> bytes:
        """Greet a user with the last number of the inbox."""
        return encode(Welcome(topic=admission.topic, user=admission.user_id, last=last))

    async def outsiders(self, admissions: Collection[Admission]) -> Collection[Admission]:  # noqa: ARG002
        """Nobody loses the own inbox."""
        return ()

    async def reply(self, admission: Admission, text: str) -> bytes:  # noqa: ARG002
        """Answer a ping; raises InvalidFrame for anything else."""
        return encode(Pong(id=decode_ping(text).id))
