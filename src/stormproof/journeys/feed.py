"""Feeds: rows of data that journeys work with, from files beside them or made when they load.

    PEOPLE = Feed.csv("people.csv", order="unique", columns=("name", "password"))

    person = PEOPLE.next(user)
    await user.http.post("/login", json={"name": person["name"], ...})

A feed is declared at the top of the journey file: so its file is checked before the run, its digest
is in the plan, and it travels in the record (or stays where it is, when it is private).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Literal, Protocol, get_args

from stormproof.kernel.limits import FEED_ROWS_MAX

Order = Literal["sequential", "random", "circular", "unique"]
Form = Literal["csv", "jsonl", "rows"]


class Row(Mapping[str, Any]):
    """One row, which nobody can change: values by column."""

    __slots__ = ("_columns", "_values")

    def __init__(self, columns: Mapping[str, int], values: tuple[Any, ...]) -> None:
        self._columns = columns  # column -> position, shared by all rows with these columns
        self._values = values

    def __getitem__(self, column: str) -> Any:
        try:
            return self._values[self._columns[column]]
        except KeyError:
            known = ", ".join(self._columns)
            raise KeyError(f"the feed has no column {column!r}; it has {known}") from None

    def __contains__(self, column: object) -> bool:
        return column in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        return f"Row({', '.join(self._columns)})"  # values may be anybody's password


class Drawing(Protocol):
    """A user, as a feed sees it."""

    def draw(self, feed: Feed) -> Row:
        """Return its next row of a feed."""
        ...


class Feed:
    """Rows, and the order in which users get them.

    sequential  each user goes through all rows from the first, and begins again at the end
    random      each user draws from all rows, by its own random stream
    circular    users share the rows out among them, and begin again at the end
    unique      users share the rows out among them, each row once in the whole run: a journey that
                asks for more than there are has its iteration fail, and a warning says so
    """

    __slots__ = ("columns", "delimiter", "form", "given", "order", "path", "private")

    def __init__(
        self,
        *,
        form: Form,
        path: str,
        order: Order,
        columns: tuple[str, ...] = (),
        private: bool = False,
        delimiter: str = ",",
        given: tuple[Mapping[str, Any], ...] = (),
    ) -> None:
        if order not in get_args(Order):
            raise ValueError(f"the order {order!r} is none: {', '.join(get_args(Order))}")
        self.form = form
        self.path = path
        self.order = order
        self.columns = columns
        self.private = private
        self.delimiter = delimiter
        self.given = given

    @classmethod
    def csv(
        cls,
        path: str,
        *,
        order: Order = "sequential",
        columns: tuple[str, ...] = (),
        private: bool = False,
        delimiter: str = ",",
    ) -> Feed:
        """Take rows from a CSV file whose first line names the columns; values are texts.

        Args:
            path: from the journey file's folder, and not out of it.
            order: see the class.
            columns: which there must be.
            private: leave the file where it is instead of copying it into the record.
            delimiter: one character.
        """
        return cls(
            form="csv",
            path=path,
            order=order,
            columns=columns,
            private=private,
            delimiter=delimiter,
        )

    @classmethod
    def jsonl(
        cls,
        path: str,
        *,
        order: Order = "sequential",
        columns: tuple[str, ...] = (),
        private: bool = False,
    ) -> Feed:
        """Take rows from a file with one JSON object a line (see `csv` for the arguments)."""
        return cls(form="jsonl", path=path, order=order, columns=columns, private=private)

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]], *, order: Order = "sequential") -> Feed:
        """Take rows that are made when the journey file loads, the same in every worker.

        Raises:
            ValueError: there are none, too many, or one is no mapping.
        """
        given = tuple(islice(rows, FEED_ROWS_MAX + 1))
        if not given or len(given) > FEED_ROWS_MAX:
            raise ValueError(f"a feed has from 1 to {FEED_ROWS_MAX} rows")
        for number, row in enumerate(given, 1):
            if not isinstance(row, Mapping):
                raise ValueError(f"row {number} of a feed is no mapping of columns to values")
        return cls(form="rows", path="", order=order, given=given)

    def next(self, user: Drawing) -> Row:
        """Return the next row for a user."""
        return user.draw(self)

    def take(self, user: Drawing, count: int) -> tuple[Row, ...]:
        """Return the next `count` rows for a user."""
        return tuple(user.draw(self) for _ in range(count))

    def __repr__(self) -> str:
        return f"the feed {self.path or 'of rows'}"
