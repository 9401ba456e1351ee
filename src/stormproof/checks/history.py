"""The history as tables: changes, reads and facts of all workers, with their instants.

A table is a numpy structure of arrays, a row an operation. `ended_ns` of what never ended is
FOREVER_NS: it may still happen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from stormproof.checks.ledger import FOREVER_NS, SLICE, Entries, Words
from stormproof.model.history import (
    CHANGES,
    ELEMENTS_PER_ENTRY,
    FIRST_KIND,
    FLAG_ABSENT,
    FLAG_TEXT,
    FUNCTION_MASK,
    NAME_BYTES_PER_ENTRY,
    OPERATION_FIELDS,
    READS,
    WITH_OTHER,
    Function,
    Step,
    number_of,
)
from stormproof.model.objective import Objective
from stormproof.rules.bar import holds
from stormproof.rules.windows import Windows

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
_PLAIN_NUMBER_MAX: Final = 2**53
_Kind = TypeVar("_Kind", bound="Table")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Operations: who did what to which key, from when to when, and how it ended (`Step`)."""

    function: Bytes
    flags: Bytes
    step: Bytes
    user: NDArray[np.uint32]
    key: Words
    value: Words
    other: Words
    began_ns: Ints
    ended_ns: Ints

    def __len__(self) -> int:
        """Return the number of operations."""
        return len(self.key)

    def where(self, rows: Mask | Ints) -> Self:
        """Return some of the operations."""
        return self._each(lambda column: column[rows])

    def of(self, *functions: Function) -> Self:
        """Return the operations of some functions."""
        chosen = np.isin(self.function, functions)
        return self if bool(chosen.all()) else self.where(chosen)

    def _each(self, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Self:
        return type(self)(**{one.name: change(getattr(self, one.name)) for one in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads(Table):
    """Reads; those of sets have `count` elements in the history from `first` on."""

    first: Ints
    count: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything that journeys told of the target's data; `whole`: nothing of it was cut off."""

    changes: Table
    reads: Reads
    facts: Table
    elements: Words
    names: dict[int, str]
    whole: bool

    def functions(self) -> set[int]:
        """Return the functions of all operations."""
        tables = (self.changes, self.reads, self.facts)
        return {int(one) for table in tables for one in np.unique(table.function)}

    def key_text(self, word: int) -> str:
        """Return how a key is told to people."""
        return self.names.get(word, f"#{word:016x}")

    def value_text(self, word: int) -> str:
        """Return how a value is told to people; what is too large for a number is a digest."""
        number = number_of(word)
        plain = str(number) if abs(number) < _PLAIN_NUMBER_MAX else f"#{word:016x}"
        return self.names.get(word, plain)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A history with what it is told by, and the objectives that ask about it."""

    history: History
    windows: Windows
    asked: tuple[Objective, ...] = ()

    def at(self, at_ns: int) -> str:
        """Return an instant for people."""
        return f"{self.windows.at_s(at_ns):.3f} s"

    def breaks(self, metric: str, value: float) -> bool:
        """Return whether an objective asked for better than `value`."""
        return any(
            one.metric == metric and not holds(value, one.operator, one.bar) for one in self.asked
        )


def has_history(segments: Sequence[Entries]) -> bool:
    """Return whether a ledger holds any operation."""
    return any(bool((part["kind"] >= FIRST_KIND).any()) for part in segments)


def read_history(segments: Sequence[Entries], *, whole: bool) -> History:
    """Read the operations of a ledger.

    Args:
        segments: the ledger of each worker, in the order written.
        whole: no segment was cut off.

    Raises:
        ValueError: changes are not numbered as a worker numbers them.
    """
    every = [segment.view(np.dtype(OPERATION_FIELDS)) for segment in segments]
    elements, offsets = _elements(every)
    return History(
        changes=_joined(Table, [_changes(one) for one in every]),
        reads=_joined(Reads, [_reads(*one) for one in zip(every, offsets, strict=True)]),
        facts=_joined(Table, [_facts(one) for one in every]),
        elements=elements,
        names={word: text for one in every for word, text in _names(one).items()},
        whole=whole,
    )


def _joined(kind: type[_Kind], parts: list[_Kind]) -> _Kind:
    if len(parts) == 1:
        return parts[0]
    return kind(
        **{
            one.name: np.concatenate(
                [_EMPTY[one.name], *(getattr(part, one.name) for part in parts)]
            )
            for one in fields(kind)
        }
    )


_EMPTY: Final[dict[str, NDArray[Any]]] = {
    "function": np.empty(0, np.uint8),
    "flags": np.empty(0, np.uint8),
    "step": np.empty(0, np.uint8),
    "user": np.empty(0, np.uint32),
    "key": np.empty(0, np.uint64),
    "value": np.empty(0, np.uint64),
    "other": np.empty(0, np.uint64),
    "began_ns": np.empty(0, np.int64),
    "ended_ns": np.empty(0, np.int64),
    "first": np.empty(0, np.int64),
    "count": np.empty(0, np.int64),
}


def _places(rows: Entries, choose: Callable[[Entries], Mask]) -> Ints:
    """Return where entries are that `choose` picks; looked at in slices."""
    found = [
        np.flatnonzero(choose(rows[start : start + SLICE])) + start
        for start in range(0, len(rows), SLICE)
    ]
    return np.concatenate([np.empty(0, np.int64), *found])


def _is_end(rows: Entries) -> Mask:
    mask: Mask = (rows["kind"] >= Step.OK) & (rows["kind"] <= Step.UNKNOWN)
    return mask


def _changes(rows: Entries) -> Table:
    began = _places(rows, lambda some: some["kind"] == Step.BEGAN)
    ends = _places(rows, lambda some: _is_end(some) & (some["number"] > 0))
    numbers = rows["number"][began]
    if bool((numbers[1:] <= numbers[:-1]).any()):
        raise ValueError("the changes of a worker are not numbered in order")
    step = np.full(len(began), Step.UNKNOWN, np.uint8)
    ended_ns = np.full(len(began), FOREVER_NS, np.int64)
    if len(began) and len(ends):
        places = np.minimum(np.searchsorted(numbers, rows["number"][ends]), len(began) - 1)
        known = numbers[places] == rows["number"][ends]
        places, ends = places[known], ends[known]
        step[places] = rows["kind"][ends]
        ended = rows["kind"][ends] != Step.UNKNOWN
        ended_ns[places[ended]] = rows["at_ns"][ends[ended]].astype(np.int64)
    return _table(rows, began, step, rows["at_ns"][began].astype(np.int64), ended_ns)


def _table(rows: Entries, at: Ints, step: Bytes, began_ns: Ints, ended_ns: Ints) -> Table:
    flags = rows["flags"][at]
    return Table(
        function=flags & np.uint8(FUNCTION_MASK),
        flags=flags,
        step=step,
        user=rows["user"][at],
        key=rows["key"][at],
        value=rows["value"][at],
        other=_others(rows, at, flags),
        began_ns=began_ns,
        ended_ns=ended_ns,
    )


def _others(rows: Entries, at: Ints, flags: Bytes) -> Words:
    """Return what else operations hold; where none does, zeros that take no room."""
    if np.isin(flags & np.uint8(FUNCTION_MASK), WITH_OTHER).any():
        others: Words = rows["other"][at]
        return others
    return np.broadcast_to(np.uint64(0), len(at))


def _over_at(rows: Entries, functions: Sequence[Function]) -> Ints:
    """Return where the operations are that have one entry each."""
    return _places(
        rows,
        lambda some: (
            (some["kind"] == Step.OK)
            & (some["number"] == 0)
            & np.isin(some["flags"] & FUNCTION_MASK, functions)
        ),
    )


def _reads(rows: Entries, offset: int) -> Reads:
    """Return the reads of a segment whose first element is at `offset` in the history."""
    at = _over_at(rows, READS)
    began_ns = rows["other"][at].astype(np.int64)
    ended_ns = rows["at_ns"][at].astype(np.int64)
    table = _table(rows, at, rows["kind"][at], began_ns, ended_ns)
    count = rows["more"][at].astype(np.int64)
    columns = {one.name: getattr(table, one.name) for one in fields(Table)}
    return Reads(**columns, first=offset + np.cumsum(count) - count, count=count)


def _facts(rows: Entries) -> Table:
    others = [one for one in Function if one not in CHANGES and one not in READS]
    at = _over_at(rows, others)
    at_ns = rows["at_ns"][at].astype(np.int64)
    return _table(rows, at, rows["kind"][at], at_ns, at_ns)


def _elements(every: Sequence[Entries]) -> tuple[Words, list[int]]:
    """Return the elements of all reads, and where those of each segment begin."""
    sizes = [sum(int(_used(some).sum()) for some in _sliced(rows)) for rows in every]
    elements, filled = np.empty(sum(sizes), np.uint64), 0
    for rows in every:
        for some in _sliced(rows):
            few = some[some["kind"] == Step.ELEMENTS]
            three = np.stack([few["key"], few["value"], few["other"]], axis=1)
            is_full = bool((few["more"] == ELEMENTS_PER_ENTRY).all())
            found = three.ravel() if is_full else three[np.arange(3) < few["more"][:, None]]
            elements[filled : filled + len(found)] = found
            filled += len(found)
    return elements, [sum(sizes[:index]) for index in range(len(sizes))]


def _sliced(rows: Entries) -> Iterator[Entries]:
    for start in range(0, len(rows), SLICE):
        yield rows[start : start + SLICE]


def _used(rows: Entries) -> Words:
    """Return how many elements each entry holds."""
    used: Words = np.where(rows["kind"] == Step.ELEMENTS, np.minimum(rows["more"], 3), 0)
    return used


def _names(rows: Entries) -> dict[int, str]:
    """Return the words that a segment spells out."""
    pieces: dict[int, dict[int, bytes]] = {}
    for row in rows[_places(rows, lambda some: some["kind"] == Step.NAME)]:
        data = int(row["value"]).to_bytes(8, "little") + int(row["other"]).to_bytes(8, "little")
        piece = data[: min(int(row["more"]), NAME_BYTES_PER_ENTRY)]
        pieces.setdefault(int(row["key"]), {})[int(row["number"])] = piece
    return {
        word: b"".join(mine[at] for at in sorted(mine)).decode("utf-8", "ignore")
        for word, mine in pieces.items()
    }


def is_text(table: Table) -> Mask:
    """Return which operations have a text for a value."""
    mask: Mask = (table.flags & FLAG_TEXT) != 0
    return mask


def is_absent(table: Table) -> Mask:
    """Return which operations have nothing at all for a value."""
    mask: Mask = (table.flags & FLAG_ABSENT) != 0
    return mask
