"""Who a request is made for, and how a domain asks for it, however that is proved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Name the user on whose behalf a request is made."""

    user_id: int
    username: str


class Gate(Protocol):
    """Let requests pass that prove whom they come from."""

    async def identify(self, request: Request) -> Identity:
        """Return the identity behind a request.

        Raises:
            Refusal: 401 when nothing valid proves it, 429 when it asks too often.
            Unavailable: when the proof cannot be looked up.
        """
        ...
