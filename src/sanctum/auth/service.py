"""Sign-up and log-in."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sanctum.auth.passwords import Passwords
from sanctum.auth.storage import AccountStorage
from sanctum.auth.tokens import Tokens
from sanctum.gateway.identity import Identity
from sanctum.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Hold a fresh token and whose it is."""

    token: str
    user_id: int
    expires_in: int


class AuthService:
    """Create accounts and exchange passwords for tokens."""

    def __init__(
        self, accounts: AccountStorage, passwords: Passwords, tokens: Tokens, metrics: Metrics
    ) -> None:
        self._accounts = accounts
        self._passwords = passwords
        self._tokens = tokens
        self._metrics = metrics

    async def sign_up(self, username: str, password: str) -> int | None:
        """Create an account and return its id, None when the username is taken.

        Raises:
            PasswordsOverloaded: when too many passwords wait already.
            DatabaseUnavailable: when the database does not answer.
        """
        password_hash = await self._passwords.hash(password)
        return await self._accounts.add(username, password_hash)

    async def log_in(self, username: str, password: str) -> Session | None:
        """Return a session, None when username and password do not belong together.

        Raises:
            PasswordsOverloaded: when too many passwords wait already.
            DatabaseUnavailable: when the database does not answer.
        """
        account = await self._accounts.find(username)
        stored = None if account is None else account.password_hash
        matches = await self._passwords.verify(stored, password)
        self._metrics.observe_login(success=matches)
        if account is None or not matches:
            return None
        started = time.perf_counter()
        token = self._tokens.mint(Identity(user_id=account.user_id, username=username))
        self._metrics.token_latency.observe(time.perf_counter() - started)
        return Session(token=token, user_id=account.user_id, expires_in=self._tokens.ttl_s)
