"""Tokens: JSON Web Tokens signed with HS256.

An access token proves an identity, by itself, until it expires. A refresh token stands for a
session and is good for one exchange: it carries how often the session was renewed, so that one
that was used before is told from one that nobody ever gave out, though neither is stored.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt
from jwt.types import Options

from sanctum.gateway.identity import Identity, Role

ALGORITHM = "HS256"
REMEMBERED_MAX = 4096
_ACCESS: Options = {"require": ["sub", "name", "iat", "exp"]}
# An audience of its own: as an access token it is refused, and the other way round.
_REFRESH_AUDIENCE = "refresh"
_REFRESH: Options = {"require": ["sid", "gen", "exp"]}


class InvalidToken(Exception):
    """Say why a token was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Hold what an access token proves; instants are seconds of the epoch."""

    identity: Identity
    issued_at: float
    expires_at: float


class Tokens:
    """Mint and check access tokens."""

    def __init__(self, *, secret: str, ttl_s: int) -> None:
        self._secret = secret
        self.ttl_s = ttl_s
        # Verifying a signature costs more than reading a page of the feed.
        self._remembered = lru_cache(REMEMBERED_MAX)(self._verify)

    def mint(self, identity: Identity) -> str:
        """Sign a token that is valid from now on for the configured time."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "sub": str(identity.user_id),
            "name": identity.username,
            "role": identity.role.value,
            "sid": identity.session,
            "epoch": identity.epoch,
            "iat": now,
            "exp": now + self.ttl_s,
        }
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    def check(self, token: str) -> Proof:
        """Return what a token proves.

        Raises:
            InvalidToken: when it is malformed, expired, or not signed by this service.
        """
        proof = self._remembered(token)
        if proof.expires_at <= time.time():
            raise InvalidToken("the token has expired")
        return proof

    def _verify(self, token: str) -> Proof:
        try:
            claims = jwt.decode(token, self._secret, [ALGORITHM], options=_ACCESS)
            identity = Identity(
                user_id=int(claims["sub"]),
                username=str(claims["name"]),
                role=Role(claims["role"]),
                session=claims["sid"],
                epoch=int(claims["epoch"]),
            )
            issued_at, expires_at = float(claims["iat"]), float(claims["exp"])
        except (jwt.InvalidTokenError, KeyError, ValueError) as error:
            raise InvalidToken(f"the token is not valid: {error}") from error
        return Proof(identity=identity, issued_at=issued_at, expires_at=expires_at)


class RefreshTokens:
    """Mint and check refresh tokens."""

    def __init__(self, *, secret: str, ttl_s: int) -> None:
        self._secret = secret
        self.ttl_s = ttl_s

    def mint(self, session: int, generation: int) -> str:
        """Sign the token of a session that was renewed `generation` times."""
        claims = {
            "aud": _REFRESH_AUDIENCE,
            "sid": session,
            "gen": generation,
            "exp": int(time.time()) + self.ttl_s,
        }
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    def check(self, token: str) -> tuple[int, int]:
        """Return the session and the generation that a token stands for.

        Raises:
            InvalidToken: when it is malformed, expired, or not signed by this service.
        """
        try:
            claims = jwt.decode(
                token, self._secret, [ALGORITHM], options=_REFRESH, audience=_REFRESH_AUDIENCE
            )
        except jwt.InvalidTokenError as error:
            raise InvalidToken(f"the refresh token is not valid: {error}") from error
        return int(claims["sid"]), int(claims["gen"])
