"""What admins do to accounts: list them, set their roles, end their sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import msgspec

from sanctum.auth.sessions import END_ALL, LOCK_OWNER, End, as_end
from sanctum.backing.database import Database
from sanctum.gateway.answers import Refusal
from sanctum.gateway.identity import Role

_AFTER = """
    SELECT id, username, role, created_at FROM users WHERE id > $1 ORDER BY id LIMIT $2
"""
# A token tells the role of when it was minted, so a role that changes ends the sessions.
_SET_ROLE = f"""
    WITH owner AS (
        UPDATE users SET role = $2, session_epoch = session_epoch + 1 WHERE id = $1
        RETURNING id, username, role, created_at, session_epoch
    ), {END_ALL}
    SELECT told.*, (SELECT count(*) FROM gone),
        owner.id, owner.username, owner.role, owner.created_at
    FROM owner CROSS JOIN told
"""  # noqa: S608 - only constants are interpolated
_END_ALL = f"""
    WITH owner AS (
        UPDATE users SET session_epoch = session_epoch + 1 WHERE id = $1
        RETURNING id, session_epoch
    ), {END_ALL}
    SELECT told.*, (SELECT count(*) FROM gone) FROM told
"""  # noqa: S608


class User(msgspec.Struct, frozen=True):
    """Hold one account as admins see it."""

    id: int
    username: str
    role: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Hold that all sessions of a user ended, and how many could still have been renewed."""

    end: End
    count: int


class AdminStorage:
    """Find and change accounts; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def after(self, user_id: int, limit: int) -> Sequence[User]:
        """List users with a larger id, oldest first."""
        rows = await self._database.fetch("list_users", _AFTER, user_id, limit)
        return [User(*row) for row in rows]  # type: ignore[misc]

    async def set_role(self, admin_id: int, user_id: int, role: str) -> tuple[User, Ended] | None:
        """Give a user a role and end the sessions with the old one; None without such a user.

        Raises:
            Refusal: 403 when who gives it is no admin by now. Two who take each other's role away
                at once must not both succeed: nobody would be left to undo it.
        """
        async with self._database.transaction("set_role") as transaction:
            locked = await transaction.fetch(LOCK_OWNER, [admin_id, user_id])
            if (admin_id, Role.ADMIN.value) not in [(row[0], row[1]) for row in locked]:
                raise Refusal(403, "role_needed", f"this is for the role {Role.ADMIN.value}")
            row = await transaction.fetch_one(_SET_ROLE, user_id, role)
        if row is None:
            return None
        user = User(
            id=cast(int, row[6]),
            username=cast(str, row[7]),
            role=cast(str, row[8]),
            created_at=cast(datetime, row[9]),
        )
        return user, Ended(end=as_end(row), count=cast(int, row[5]))

    async def end_sessions(self, user_id: int) -> Ended | None:
        """End all sessions of a user; None when there is no such user."""
        async with self._database.transaction("end_sessions") as transaction:
            await transaction.fetch(LOCK_OWNER, [user_id])
            row = await transaction.fetch_one(_END_ALL, user_id)
        return None if row is None else Ended(end=as_end(row), count=cast(int, row[5]))
