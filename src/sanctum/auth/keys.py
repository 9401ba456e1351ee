"""API keys: long random secrets of which only the hash is stored.

A key carries 256 random bits, so a plain hash of it cannot be guessed back, unlike a password's.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Final, cast

from sanctum.backing.database import Database
from sanctum.gateway.identity import Identity, Role

PREFIX: Final = "sanctum_"  # so that one that leaked is recognised for what it is
KEY_LENGTH_MAX = 128
REMEMBERED_MAX = 1024
REMEMBERED_S = 5.0  # for so long a key may outlive its end
_FIND = """
    SELECT u.id, u.username, u.role, k.id FROM api_keys k JOIN users u ON u.id = k.user_id
    WHERE k.key_sha256 = $1 AND k.expires_at > now()
"""
_VALID = "SELECT id FROM api_keys WHERE id = ANY($1::bigint[]) AND expires_at > now()"


def new_key() -> str:
    """Make a key that nobody has."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(key: str) -> bytes:
    """Give what is stored of a key."""
    return hashlib.sha256(key.encode()).digest()


class ApiKeys:
    """Find the holders of keys; one that was found is not looked up again for some seconds."""

    def __init__(self, database: Database, now: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._now = now
        self._remembered: OrderedDict[bytes, tuple[Identity, float]] = OrderedDict()

    async def find(self, key: str) -> Identity | None:
        """Find a key's holder, None when it is no valid key; raises DatabaseUnavailable."""
        if not key.startswith(PREFIX) or len(key) > KEY_LENGTH_MAX or not key.isascii():
            return None
        digest = digest_of(key)
        holder, until = self._remembered.get(digest, (None, 0.0))
        if holder is None or self._now() >= until:
            holder = await self._look_up(digest)
        return holder

    def forget(self, digest: bytes) -> None:
        """Look a key up anew when it is shown next; other processes do within seconds."""
        self._remembered.pop(digest, None)

    async def ended(self, keys: Collection[int]) -> Collection[int]:
        """List those keys, by id, that were revoked or have expired; raises DatabaseUnavailable."""
        rows = await self._database.fetch("valid_keys", _VALID, list(keys))
        return set(keys) - {cast(int, row[0]) for row in rows}

    async def _look_up(self, digest: bytes) -> Identity | None:
        row = await self._database.fetch_one("find_key", _FIND, digest)
        self._remembered.pop(digest, None)
        if row is None:
            return None
        holder = Identity(
            user_id=cast(int, row[0]),
            username=cast(str, row[1]),
            role=Role(row[2]),
            api_key=cast(int, row[3]),
        )
        self._remembered[digest] = (holder, self._now() + REMEMBERED_S)
        if len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)
        return holder
