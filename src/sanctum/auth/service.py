"""Sign-up, log-in, and the life of a session until log-out."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sanctum.auth import metrics as counted
from sanctum.auth.ends import Ends
from sanctum.auth.metrics import SessionMetrics
from sanctum.auth.passwords import Passwords
from sanctum.auth.sessions import Renewal, SessionStorage
from sanctum.auth.storage import AccountStorage
from sanctum.auth.tokens import InvalidToken, RefreshTokens, Tokens
from sanctum.defects import Defects
from sanctum.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Hold fresh tokens and whose they are; times are seconds from now."""

    token: str
    refresh_token: str
    user_id: int
    role: str
    expires_in: int
    refresh_expires_in: int


class RefreshRefused(Exception):
    """Say why a refresh token was refused."""


class AuthService:
    """Create accounts, exchange passwords for sessions, and renew and end those."""

    def __init__(
        self,
        *,
        accounts: AccountStorage,
        passwords: Passwords,
        sessions: SessionStorage,
        ends: Ends,
        tokens: Tokens,
        refresh_tokens: RefreshTokens,
        defects: Defects,
        count: SessionMetrics,
        metrics: Metrics,
    ) -> None:
        self._accounts = accounts
        self._passwords = passwords
        self._sessions = sessions
        self._ends = ends
        self._tokens = tokens
        self._refresh_tokens = refresh_tokens
        self._defects = defects
        self._metrics = metrics
        self._counted = count

    async def sign_up(self, username: str, password: str) -> int | None:
        """Create an account and return its id, None when the username is taken.

        Raises:
            PasswordsOverloaded: when too many passwords wait already.
            DatabaseUnavailable: when the database does not answer.
        """
        password_hash = await self._passwords.hash(password)
        return await self._accounts.add(username, password_hash)

    async def log_in(self, username: str, password: str) -> Session | None:
        """Open a session, None when username and password do not belong together.

        Raises:
            PasswordsOverloaded: when too many passwords wait already.
            DatabaseUnavailable: when the database does not answer.
        """
        await self._defects.hold_log_in()
        account = await self._accounts.find(username)
        stored = None if account is None else account.password_hash
        matches = await self._passwords.verify(stored, password)
        opened = None
        if account is not None and matches:
            opened = await self._sessions.open(account.user_id, self._refresh_tokens.ttl_s)
        self._metrics.observe_login(success=opened is not None)
        return None if opened is None else self._mint(opened)

    async def refresh(self, refresh_token: str) -> Session:
        """Renew a session: its refresh token is void from now on, the answer has the next one.

        Raises:
            RefreshRefused: when the token is not the present one of a session. If it was void
                before, somebody has stolen it or its successor, and the session is ended.
            DatabaseUnavailable: when the database does not answer. The token may then be void:
                whoever shows it again is taken for a thief and has to log in.
        """
        try:
            session, generation = self._refresh_tokens.check(refresh_token)
        except InvalidToken as error:
            raise self._refused(counted.INVALID, str(error)) from error
        renewed = await self._sessions.renew(
            session,
            generation,
            self._refresh_tokens.ttl_s,
            whatever_generation=self._defects.honours_void_tokens(),
        )
        if renewed is None:
            raise await self._end_reused(session, generation)
        self._counted.refreshes.labels(counted.RENEWED).inc()
        return self._mint(renewed)

    async def log_out(self, session: int, user_id: int) -> None:
        """End a session: its tokens are refused, here at once and elsewhere within a second.

        Raises:
            DatabaseUnavailable: when the database does not answer.
        """
        end = await self._sessions.end(session, user_id)
        if end is not None:
            self._ends.note(end)
            self._counted.ends.labels(counted.LOGGED_OUT).inc()

    async def _end_reused(self, session: int, generation: int) -> RefreshRefused:
        end = await self._sessions.end_reused(session, generation)
        if end is None:
            return self._refused(counted.ENDED, "the session has ended; log in again")
        self._ends.note(end)
        self._counted.ends.labels(counted.REUSED).inc()
        return self._refused(counted.REUSED, "the refresh token was used before; log in again")

    def _refused(self, outcome: str, message: str) -> RefreshRefused:
        self._counted.refreshes.labels(outcome).inc()
        self._metrics.auth_failures.labels("refresh_token").inc()
        return RefreshRefused(message)

    def _mint(self, renewal: Renewal) -> Session:
        started = time.perf_counter()
        token = self._tokens.mint(renewal.identity)
        refresh_token = self._refresh_tokens.mint(renewal.session, renewal.generation)
        self._metrics.token_latency.observe(time.perf_counter() - started)
        return Session(
            token=token,
            refresh_token=refresh_token,
            user_id=renewal.identity.user_id,
            role=renewal.identity.role.value,
            expires_in=self._tokens.ttl_s,
            refresh_expires_in=self._refresh_tokens.ttl_s,
        )
