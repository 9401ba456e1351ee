"""What a checker of one's own is given: the history as records and as columns, read only.

Words are always there (`key_id`, `value_id`), equal ones are equal texts; a text that the record
does not spell out raises `Unspelt` where it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stormproof.checks.ledger import FOREVER_NS, Words
from stormproof.checks.own_words import Spelling, Value
from stormproof.model.history import (
    CHANGES,
    FLAG_ABSENT,
    FLAG_EXPECTS_ABSENT,
    FLAG_TEXT,
    NOTHING,
    READS,
    WITH_OTHER,
    Function,
    Step,
    number_of,
    word_of,
)
from stormproof.model.own_checker import CALLED, FUNCTIONS
from stormproof.rules.windows import Windows

_OUTCOMES: Final = {Step.OK: "ok", Step.REFUSED: "refused", Step.UNKNOWN: "unknown"}
_ELEMENTS_TOLD: Final = 10


def frozen(column: NDArray[Any]) -> NDArray[Any]:
    """Return an array that cannot be written to any more."""
    column.flags.writeable = False
    return column


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A phase of the run or a fault, in seconds since the load's start; an open end is None."""

    name: str
    from_s: float
    to_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """All operations as columns, in the order in which they began; none can be written to."""

    function: NDArray[np.uint8]
    flags: NDArray[np.uint8]
    step: NDArray[np.uint8]
    user: NDArray[np.uint32]
    key: Words
    value: Words
    other: Words
    began_ns: NDArray[np.int64]
    ended_ns: NDArray[np.int64]
    first: NDArray[np.int64]
    count: NDArray[np.int64]

    def where(self, rows: NDArray[Any]) -> Rows:
        """Return some of the rows."""
        return Rows(**{one.name: frozen(getattr(self, one.name)[rows]) for one in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryView:
    """Everything that journeys told of the target's data, in one run.

    Args:
        missing: why a part of the run or of its record is missing; empty: none is.
        unsettled: who did not settle at the end; empty: nobody.
        phases: of the run, in order.
        faults: as they were injected and undone, in order.
        rows: the operations.
        elements: of all reads of sets.
        spelling: of keys and values.
        windows: what instants are told by.
    """

    missing: str
    unsettled: str
    phases: tuple[Span, ...]
    faults: tuple[Span, ...]
    rows: Rows
    elements: Words
    spelling: Spelling
    windows: Windows

    def __len__(self) -> int:
        """Return the number of operations."""
        return len(self.rows.key)

    @property
    def whole(self) -> bool:
        """Whether the run went to its end, users settled, and nothing of its record is missing."""
        return not self.missing and not self.unsettled

    def operations(self, *functions: str, outcome: str = "") -> Iterator[Operation]:
        """Yield operations in the order in which they began.

        Args:
            functions: only those called this, such as "write" and "read"; all without.
            outcome: only those that ended "ok", "refused" or "unknown".

        Raises:
            ValueError: there is no such function or outcome.
        """
        chosen = np.ones(len(self), np.bool_)
        if functions:
            unknown = [one for one in functions if one not in FUNCTIONS]
            if unknown:
                known = ", ".join(FUNCTIONS)
                raise ValueError(f"there is no operation {unknown[0]!r}; known: {known}")
            chosen &= np.isin(self.rows.function, [FUNCTIONS[one] for one in functions])
        if outcome:
            steps = [step for step, name in _OUTCOMES.items() if name == outcome]
            if not steps:
                known = ", ".join(_OUTCOMES.values())
                raise ValueError(f"there is no outcome {outcome!r}; known: {known}")
            chosen &= self.rows.step == steps[0]
        for row in np.flatnonzero(chosen).tolist():
            yield Operation(self, row)

    def by_key(self, *functions: str, outcome: str = "") -> dict[str, list[Operation]]:
        """Return the operations on each key, by its text, as `operations` gives them.

        Raises:
            Unspelt: a key is not spelt out in the record.
        """
        found: dict[int, list[Operation]] = {}
        for one in self.operations(*functions, outcome=outcome):
            found.setdefault(one.key_id, []).append(one)
        return {mine[0].key: mine for mine in found.values()}

    @property
    def columns(self) -> Mapping[str, NDArray[Any]]:
        """The operations as read-only arrays of one length, in the order in which they began.

        `function` and `outcome` are codes (`stormproof.model.history.Function`, and 17 ok, 18
        refused, 19 unknown), `user` a number, `key_id` and `value_id` words, `began_ns` and
        `ended_ns` nanoseconds of the machine's clock; 2**63-1: never ended.
        """
        rows = self.rows
        return MappingProxyType(
            {
                "function": rows.function,
                "outcome": rows.step,
                "user": rows.user,
                "key_id": rows.key,
                "value_id": rows.value,
                "began_ns": rows.began_ns,
                "ended_ns": rows.ended_ns,
            }
        )

    @staticmethod
    def id_of(value: object) -> int:
        """Return the word of a key or value, as in `key_id`, `value_id` and `element_ids`."""
        return NOTHING if value is None else word_of(value)[0]

    def at_s(self, at_ns: int) -> float:
        """Return an instant of the columns in seconds since the load's start."""
        return self.windows.at_s(at_ns)

    def operation(self, row: int) -> Operation:
        """Return the operation in a row of the columns."""
        return Operation(self, range(len(self))[row])

    def last_reads(self) -> dict[int, Operation]:
        """Return, by `key_id`, the last read of each key that began after its changes had ended.

        A change whose outcome is unknown may still happen: its beginning counts.
        """
        rows, last = self.rows, dict[int, int]()
        is_change = np.isin(rows.function, CHANGES)
        counts = is_change & (rows.step != Step.REFUSED)
        until = np.where(rows.ended_ns == FOREVER_NS, rows.began_ns, rows.ended_ns)
        for key, ended_ns in zip(rows.key[counts].tolist(), until[counts].tolist(), strict=True):
            last[key] = max(last.get(key, ended_ns), ended_ns)
        found: dict[int, Operation] = {}
        for row in np.flatnonzero(np.isin(rows.function, READS)).tolist():
            key = int(rows.key[row])
            if int(rows.began_ns[row]) >= last.get(key, -1):
                found[key] = Operation(self, row)
        return found

    def unread(self) -> list[Operation]:
        """Return a change of each key that no read followed."""
        rows, read = self.rows, self.last_reads()
        is_change = np.isin(rows.function, CHANGES) & (rows.step != Step.REFUSED)
        found = {
            int(rows.key[row]): row
            for row in np.flatnonzero(is_change).tolist()
            if int(rows.key[row]) not in read
        }
        return [Operation(self, row) for row in found.values()]

    def with_keys(self, beginning: str) -> HistoryView:
        """Return the operations on keys that begin with a text.

        Raises:
            Unspelt: a key is not spelt out, so that nobody knows.
        """
        words: list[int] = np.unique(self.rows.key).tolist()
        spelt = self.spelling.spelt
        keys = [one for one in words if one and spelt(one).startswith(beginning)]
        chosen = np.isin(self.rows.key, np.array(keys, np.uint64))
        return replace(self, rows=self.rows.where(np.flatnonzero(chosen)))


class Operation:
    """One operation: who did what to which key, from when to when, and how it ended."""

    __slots__ = ("_row", "_view")

    def __init__(self, view: HistoryView, row: int) -> None:
        self._view = view
        self._row = row

    @property
    def function(self) -> str:
        """How it is called: "add", "write", "read", "read_set", "total", "issued", ..."""
        return CALLED[self._function]

    @property
    def outcome(self) -> str:
        """Of a change "ok", "refused" (certainly not made) or "unknown"; else "ok"."""
        return _OUTCOMES[Step(int(self._view.rows.step[self._row]))]

    @property
    def user(self) -> int:
        """The number of the user."""
        return int(self._view.rows.user[self._row])

    @property
    def key(self) -> str:
        """The text of its key; of `saw`, which has none, empty.

        Raises:
            Unspelt: the record does not spell it out.
        """
        return "" if self._function is Function.SAW else self._view.spelling.spelt(self.key_id)

    @property
    def key_id(self) -> int:
        """The word of its key: equal keys have equal words."""
        return int(self._view.rows.key[self._row])

    @property
    def value(self) -> Value | tuple[Value, ...]:
        """What was written, added or read: a number, a text, None; the elements of a set read.

        What is neither was told as the JSON of it: `1.5` is "1.5". Of an effect it is the
        idempotency key.

        Raises:
            Unspelt: the record does not spell it out.
        """
        view, flags = self._view, self._flags
        word = int(view.rows.value[self._row])
        if self._function is Function.READ_SET:
            return tuple(view.spelling.value(one) for one in self.element_ids.tolist())
        if flags & FLAG_ABSENT or (flags & FLAG_TEXT and word == NOTHING):
            return None
        return view.spelling.spelt(word) if flags & FLAG_TEXT else number_of(word)

    @property
    def value_id(self) -> int | None:
        """The word of its value; None where it has none, or elements."""
        has_none = self._flags & FLAG_ABSENT or self._function is Function.READ_SET
        return None if has_none else int(self._view.rows.value[self._row])

    @property
    def element_ids(self) -> Words:
        """The words of the elements of a `read_set`; empty of everything else."""
        rows, first = self._view.rows, int(self._view.rows.first[self._row])
        return self._view.elements[first : first + int(rows.count[self._row])]

    @property
    def expected(self) -> Value:
        """Of `compare_and_set` the value that was expected, of `effect` its id; else None.

        Raises:
            Unspelt: the record does not spell it out.
        """
        if self._function not in WITH_OTHER or self._flags & FLAG_EXPECTS_ABSENT:
            return None
        return self._view.spelling.value(int(self._view.rows.other[self._row]))

    @property
    def began_ns(self) -> int:
        """When it began; a fact, such as `issued`, when it was told."""
        return int(self._view.rows.began_ns[self._row])

    @property
    def ended_ns(self) -> int | None:
        """When its answer had come; None where it never did, so that it may still happen."""
        at_ns = int(self._view.rows.ended_ns[self._row])
        return None if at_ns == FOREVER_NS else at_ns

    @property
    def began_s(self) -> float:
        """When it began, in seconds since the load's start."""
        return self._view.at_s(self.began_ns)

    @property
    def ended_s(self) -> float | None:
        """When it had ended, in seconds since the load's start; None where it never did."""
        return None if self.ended_ns is None else self._view.at_s(self.ended_ns)

    def is_of(self, view: HistoryView) -> bool:
        """Say whether it is an operation of this history."""
        return self._view is view

    @property
    def row(self) -> int:
        """Its place in the columns."""
        return self._row

    @property
    def _function(self) -> Function:
        return Function(int(self._view.rows.function[self._row]))

    @property
    def _flags(self) -> int:
        return int(self._view.rows.flags[self._row])

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Operation) and self._row == other._row and self._view is other._view
        )

    def __hash__(self) -> int:
        return hash(self._row)

    def __str__(self) -> str:
        """Tell it to people: `user 3 write order:7 "paid", 12.301 s to 12.310 s, unknown`."""
        view, ended_s = self._view, self.ended_s
        told = [self.function]
        if self._function is not Function.SAW:
            told.append(view.spelling.names.get(self.key_id, f"#{self.key_id:016x}"))
        if self._function is Function.READ_SET:
            few = [view.spelling.told(one) for one in self.element_ids[:_ELEMENTS_TOLD].tolist()]
            more = len(self.element_ids) - len(few)
            told.append(f"[{', '.join(few)}{f' and {more} more' if more > 0 else ''}]")
        elif self.value_id is not None:
            told.append(view.spelling.told(self.value_id))
        until = (
            ""
            if ended_s == self.began_s
            else " to never"
            if ended_s is None
            else f" to {ended_s:.3f} s"
        )
        outcome = "" if self.outcome == "ok" else f", {self.outcome}"
        return f"user {self.user} {' '.join(told)}, {self.began_s:.3f} s{until}{outcome}"

    __repr__ = __str__
