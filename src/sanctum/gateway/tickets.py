"""Tickets: short-lived, single-use proofs that admit one user to one channel's socket."""

from __future__ import annotations

import secrets

import msgspec

from sanctum.backing.cache import Cache

_KEY_PREFIX = "sanctum:ticket:"
TICKET_LENGTH_MAX = 64


class Admission(msgspec.Struct, frozen=True):
    """Say who is admitted to which channel."""

    user_id: int
    channel: int


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Admission)


class Tickets:
    """Issue and consume tickets; every method raises CacheUnavailable."""

    def __init__(self, cache: Cache, *, ttl_s: int) -> None:
        self._cache = cache
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
        return None if stored is None else _decoder.decode(stored)
