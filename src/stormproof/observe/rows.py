"""Rows that a server gives, page by page, and what each is called."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from stormproof.model.final_read import Moment
from stormproof.model.plan import PlannedRead

_WHOLE: Final = re.compile(r"0|-?[1-9][0-9]{0,18}")
Page = list[object]


class RowsRefused(Exception):
    """A server's rows are not to be had, or not all of them; says why, and no secret."""


@dataclass(slots=True)
class Left:
    """What a read leaves out as it goes on: entries of a stream that lack the field."""

    out: int = 0


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
