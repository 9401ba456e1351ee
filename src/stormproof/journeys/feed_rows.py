"""Read the rows of a feed; whatever is wrong with its file is said with the line it is in."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from stormproof.journeys.feed import Feed, Row
from stormproof.kernel.errors import BadInput, Problem
from stormproof.kernel.limits import FEED_BYTES_MAX, FEED_ROWS_MAX

_PROBLEMS_TOLD_MAX = 5  # of one file; what comes after is counted
_decode = msgspec.json.Decoder().decode


def feed_bytes(feed: Feed, folder: Path) -> bytes:
    """Return the bytes of a feed's file.

    Args:
        feed: one of a file.
        folder: the journey file's.

    Raises:
        BadInput: it lies elsewhere, cannot be read, or is too large.
    """
    where = f"feed {feed.path}"
    inside = PurePosixPath(feed.path)
    if inside.is_absolute() or ".." in inside.parts or not inside.name:
        raise BadInput([Problem(where=where, what="is not in the journey file's folder",
                                fix="put it there, and name it from there")])  # fmt: skip
    return file_bytes(folder / inside, where)


def file_bytes(path: Path, where: str) -> bytes:
    """Return the bytes of a feed's file, which is called `where` in messages.

    Raises:
        BadInput: it cannot be read, or is too large.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(FEED_BYTES_MAX + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        fix = f"it is looked for in {path.parent}"
        raise BadInput([Problem(where=where, what=f"cannot be read: {reason}", fix=fix)]) from error
    if len(data) > FEED_BYTES_MAX:
        raise BadInput([Problem(where=where, what=f"is over {FEED_BYTES_MAX >> 20} MiB")])
    return data


def read_rows(feed: Feed, data: bytes = b"") -> tuple[Row, ...]:
    """Return the rows of a feed, read from its file's bytes unless they were given.

    Raises:
        BadInput: with every problem of the file.
    """
    where = f"feed {feed.path or 'of rows'}"
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = f"is not UTF-8 at byte {error.start}"
        raise BadInput([Problem(where=where, what=what)]) from error
    problems = _Problems(where)
    if feed.form == "csv":
        rows = _csv_rows(feed, text, problems)
    else:
        lines = _json_lines(text, problems) if feed.form == "jsonl" else enumerate(feed.given, 1)
        rows = _mapped_rows(feed, lines, problems)
    if not rows and not problems.found:
        problems.add(0, "has no row")
    if len(rows) > FEED_ROWS_MAX:
        problems.add(0, f"has over {FEED_ROWS_MAX} rows")
    problems.raise_any()
    return tuple(rows)


class _Problems:
    """The first few problems of a file, and how many more there are."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._more = 0
        self.found: list[Problem] = []

    def add(self, line: int, what: str, fix: str = "") -> None:
        """Note a problem; line 0 is the whole file."""
        if len(self.found) >= _PROBLEMS_TOLD_MAX:
            self._more += 1
            return
        place = f"{self._where}:{line}" if line else self._where
        self.found.append(Problem(where=place, what=what, fix=fix))

    def raise_any(self) -> None:
        """Raise BadInput where there is any problem."""
        if self._more:
            self.found.append(Problem(where=self._where, what=f"{self._more} more such lines"))
        if self.found:
            raise BadInput(self.found)


def _csv_rows(feed: Feed, text: str, problems: _Problems) -> list[Row]:
    if len(feed.delimiter) != 1:
        problems.add(0, f"the delimiter {feed.delimiter!r} is not one character")
        return []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=feed.delimiter, strict=True)
    rows: list[Row] = []
    try:
        names = next(reader, [])
        columns = _columns_of(feed, names, problems)
        for values in reader:
            if len(values) == len(names):
                rows.append(Row(columns, tuple(values)))
            elif values:  # an empty line is no row
                what = f"has {len(values)} values, but there are {len(names)} columns"
                problems.add(reader.line_num, what)
    except csv.Error as error:
        problems.add(reader.line_num, f"is no CSV: {error}")
    return rows


def _columns_of(feed: Feed, names: list[str], problems: _Problems) -> dict[str, int]:
    """Return column -> position; say which are missing, without a name, or there twice."""
    columns = {name: position for position, name in enumerate(names)}
    if not names:
        problems.add(1, "names no columns", "the first line names them")
    elif "" in columns:
        problems.add(1, "has a column without a name")
    elif len(columns) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        problems.add(1, f"names a column twice: {', '.join(twice)}")
    _require_columns(feed, columns, 1, problems)
    return columns


def _require_columns(
    feed: Feed, columns: Mapping[str, object], line: int, problems: _Problems
) -> None:
    missing = [name for name in feed.columns if name not in columns]
    if missing:
        fix = f"it has {', '.join(columns) or 'none'}"
        problems.add(line, f"has no column {', '.join(missing)}", fix)


def _json_lines(text: str, problems: _Problems) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield (number of the line, its object)."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = _decode(line)
        except msgspec.DecodeError as error:
            problems.add(number, f"is no JSON: {error}")
            continue
        if isinstance(value, dict):
            yield number, value
        else:
            problems.add(number, "is no JSON object", 'such as {"name": "Ada"}')


def _mapped_rows(
    feed: Feed, lines: Iterator[tuple[int, Mapping[str, Any]]], problems: _Problems
) -> list[Row]:
    known: dict[tuple[str, ...], dict[str, int]] = {}
    rows = []
    for number, value in lines:
        names = tuple(value)
        columns = known.get(names)
        if columns is None:
            columns = {name: position for position, name in enumerate(names)}
            _require_columns(feed, columns, number, problems)
            if len(known) < FEED_ROWS_MAX:
                known[names] = columns
        rows.append(Row(columns, tuple(value.values())))
    return rows
