"""Signing in as real clients do: once, with the token kept, and again when it is refused.

LOGIN = PasswordLogin("/api/auth/login", name=lambda user: f"user-{user.index + 1:04d}",
password=secret("USERS_PASSWORD"))

token = await LOGIN.token(user)
orders = await LOGIN.send(user, lambda token: user.http.get("/api/orders", auth=token))
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

from stormproof.journeys.interface import User
from stormproof.journeys.requests import Response
from stormproof.journeys.secret import Secret

if TYPE_CHECKING:
    from asyncio import Lock

OfUser = str | Secret | Callable[[User], str | Secret]
ERRORS_FROM, UNAUTHORIZED = 400, 401


def _lock() -> Lock:
    from asyncio import Lock  # only where users log in: help is instant

    return Lock()


@dataclass(slots=True)
class _Session:
    """A user's token, and the one log-in at a time that may change it."""

    token: str = ""
    since_s: float = 0.0
    changing: Lock = field(default_factory=_lock)


class PasswordLogin:
    """Log users in with name and password, and keep each one's token.

    Args:
        path: what the name and password are posted to, as JSON.
        name: the same for all users, or a function of the user.
        password: likewise; a secret, where it is one.
        fields: what the JSON calls the two.
        token: where the token is in the answer; `data.token` is the `token` of its `data`.
        lifetime_s: log in anew before a token gets older than this; None: only when it is refused.
    """

    def __init__(
        self,
        path: str,
        *,
        name: OfUser,
        password: OfUser,
        fields: tuple[str, str] = ("username", "password"),
        token: str = "token",  # noqa: S107 - where it is, not what it is
        lifetime_s: float | None = None,
    ) -> None:
        self.secrets = tuple(one for one in (name, password) if isinstance(one, Secret))
        self._path = path
        self._name = name
        self._password = password
        self._fields = fields
        self._token = token
        self._lifetime_s = lifetime_s

    async def token(self, user: User) -> str:
        """Return the user's token; log it in where it has none, or one that is too old.

        Ends the iteration as failed where the target does not let it in.
        """
        session = self._session(user)
        if self._is_usable(session):
            return session.token
        async with session.changing:
            if not self._is_usable(session):  # else somebody else of this user has logged in
                await self._log_in(user, session)
        return session.token

    async def renew(self, user: User, refused: str) -> str:
        """Return another token than the one that was refused; logs in once for all who ask."""
        session = self._session(user)
        async with session.changing:
            if session.token == refused:
                await self._log_in(user, session)
        return session.token

    async def send(self, user: User, request: Callable[[str], Awaitable[Response]]) -> Response:
        """Send a request with the user's token; once more with a new one where it is refused (401).

        The refused request counts as what it was: name 401 in its `expected` where tokens expire.
        """
        token = await self.token(user)
        answer = await request(token)
        if answer.status < ERRORS_FROM or answer.status != UNAUTHORIZED:
            return answer
        return await request(await self.renew(user, token))

    def _session(self, user: User) -> _Session:
        return user.keep(self, _Session)

    def _is_usable(self, session: _Session) -> bool:
        if not session.token or self._lifetime_s is None:
            return bool(session.token)
        return monotonic() - session.since_s < self._lifetime_s

    async def _log_in(self, user: User, session: _Session) -> None:
        session.token = ""
        name, password = self._fields
        given = {name: _given(self._name, user), password: _given(self._password, user)}
        answer = await user.http.post(self._path, json=given)
        session.token = answered_text(user, answer, self._token, f"cannot log in at {self._path}")
        session.since_s = monotonic()


class Ticket:
    """Take tickets that are good for one WebSocket each.

    Args:
        path: what a ticket is asked from.
        login: who is asking.
        field: where the ticket is in the answer (see `PasswordLogin`).
    """

    def __init__(self, path: str, *, login: PasswordLogin, field: str = "ticket") -> None:
        self.secrets = login.secrets
        self._path = path
        self._login = login
        self._field = field

    async def take(self, user: User, json: object = None) -> str:
        """Return a new ticket; ends the iteration as failed where there is none to be had.

        Args:
            user: who it is for.
            json: what it is asked for with, such as the channel that it opens.
        """

        def ask(token: str) -> Awaitable[Response]:
            return user.http.post(self._path, json=json, auth=token)

        answer = await self._login.send(user, ask)
        return answered_text(user, answer, self._field, f"no ticket from {self._path}")


def answered_text(user: User, answer: Response, field: str, failing: str) -> str:
    """Return a text out of an answer, or end the iteration saying what was `failing`."""
    if not answer.ok:
        user.fail(f"{failing}: {answer.status or answer.error}")
    value: Any = answer.json()
    try:
        for name in field.split("."):
            value = value[name]
    except (LookupError, TypeError):
        value = None
    if not value or isinstance(value, dict | list | bool | int | float):
        user.fail(f"{failing}: the answer has no text {field!r}")
    found: str = value
    return found


def _given(value: OfUser, user: User) -> str:
    found = value(user) if callable(value) else value
    return found.value if isinstance(found, Secret) else found
