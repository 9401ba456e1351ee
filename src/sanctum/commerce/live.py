"""Live sessions of courses in PostgreSQL, each with a chat channel while it is live.

Who joins becomes a member of the channel; when the session ends nobody is one any more, so no
ticket to its chat is issued after that, nobody talks over a socket that is still open, and it is
closed soon. The same holds for who was enrolled and has the payment back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, cast

import msgspec

from sanctum.backing.database import Database, Row, Transaction
from sanctum.commerce.metrics import CommerceMetrics
from sanctum.gateway.answers import Refusal

State = Literal["scheduled", "live", "ended"]
_COLUMNS = """
    s.id, s.course_id, c.instructor_id, s.title, s.starts_at, s.state, s.channel_id
"""
_FROM = "FROM live_sessions s JOIN courses c ON c.id = s.course_id"
_FIND = f"SELECT {_COLUMNS} {_FROM} WHERE s.id = $1"
_LOCK = f"{_FIND} FOR UPDATE OF s"
_LOCK_SHARED = f"{_FIND} FOR SHARE OF s"
_OF_COURSE = f"""
    SELECT {_COLUMNS} {_FROM} WHERE s.course_id = $1 AND s.id < $2 ORDER BY s.id DESC LIMIT $3
"""
_SCHEDULE = """
    INSERT INTO live_sessions (course_id, title, starts_at) VALUES ($1, $2, $3) RETURNING id
"""
_OPEN_CHANNEL = "INSERT INTO channels (name) VALUES ('live-session-' || $1::bigint) RETURNING id"
_START = (
    "UPDATE live_sessions SET state = 'live', channel_id = $2, started_at = now() WHERE id = $1"
)
_END = "UPDATE live_sessions SET state = 'ended', ended_at = now() WHERE id = $1"
_EMPTY_CHANNEL = "DELETE FROM memberships WHERE channel_id = $1"
_ENROLLED = "SELECT 1 FROM enrolments WHERE course_id = $1 AND user_id = $2"
_ADMIT = """
    WITH attendance AS (
        INSERT INTO live_attendances (session_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING
    )
    INSERT INTO memberships (channel_id, user_id) VALUES ($3, $2) ON CONFLICT DO NOTHING
"""


class LiveSession(msgspec.Struct, frozen=True):
    """Hold a live session; `channel` is its chat, None before it starts."""

    id: int
    course: int
    instructor: int
    title: str
    starts_at: datetime
    state: State
    channel: int | None


class LiveSessions:
    """Schedule, start, join and end live sessions; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, metrics: CommerceMetrics) -> None:
        self._database = database
        self._metrics = metrics

    async def schedule(self, course_id: int, title: str, starts_at: datetime) -> LiveSession:
        """Schedule a session of a course that is there."""
        async with self._database.transaction("schedule_session") as transaction:
            row = await transaction.fetch_one(_SCHEDULE, course_id, title, starts_at)
            assert row is not None, "an insert returns its row"
            return await _found(transaction, _FIND, cast(int, row[0]))

    async def start(self, session_id: int, user: int) -> LiveSession:
        """Start a scheduled session and open its chat; raises Refusal 403, 404, 409."""
        async with self._database.transaction("start_session") as transaction:
            session = await self._to_be_moved(transaction, session_id, user, "scheduled")
            row = await transaction.fetch_one(_OPEN_CHANNEL, session.id)
            assert row is not None, "an insert returns its row"
            await transaction.fetch(_START, session.id, row[0])
            await transaction.fetch(_ADMIT, session.id, user, row[0])
            return await _found(transaction, _FIND, session.id)

    async def end(self, session_id: int, user: int) -> LiveSession:
        """End a session that is live and close its chat; raises Refusal 403, 404, 409."""
        async with self._database.transaction("end_session") as transaction:
            session = await self._to_be_moved(transaction, session_id, user, "live")
            await transaction.fetch(_EMPTY_CHANNEL, session.channel)
            await transaction.fetch(_END, session.id)
            return await _found(transaction, _FIND, session.id)

    async def join(self, session_id: int, user: int) -> LiveSession:
        """Let somebody into a live session and its chat; again it has no effect.

        Raises:
            Refusal: 404 without such a session, 403 for who is neither enrolled nor its
                instructor, 409 when it is not live.
        """
        async with self._database.transaction("join_session") as transaction:
            session = await _found(transaction, _LOCK_SHARED, session_id)
            if user != session.instructor:
                enrolled = await transaction.fetch_one(_ENROLLED, session.course, user)
                if enrolled is None:
                    raise self._metrics.denial(
                        "live_session", "not_enrolled", "only who is enrolled in its course joins"
                    )
            _check_state(session, "live")
            await transaction.fetch(_ADMIT, session.id, user, session.channel)
        return session

    async def find(self, session_id: int) -> LiveSession | None:
        """Find a session by its id."""
        row = await self._database.fetch_one("find_session", _FIND, session_id)
        return None if row is None else _session(row)

    async def of_course(self, course_id: int, before: int, limit: int) -> Sequence[LiveSession]:
        """List a course's sessions with a smaller id, newest first."""
        rows = await self._database.fetch(
            "sessions_of_course", _OF_COURSE, course_id, before, limit
        )
        return [_session(row) for row in rows]

    async def _to_be_moved(
        self, transaction: Transaction, session_id: int, user: int, state: State
    ) -> LiveSession:
        session = await _found(transaction, _LOCK, session_id)
        if user != session.instructor:
            raise self._metrics.denial(
                "live_session", "not_the_instructor", "only its instructor starts or ends it"
            )
        _check_state(session, state)
        return session


async def _found(transaction: Transaction, sql: str, session_id: int) -> LiveSession:
    row = await transaction.fetch_one(sql, session_id)
    if row is None:
        raise Refusal(404, "not_found", f"there is no live session {session_id}")
    return _session(row)


def _check_state(session: LiveSession, state: State) -> None:
    if session.state != state:
        raise Refusal(409, "wrong_state", f"the session is {session.state}, not {state}")


def _session(row: Row) -> LiveSession:
    return LiveSession(*row)  # type: ignore[misc]
