"""Sessions in PostgreSQL: one for each log-in, renewed by refresh tokens until it ends.

A session that ended is gone from its table; that it ended is kept in another as long as one of its
access tokens could be valid, for the processes of the service to hear of (see `ends.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sanctum.backing.database import Database, Row
from sanctum.gateway.identity import Identity, Role

OPEN_MAX = 100  # of one user; the oldest can then be renewed no more
PURGED_MAX = 50_000  # rows of a kind in one go
# Whoever ends all sessions of a user waits for those that are being opened, and they for that: the
# lock on the user's row leaves none behind that was opened at the same time.
_OPEN = f"""
    WITH owner AS (
        SELECT id, username, role, session_epoch FROM users WHERE id = $1 FOR SHARE
    ), beyond AS (
        SELECT id FROM sessions WHERE user_id = $1 ORDER BY id DESC OFFSET {OPEN_MAX - 1}
    ), dropped AS (
        DELETE FROM sessions WHERE id IN (
            SELECT id FROM sessions WHERE id IN (SELECT id FROM beyond)
            ORDER BY id FOR UPDATE SKIP LOCKED
        )
    )
    INSERT INTO sessions (user_id, expires_at)
    SELECT id, now() + $2 * interval '1 second' FROM owner
    RETURNING id, generation, user_id,
        (SELECT username FROM owner), (SELECT role FROM owner), (SELECT session_epoch FROM owner)
"""  # noqa: S608 - only constants are interpolated
_RENEW = """
    UPDATE sessions s
    SET generation = s.generation + 1, expires_at = now() + $3 * interval '1 second'
    FROM users u
    WHERE s.id = $1 AND u.id = s.user_id AND s.expires_at > now() AND (s.generation = $2 OR $4)
    RETURNING s.id, s.generation, u.id, u.username, u.role, u.session_epoch
"""
_END_REUSED = """
    WITH gone AS (
        DELETE FROM sessions WHERE id = $1 AND generation > $2 RETURNING user_id, id
    )
    INSERT INTO session_ends (user_id, session_id) SELECT user_id, id FROM gone
    RETURNING session_id, user_id, epoch, ended_at, id
"""
_END = """
    WITH gone AS (DELETE FROM sessions WHERE id = $1 AND user_id = $2)
    INSERT INTO session_ends (user_id, session_id) SELECT id, $1 FROM users WHERE id = $2
    RETURNING session_id, user_id, epoch, ended_at, id
"""
# Comes first in a transaction that ends all sessions: a later statement sees those just opened.
LOCK_OWNER = "SELECT id, role FROM users WHERE id = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE"
# A part of a statement, after its common table expression `owner (id, session_epoch)`.
END_ALL = """
    gone AS (
        DELETE FROM sessions WHERE user_id IN (SELECT id FROM owner) RETURNING 1
    ), told AS (
        INSERT INTO session_ends (user_id, epoch) SELECT id, session_epoch FROM owner
        RETURNING session_id, user_id, epoch, ended_at, id
    )
"""
_ENDED_AFTER = """
    SELECT session_id, user_id, epoch, ended_at, id FROM session_ends
    WHERE (ended_at, id) > ($1, $2) ORDER BY ended_at, id LIMIT $3
"""
_PURGE = f"""
    WITH expired AS (
        SELECT id FROM sessions WHERE expires_at < now() LIMIT {PURGED_MAX} FOR UPDATE SKIP LOCKED
    ), dropped AS (
        DELETE FROM sessions WHERE id IN (SELECT id FROM expired)
    ), stale AS (
        SELECT id FROM session_ends WHERE ended_at < now() - $1 * interval '1 second'
        LIMIT {PURGED_MAX} FOR UPDATE SKIP LOCKED
    )
    DELETE FROM session_ends WHERE id IN (SELECT id FROM stale)
"""  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """Hold whom a session belongs to, and how often it was renewed."""

    identity: Identity
    session: int
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Say that a session ended, or with an epoch: all that the user had begun before it."""

    session: int | None
    user_id: int
    epoch: int | None
    ended_at: datetime
    id: int


class SessionStorage:
    """Open, renew and end sessions; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, user_id: int, ttl_s: int) -> Renewal | None:
        """Open a session for some seconds; None when the user has no account any more."""
        row = await self._database.fetch_one("open_session", _OPEN, user_id, ttl_s)
        return None if row is None else _renewal(row)

    async def renew(
        self, session: int, generation: int, ttl_s: int, *, whatever_generation: bool = False
    ) -> Renewal | None:
        """Void a generation of a session for its next; None unless it is the present one.

        Args:
            session: its id.
            generation: how often it was renewed, as far as the client knows.
            ttl_s: seconds until the next generation expires.
            whatever_generation: renew it though the client be wrong; only by a planted defect.
        """
        row = await self._database.fetch_one(
            "renew_session", _RENEW, session, generation, ttl_s, whatever_generation
        )
        return None if row is None else _renewal(row)

    async def end_reused(self, session: int, generation: int) -> End | None:
        """End a session that has gone beyond a generation; None when there is no such one."""
        row = await self._database.fetch_one("end_session", _END_REUSED, session, generation)
        return None if row is None else as_end(row)

    async def end(self, session: int, user_id: int) -> End | None:
        """End a user's session; None when the user has no account any more."""
        row = await self._database.fetch_one("end_session", _END, session, user_id)
        return None if row is None else as_end(row)

    async def ended_after(self, instant: datetime, end_id: int, limit: int) -> Sequence[End]:
        """List what ended later than a point (instant, id of the end), in that order."""
        rows = await self._database.fetch("session_ends", _ENDED_AFTER, instant, end_id, limit)
        return [as_end(row) for row in rows]

    async def purge(self, kept_s: float) -> None:
        """Delete some sessions that expired, and some ends older than so many seconds."""
        await self._database.fetch("purge_sessions", _PURGE, kept_s)


def _renewal(row: Row) -> Renewal:
    session, generation, user_id, username, role, epoch = (row[i] for i in range(6))
    identity = Identity(
        user_id=cast(int, user_id),
        username=cast(str, username),
        role=Role(role),
        session=cast(int, session),
        epoch=cast(int, epoch),
    )
    return Renewal(identity=identity, session=cast(int, session), generation=cast(int, generation))


def as_end(row: Row) -> End:
    """Read an end from a row (session, user, epoch, instant, id)."""
    return End(
        session=cast("int | None", row[0]),
        user_id=cast(int, row[1]),
        epoch=cast("int | None", row[2]),
        ended_at=cast(datetime, row[3]),
        id=cast(int, row[4]),
    )
