"""The search for an order: what was read and written could have happened one after the other.

Theory of operation. The operations of a key begin and end in time order. A configuration is a value
the key may have and which of the operations under way have taken effect to give it. Only when an
operation ends is anything decided: in each configuration in which it has not taken effect yet,
those under way are tried in every order until it has. When no configuration is left, no order
explains the history. Reads under way of the value that a configuration has take effect at once:
they change nothing, so that nothing is lost, and many readers are no more work than one. What is
unknown stays under way for ever. Configurations are kept once each. All work is counted, and so is
what is under way and what is kept: over its share of work, or over either bound, a history is
undecided.

Source: Wing and Gong, "Testing and verifying concurrent objects", 1993; Lowe, "Testing for
linearizability", 2017 (just-in-time linearization).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final, NamedTuple

import numpy as np

from stormproof.checks.ledger import FOREVER_NS
from stormproof.checks.register_blocks import ABSENT, Rows
from stormproof.kernel.limits import LINEARIZED_CONFIGURATIONS_MAX, LINEARIZED_UNDER_WAY_MAX
from stormproof.model.history import WORD_MASK, Function

ANY: Final = -2  # before anything was read or written: whatever makes it come out
ANY_RAISED: Final = -3  # the same after an increment: anything but absent
TOGETHER: Final = 1 << 12  # operations made of rows at once
FREE: Final = (ANY, ANY_RAISED)


class Operation(NamedTuple):
    """An operation on a register; `expected` is what a compare-and-set compares with."""

    function: int
    value: int
    expected: int
    began_ns: int
    ended_ns: int
    user: int
    is_unknown: bool


@dataclass(slots=True, kw_only=True)
class Budget:
    """How much work is left for a key."""

    steps: int


class OverBudget(Exception):
    """A history whose orders are too many to be tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """The first operation of a key that no order explains, and what the key may have been."""

    operation: Operation
    values: list[int] = field(default_factory=list)


def operations_of(rows: Rows) -> list[Operation]:
    """Return operations as a search takes them."""
    columns = (
        rows.function,
        rows.value,
        rows.is_absent,
        rows.other,
        rows.expects_absent,
        rows.began_ns,
        rows.ended_ns,
        rows.user,
        rows.is_made,
    )
    return [
        Operation(
            function=function,
            value=ABSENT if is_absent else value,
            expected=ABSENT if expects_absent else other,
            began_ns=began_ns,
            ended_ns=ended_ns,
            user=user,
            is_unknown=not is_made,
        )
        for (
            function,
            value,
            is_absent,
            other,
            expects_absent,
            began_ns,
            ended_ns,
            user,
            is_made,
        ) in zip(*(one.tolist() for one in columns), strict=True)
    ]


def contradiction_in(rows: Rows, budget: Budget) -> Contradiction | None:
    """Return the first operation of a key that no order explains; None when there is an order.

    Of operations that begin or end at one instant the one ahead in `rows` is taken first.

    Raises:
        OverBudget: it would take more work than is left, or more memory than is allowed.
    """
    search = _Search(budget)
    for is_end, index, operation in _events(rows):
        if not is_end:
            search.begin(index, operation)
        elif not search.end(index):
            return Contradiction(operation=operation, values=search.values_before)
    return None


def _events(rows: Rows) -> Iterator[tuple[bool, int, Operation]]:
    """Yield begins and ends in time order; at one instant begins come first.

    Of millions of operations only those under way, and a few thousand ahead, are there at once.
    """
    under_way = list[tuple[int, int, Operation]]()
    order = np.argsort(rows.began_ns, kind="stable")
    for start in range(0, len(order), TOGETHER):
        some = order[start : start + TOGETHER]
        for index, one in zip(some.tolist(), operations_of(rows.where(some)), strict=True):
            while under_way and under_way[0][0] < one.began_ns:
                _, ended, operation = heappop(under_way)
                yield True, ended, operation
            yield False, index, one
            if one.ended_ns != FOREVER_NS:
                heappush(under_way, (one.ended_ns, index, one))
    while under_way:
        _, ended, operation = heappop(under_way)
        yield True, ended, operation


class _Search:
    """All configurations that explain what has ended so far.

    A configuration is (value, bits of the places of those under way that have taken effect). It is
    full where all reads under way of its value have: only full ones are looked at.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._configurations: set[tuple[int, int]] = {(ANY, 0)}
        self._places: dict[int, int] = {}  # index of an operation under way -> its bit
        self._changes: dict[int, tuple[int, Operation]] = {}  # the same, of those that are no reads
        self._values: dict[int, int] = {}  # the same, of reads -> the value that it gave
        self._reads: dict[int, int] = {}  # value -> bits of the reads under way that give it
        self._free: list[int] = []
        self.values_before: list[int] = []

    def begin(self, index: int, one: Operation) -> None:
        """Take an operation that is under way from now on."""
        place = self._free.pop() if self._free else 1 << len(self._places)
        self._places[index] = place
        if one.function == Function.READ:
            self._values[index] = one.value
            self._reads[one.value] = self._reads.get(one.value, 0) | place
        else:
            self._changes[index] = (place, one)
        if len(self._places) > LINEARIZED_UNDER_WAY_MAX:
            raise OverBudget

    def end(self, index: int) -> bool:
        """Keep what explains an operation that has ended; return whether anything does."""
        place = self._places[index]
        explained: set[tuple[int, int]] = set()
        met = {self._full(value, done) for value, done in self._configurations}
        waiting = list(met)
        while waiting:
            value, done = waiting.pop()
            if done & place:
                explained.add((value, done & ~place))
                continue
            for after in self._next(value, done):
                if after not in met:
                    met.add(after)
                    waiting.append(after)
                    self._spend(len(met))
            self._spend(len(met))
        self.values_before = sorted({value for value, _ in self._configurations})
        self._configurations = explained
        self._leave(index)
        return bool(explained)

    def _leave(self, index: int) -> None:
        """Take an operation out of those under way; its bit is free again."""
        place = self._places.pop(index)
        self._free.append(place)
        value = self._values.pop(index, None)
        if value is None:
            del self._changes[index]
        elif self._reads[value] == place:
            del self._reads[value]
        else:
            self._reads[value] &= ~place

    def _full(self, value: int, done: int) -> tuple[int, int]:
        """Return a configuration in which the reads of its value have taken effect."""
        return value, done | self._reads.get(value, 0)

    def _next(self, value: int, done: int) -> Iterator[tuple[int, int]]:
        """Yield what a configuration becomes when one more operation takes effect."""
        self._budget.steps -= 1
        if value in FREE:
            for read in self._reads:
                self._budget.steps -= 1
                if value == ANY or read != ABSENT:
                    yield self._full(read, done)
        for place, operation in self._changes.values():
            self._budget.steps -= 1
            if not done & place:
                after = value_after(value, operation)
                if after is not None:
                    yield self._full(after, done | place)

    def _spend(self, kept: int) -> None:
        if self._budget.steps < 0 or kept > LINEARIZED_CONFIGURATIONS_MAX:
            raise OverBudget


def value_after(value: int, operation: Operation) -> int | None:
    """Return a register's value after a change; None when it cannot have been made then.

    An unknown comparison that finds another value changes nothing, and need not be tried. To an
    increment what is absent is 0, as it is to a counter that nobody has counted with yet.
    """
    match operation.function:
        case Function.WRITE:
            return operation.value
        case Function.CAS:
            return operation.value if _compares(value, operation.expected) else None
        case _ if value in FREE:
            return ANY_RAISED
        case _:
            return (max(value, 0) + operation.value) & WORD_MASK  # ABSENT is below zero


def _compares(value: int, expected: int) -> bool:
    """Return whether a comparison may have found what it expected."""
    return value in (expected, ANY) or (value == ANY_RAISED and expected != ABSENT)
