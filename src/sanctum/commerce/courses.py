"""Courses and their seats in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from sanctum.backing.database import Database, Row, Transaction
from sanctum.defects import Defects

ID_MAX = 2**63 - 1
_COLUMNS = """
    id, instructor_id, title, description, price_cents, seats, seats_taken, state, created_at
"""
_FIND = f"SELECT {_COLUMNS} FROM courses WHERE id = $1"  # noqa: S608 - only constants are interpolated
_CREATE = f"""
    INSERT INTO courses (instructor_id, title, description, price_cents, seats)
    SELECT id, $2, $3, $4, $5 FROM users WHERE id = $1
    RETURNING {_COLUMNS}
"""  # noqa: S608
_PUBLISH = "UPDATE courses SET state = 'published' WHERE id = $1"
_OFFERED = f"""
    SELECT {_COLUMNS} FROM courses
    WHERE state = 'published' AND id < $1 AND price_cents BETWEEN $2 AND $3
"""  # noqa: S608
_NEWEST_FIRST = "ORDER BY id DESC LIMIT $4"
_DISCOVER = f"{_OFFERED} {_NEWEST_FIRST}"
_SEARCH = f"{_OFFERED} AND words @@ plainto_tsquery('simple', $5) {_NEWEST_FIRST}"
# The row's lock lets takers in one by one; the condition is looked at again after the wait.
_TAKE_SEAT = """
    UPDATE courses SET seats_taken = seats_taken + 1
    WHERE id = $1 AND (seats_taken < seats OR $2) RETURNING seats_taken
"""
_FREE_SEAT = "UPDATE courses SET seats_taken = seats_taken - 1 WHERE id = $1"


class Course(msgspec.Struct, frozen=True):
    """Hold a course as clients see it; a draft is seen by its instructor only."""

    id: int
    instructor: int
    title: str
    description: str
    price_cents: int
    seats: int
    seats_taken: int
    state: Literal["draft", "published"]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Hold what an instructor says of a new course."""

    title: str
    description: str
    price_cents: int
    seats: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Hold what somebody looks for: all of the words, and prices between bounds in cents."""

    words: str
    price_min: int
    price_max: int


class CourseStorage:
    """Store and find courses; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, instructor: int, draft: Draft) -> Course | None:
        """Store a draft; None when its instructor has no account any more."""
        row = await self._database.fetch_one(
            "create_course",
            _CREATE,
            instructor,
            draft.title,
            draft.description,
            draft.price_cents,
            draft.seats,
        )
        return None if row is None else _course(row)

    async def publish(self, course_id: int) -> None:
        """Offer a course to everybody."""
        await self._database.fetch("publish_course", _PUBLISH, course_id)

    async def find(self, course_id: int) -> Course | None:
        """Find a course by its id, drafts too."""
        row = await self._database.fetch_one("find_course", _FIND, course_id)
        return None if row is None else _course(row)

    async def discover(self, wish: Wish, before: int, limit: int) -> Sequence[Course]:
        """List published courses with a smaller id that fit a wish, newest first."""
        bounds = (before, wish.price_min, wish.price_max, limit)
        if wish.words:
            rows = await self._database.fetch("search_courses", _SEARCH, *bounds, wish.words)
        else:
            rows = await self._database.fetch("discover_courses", _DISCOVER, *bounds)
        return [_course(row) for row in rows]


async def course_in(transaction: Transaction, course_id: int) -> Course | None:
    """Find a published course within a transaction."""
    row = await transaction.fetch_one(_FIND, course_id)
    course = None if row is None else _course(row)
    return course if course is not None and course.state == "published" else None


async def take_seat(transaction: Transaction, course_id: int, defects: Defects) -> bool:
    """Take one of a course's seats until the transaction decides; tell whether one was free."""
    taken = await transaction.fetch_one(_TAKE_SEAT, course_id, False)
    if taken is None and defects.overlooks_full_course():
        taken = await transaction.fetch_one(_TAKE_SEAT, course_id, True)
    return taken is not None


async def free_seat(transaction: Transaction, course_id: int) -> None:
    """Give a seat back."""
    await transaction.fetch(_FREE_SEAT, course_id)


def _course(row: Row) -> Course:
    return Course(*row)  # type: ignore[misc]
