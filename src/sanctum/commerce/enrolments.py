"""Enrolments in PostgreSQL: one for each user and course, and a seat for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from sanctum.backing.database import Database, Row, Transaction
from sanctum.commerce.courses import course_in, take_seat
from sanctum.commerce.metrics import CommerceMetrics
from sanctum.defects import Defects
from sanctum.gateway.answers import Refusal

_COLUMNS = "course_id, user_id, payment_id, created_at"
_FIND = f"SELECT {_COLUMNS} FROM enrolments WHERE course_id = $1 AND user_id = $2"  # noqa: S608 - only constants are interpolated
# Whoever is enrolled already stays so; a request for the same that is under way is waited for.
_INSERT = f"""
    INSERT INTO enrolments (course_id, user_id, payment_id)
    SELECT $1, id, $3 FROM users WHERE id = $2
    ON CONFLICT DO NOTHING RETURNING {_COLUMNS}
"""  # noqa: S608
_OF_USER = f"""
    SELECT {_COLUMNS} FROM enrolments WHERE user_id = $1 AND course_id < $2
    ORDER BY course_id DESC LIMIT $3
"""  # noqa: S608
# Locked, so that it is not given back while it is used.
_PAID = """
    SELECT id FROM payments WHERE user_id = $1 AND course_id = $2 AND state = 'paid' FOR UPDATE
"""


class Enrolment(msgspec.Struct, frozen=True):
    """Hold an enrolment; `payment` is what paid for it, None for a free course."""

    course: int
    user: int
    payment: int | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """Hold an enrolment, and whether it was made just now."""

    enrolment: Enrolment
    new: bool


class Enrolments:
    """Enrol users and find enrolments; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, defects: Defects, metrics: CommerceMetrics) -> None:
        self._database = database
        self._defects = defects
        self._metrics = metrics

    async def enrol(self, course_id: int, user: int) -> Enrolled:
        """Enrol a user who has paid, or takes a free seat of a free course.

        Raises:
            Refusal: 404 without such a course, 402 when it is not paid for, 409 when it is full.
        """
        async with self._database.transaction("enrol") as transaction:
            enrolled = await self._enrol(transaction, course_id, user)
        if enrolled.new:
            self._metrics.enrolments.inc()
        return enrolled

    async def _enrol(self, transaction: Transaction, course_id: int, user: int) -> Enrolled:
        course = await course_in(transaction, course_id)
        if course is None:
            raise Refusal(404, "not_found", f"no course {course_id} is offered")
        payment = None
        if course.price_cents:
            payment = await transaction.fetch_one(_PAID, user, course_id)
            if payment is None:
                raise Refusal(402, "payment_required", "this course is not paid for")
        arguments = (course_id, user, None if payment is None else payment[0])
        row = await transaction.fetch_one(_INSERT, *arguments)
        if row is None:
            return await _existing(transaction, course_id, user)
        # A payment holds its seat since it was begun.
        if payment is None and not await take_seat(transaction, course_id, self._defects):
            raise Refusal(409, "course_full", "every seat of this course is taken")
        return Enrolled(enrolment=_enrolment(row), new=True)

    async def find(self, course_id: int, user: int) -> Enrolment | None:
        """Find a user's enrolment in a course."""
        row = await self._database.fetch_one("find_enrolment", _FIND, course_id, user)
        return None if row is None else _enrolment(row)

    async def of_user(self, user: int, before: int, limit: int) -> Sequence[Enrolment]:
        """List a user's enrolments in courses with a smaller id, the largest first."""
        rows = await self._database.fetch("enrolments", _OF_USER, user, before, limit)
        return [_enrolment(row) for row in rows]


async def _existing(transaction: Transaction, course_id: int, user: int) -> Enrolled:
    row = await transaction.fetch_one(_FIND, course_id, user)
    if row is None:
        raise Refusal(401, "invalid_token", "the account does not exist any more")
    return Enrolled(enrolment=_enrolment(row), new=False)


def _enrolment(row: Row) -> Enrolment:
    return Enrolment(*row)  # type: ignore[misc]
