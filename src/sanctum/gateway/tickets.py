"""Tickets: short-lived, single-use proofs that admit one user to the sockets of one key."""

from __future__ import annotations

import secrets

import msgspec

from sanctum.backing.cache import Cache
from sanctum.defects import Defects

_KEY_PREFIX = "sanctum:ticket:"
TICKET_LENGTH_MAX = 64


class Admission(msgspec.Struct, frozen=True):
    """Say who is admitted to which key of which topic, and by which log-in or API key."""

    user_id: int
    topic: str
    key: int
    session: int | None = None
    api_key: int | None = None
    epoch: int = 0


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Admission)


class Tickets:
    """Issue and consume tickets; every method raises CacheUnavailable."""

    def __init__(self, cache: Cache, defects: Defects, *, ttl_s: int) -> None:
        self._cache = cache
        self._defects = defects
        self.ttl_s = ttl_s

    async def issue(self, admission: Admission) -> str:
        """Store an admission and return the ticket for it."""
        ticket = secrets.token_urlsafe(24)
        await self._cache.put(_KEY_PREFIX + ticket, _encoder.encode(admission), self.ttl_s)
        return ticket

    async def consume(self, ticket: str) -> Admission | None:
        """Return a ticket's admission and void the ticket, None when it is not valid."""
        if not 0 < len(ticket) <= TICKET_LENGTH_MAX or not ticket.isascii():
            return None
        stored = await self._cache.take(_KEY_PREFIX + ticket)
        if stored is None:
            return None
        if self._defects.keeps_tickets():
            await self._cache.put(_KEY_PREFIX + ticket, stored, self.ttl_s)
        try:
            return _decoder.decode(stored)
        except msgspec.DecodeError:
            return None  # whatever lies there, nobody here issued it
