"""Rows that a server gives, page by page, and what each is called."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from stormproof.kernel.limits import FINAL_READ_PAGE_BYTES, FINAL_READ_ROW_BYTES_MAX
from stormproof.model.final_read import Moment
from stormproof.model.plan import PlannedRead

FIRST_ROWS: Final = 16  # of which nobody knows yet how large they are
_WORD_BYTES: Final = 8  # of what is neither a text nor a list, more or less
_WHOLE: Final = re.compile(r"0|-?[1-9][0-9]{0,18}")
Page = list[object]


class RowsRefused(Exception):
    """A server's rows are not to be had, or not all of them; says why, and no secret."""


@dataclass(slots=True)
class Left:
    """What a read leaves out as it goes on: entries of a stream that lack the field."""

    out: int = 0


class Paging:
    """How many rows to ask for at once, so that a page of the largest so far takes little room.

    Args:
        most: rows of a page, however small they are.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._largest = 1
        self.rows = min(FIRST_ROWS, most)

    def take(self, row: object) -> None:
        """Look at a row as the server gave it.

        Raises:
            RowsRefused: it is larger than what identifies anything.
        """
        size = _bytes_of(row)
        if size > FINAL_READ_ROW_BYTES_MAX:
            what = f"a row of it takes {size} bytes, over {FINAL_READ_ROW_BYTES_MAX}"
            raise RowsRefused(f"{what}: select what identifies it")
        self._largest = max(self._largest, size)

    def turn(self) -> None:
        """Go on to the next page."""
        fitting = max(1, FINAL_READ_PAGE_BYTES // self._largest)
        self.rows = min(self._most, 4 * self.rows, fitting)


def _bytes_of(value: object) -> int:
    """Return about how much room a value takes."""
    if isinstance(value, str | bytes | bytearray):
        return len(value)
    if isinstance(value, list | tuple):
        return sum(map(_bytes_of, value))
    return _WORD_BYTES


class RowReader(Protocol):
    """Whoever can read a server for a final read."""

    def read(
        self, planned: PlannedRead, moment: Moment, left: Left, /
    ) -> AsyncGenerator[Page, None]:
        """Yield all rows there are now, in pages.

        Raises:
            RowsRefused: they cannot be read.
        """
        ...


def as_number(value: str) -> object:
    """Return the whole number that a text is, or the text."""
    return int(value) if _WHOLE.fullmatch(value) else value


def spelling(planned: PlannedRead) -> Callable[[str], object]:
    """Return what makes an element of a text that a server gives."""
    return as_number if planned.numbers else str
