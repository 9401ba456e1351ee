"""Who a request is made for, and how a domain asks for it, however that is proved."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from starlette.requests import Request


class Role(Enum):
    """Name what a user may do beyond what everybody may."""

    USER = "user"
    INSTRUCTOR = "instructor"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        """Tell whether whoever has this role may do what `needed` may."""
        return self is Role.ADMIN or needed in (Role.USER, self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Name the user on whose behalf a request is made.

    Attributes:
        role: what the user might do when the proof was made.
        session: the log-in that proved it, None for an API key.
        api_key: the API key that proved it, by its id, None for a log-in.
        epoch: how often all sessions of the user had been ended by then.
    """

    user_id: int
    username: str
    role: Role = Role.USER
    session: int | None = None
    api_key: int | None = None
    epoch: int = 0


class Gate(Protocol):
    """Let requests pass that prove whom they come from."""

    async def identify(self, request: Request) -> Identity:
        """Return the identity behind a request.

        Raises:
            Refusal: 401 when nothing valid proves it, 429 when it asks too often.
            Unavailable: when the proof cannot be looked up.
        """
        ...

    async def require(self, request: Request, role: Role) -> Identity:
        """Return the identity behind a request, whose role covers the one needed.

        Raises:
            Refusal: 403 when it does not; 401 and 429 as :meth:`identify` says.
            Unavailable: when the proof cannot be looked up.
        """
        ...

    def has_ended(self, identity: Identity) -> bool:
        """Tell whether the session that proved an identity has ended since; keys have none."""
        ...

    async def ended_keys(self, keys: Collection[int]) -> Collection[int]:
        """List those API keys, by id, that were revoked or have expired.

        Raises:
            Unavailable: when they cannot be looked up.
        """
        ...
