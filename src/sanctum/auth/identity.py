"""Who a request is made for, however that was proved."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Name the user on whose behalf a request is made."""

    user_id: int
    username: str
