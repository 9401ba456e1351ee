"""Bearer tokens: JSON Web Tokens signed with HS256."""

from __future__ import annotations

import time
from functools import lru_cache

import jwt
from jwt.types import Options

from sanctum.gateway.identity import Identity

ALGORITHM = "HS256"
REMEMBERED_MAX = 4096
_OPTIONS: Options = {"require": ["sub", "name", "exp"]}


class InvalidToken(Exception):
    """Say why a token was refused."""


class Tokens:
    """Mint and check tokens."""

    def __init__(self, *, secret: str, ttl_s: int) -> None:
        self._secret = secret
        self.ttl_s = ttl_s
        # Verifying a signature costs more than reading a page of the feed.
        self._remembered = lru_cache(REMEMBERED_MAX)(self._verify)

    def mint(self, identity: Identity) -> str:
        """Sign a token that is valid from now on for the configured time."""
        now = int(time.time())
        claims = {
            "sub": str(identity.user_id),
            "name": identity.username,
            "iat": now,
            "exp": now + self.ttl_s,
        }
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    def check(self, token: str) -> Identity:
        """Return the identity a token proves.

        Raises:
            InvalidToken: when it is malformed, expired, or not signed by this service.
        """
        identity, expires_at = self._remembered(token)
        if expires_at <= time.time():
            raise InvalidToken("the token has expired")
        return identity

    def _verify(self, token: str) -> tuple[Identity, float]:
        try:
            claims = jwt.decode(token, self._secret, [ALGORITHM], options=_OPTIONS)
            identity = Identity(user_id=int(claims["sub"]), username=str(claims["name"]))
            return identity, float(claims["exp"])
        except (jwt.InvalidTokenError, KeyError, ValueError) as error:
            raise InvalidToken(f"the token is not valid: {error}") from error
