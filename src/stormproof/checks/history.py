"""The history as tables: changes, reads and facts of all workers, with their instants.

A table says which entries of the ledger its operations are; a column is read from them when it is
asked for, and kept by nobody: of millions of operations each checker needs a few columns only.
`ended_ns` of what never ended is FOREVER_NS: it may still happen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from stormproof.checks.ledger import FOREVER_NS, SLICE, Entries, Words
from stormproof.checks.segments import Held, Places, Segments, pieces_of
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
Chosen = Mask | Ints | NDArray[np.int32] | slice
_Made = TypeVar("_Made")
_PLAIN_NUMBER_MAX: Final = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Operations: who did what to which key, from when to when, and how it ended (`Step`)."""

    segments: Segments
    places: Places
    kept: dict[str, NDArray[Any]] | None = None  # columns that were read; of a whole history none

    def __len__(self) -> int:
        """Return the number of operations."""
        return len(self.places)

    def where(self, rows: Chosen) -> Self:
        """Return some of the operations; of a slice, with the columns that were read."""
        if isinstance(rows, slice):
            kept = {name: column[rows] for name, column in (self.kept or {}).items()}
            return replace(self._taken(rows), kept=kept)
        is_all = rows.dtype == np.bool_ and bool(rows.all())
        return self._taken(slice(None) if is_all else rows)

    def of(self, *functions: Function) -> Self:
        """Return the operations of some functions."""
        function, chosen = self.function, np.zeros(len(self), np.bool_)
        for one in functions:
            chosen |= function == one
        return self.where(chosen)

    def unkept(self) -> Self:
        """Return the same operations, whose columns are read anew each time: for millions."""
        return replace(self, kept=None)

    def keep(self, *names: str) -> None:
        """Read fields of all entries now, for many slices to share."""
        for name in names:
            self._column(name)

    def _taken(self, rows: Chosen) -> Self:
        return replace(self, places=self.places[rows], kept={})

    def _column(self, name: str) -> NDArray[Any]:
        if self.kept is None:
            return self.segments.column(name, self.places)
        if name not in self.kept:
            self.kept[name] = self.segments.column(name, self.places)
        return self.kept[name]

    @property
    def flags(self) -> Bytes:
        """Return what the values are, and the function."""
        return self._column("flags")

    @property
    def function(self) -> Bytes:
        """Return what each did (`Function`)."""
        return self.flags & np.uint8(FUNCTION_MASK)

    @property
    def step(self) -> Bytes:
        """Return how each ended."""
        return self._column("kind")

    @property
    def user(self) -> NDArray[np.uint32]:
        """Return who did it."""
        return self._column("user")

    @property
    def key(self) -> Words:
        """Return the key of each."""
        return self._column("key")

    @property
    def value(self) -> Words:
        """Return the value of each."""
        return self._column("value")

    @property
    def other(self) -> Words:
        """Return what else those say whose functions are WITH_OTHER."""
        return self._column("other")

    @property
    def began_ns(self) -> Ints:
        """Return when each began."""
        return self._column("at_ns").view(np.int64)

    @property
    def ended_ns(self) -> Ints:
        """Return when each had ended."""
        return self._column("at_ns").view(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes(Table):
    """Changes, by the entries that began them, and what became of each."""

    steps: Bytes
    over_ns: Ints

    def _taken(self, rows: Chosen) -> Self:
        steps, over_ns = self.steps[rows], self.over_ns[rows]
        return replace(self, places=self.places[rows], kept={}, steps=steps, over_ns=over_ns)

    @property
    def step(self) -> Bytes:
        """Return how each ended, UNKNOWN where nobody said."""
        return self.steps

    @property
    def ended_ns(self) -> Ints:
        """Return when each had ended, FOREVER_NS where that is unknown."""
        return self.over_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads(Table):
    """Reads; those of sets have `count` elements in the history from `first` on."""

    @property
    def other(self) -> Words:
        """Return zeros: a read says nothing else."""
        return np.broadcast_to(np.uint64(0), len(self))

    @property
    def began_ns(self) -> Ints:
        """Return when each began, which its entry says."""
        return self._column("other").view(np.int64)

    @property
    def count(self) -> Ints:
        """Return how many elements each holds."""
        return self._column("more").astype(np.int64)

    @property
    def first(self) -> Ints:
        """Return where the elements of each begin: in the entries ahead of its own."""
        return ELEMENTS_PER_ENTRY * (self.places.astype(np.int64) - pieces_of(self.count))


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything that journeys told of the target's data; `whole`: nothing of it was cut off.

    `has_all_reads`: no read of a set was too large to be kept. What was added to the keys `stored`
    is held against what a server has, by a final read.
    """

    changes: Changes
    reads: Reads
    facts: Table
    elements: Held
    names: dict[int, str]
    whole: bool
    has_all_reads: bool = True
    stored: frozenset[int] = frozenset()
    made: dict[Callable[[History], Any], Any] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def once(self, make: Callable[[History], _Made]) -> _Made:
        """Return what a function makes of this history, made once for all checkers that ask."""
        if make not in self.made:
            self.made[make] = make(self)
        found: _Made = self.made[make]
        return found

    @property
    def has_whole_sets(self) -> bool:
        """Return whether nothing is missing that may hold an element."""
        return self.whole and self.has_all_reads

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


def read_history(
    segments: Sequence[Entries], *, whole: bool, has_all_reads: bool = True
) -> History:
    """Read the operations of a ledger.

    Args:
        segments: the ledger of each worker, in the order written.
        whole: no segment was cut off.
        has_all_reads: no read was too large to be kept.

    Raises:
        ValueError: changes are not numbered as a worker numbers them.
    """
    every = Segments(tuple(one.view(np.dtype(OPERATION_FIELDS)) for one in segments))
    return History(
        changes=_changes(every),
        reads=Reads(segments=every, places=_places(every, _is_read)),
        facts=Table(segments=every, places=_places(every, _is_fact)),
        elements=Held(every),
        names={word: text for one in every.parts for word, text in _names(one).items()},
        whole=whole,
        has_all_reads=has_all_reads,
    )


def _sliced(rows: Entries) -> Iterator[tuple[int, Entries]]:
    for start in range(0, len(rows), SLICE):
        yield start, rows[start : start + SLICE]


def _places(segments: Segments, choose: Callable[[Entries], Mask]) -> Places:
    """Return the places of the entries that `choose` picks."""
    found = [np.empty(0, np.uint32)]
    for begin, part in zip(segments.starts.tolist(), segments.parts, strict=False):
        found += [
            (np.flatnonzero(choose(rows)) + (begin + start)).astype(np.uint32)
            for start, rows in _sliced(part)
        ]
    return np.concatenate(found)


def _among(functions: Sequence[Function]) -> Mask:
    """Return, a byte of flags, whether it says one of some functions."""
    among: Mask = np.isin(np.arange(256) & FUNCTION_MASK, functions)
    return among


_OF_READS: Final = _among(READS)
_OF_FACTS: Final = _among([one for one in Function if one not in CHANGES and one not in READS])


def _is_read(rows: Entries) -> Mask:
    mask: Mask = _is_over_at_once(rows) & _OF_READS[rows["flags"]]
    return mask


def _is_fact(rows: Entries) -> Mask:
    mask: Mask = _is_over_at_once(rows) & _OF_FACTS[rows["flags"]]
    return mask


def _is_over_at_once(rows: Entries) -> Mask:
    """Return which entries are operations that have one each."""
    mask: Mask = (rows["kind"] == Step.OK) & (rows["number"] == 0)
    return mask


def _is_began(rows: Entries) -> Mask:
    mask: Mask = rows["kind"] == Step.BEGAN
    return mask


def _changes(segments: Segments) -> Changes:
    places = _places(segments, _is_began)
    steps = np.full(len(places), Step.UNKNOWN, np.uint8)
    over_ns = np.full(len(places), FOREVER_NS, np.int64)
    edges = np.searchsorted(places, segments.starts.astype(np.uint32)).tolist()
    for index, (start, rows) in enumerate(
        zip(segments.starts.tolist(), segments.parts, strict=False)
    ):
        low, high = edges[index], edges[index + 1]
        begun = rows["number"][places[low:high] - start]
        if bool((begun[1:] <= begun[:-1]).any()):
            raise ValueError("the changes of a worker are not numbered in order")
        if len(begun):
            _end(rows, begun, steps[low:high], over_ns[low:high])
    return Changes(segments=segments, places=places, steps=steps, over_ns=over_ns)


def _end(rows: Entries, begun: Places, steps: Bytes, over_ns: Ints) -> None:
    """Note what became of the changes of a segment whose numbers are `begun`."""
    first = begun[0]
    has_gaps = int(begun[-1]) - int(first) != len(begun) - 1
    for _, some in _sliced(rows):
        kind = some["kind"]
        ends = some[(kind >= Step.OK) & (kind <= Step.UNKNOWN) & (some["number"] > 0)]
        numbers = ends["number"]
        at = np.searchsorted(begun, numbers) if has_gaps else numbers - first
        at = np.minimum(at, len(begun) - 1)
        is_known = begun[at] == numbers
        at, ends = at[is_known], ends[is_known]
        steps[at] = ends["kind"]
        is_over = ends["kind"] != Step.UNKNOWN
        over_ns[at[is_over]] = ends["at_ns"][is_over].astype(np.int64)


def _names(rows: Entries) -> dict[int, str]:
    """Return the words that a segment spells out."""
    pieces: dict[int, dict[int, bytes]] = {}
    spelt = [some[some["kind"] == Step.NAME] for _, some in _sliced(rows)]
    for row in (one for some in spelt for one in some):
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
