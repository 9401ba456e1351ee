"""The register checker: what was read and written could have happened one after the other.

Theory of operation. Each key is checked by itself, which is enough (Herlihy and Wing, locality).
Its operations begin and end in time order. A configuration is a value the key may have and which of
the operations under way have taken effect to give it. Only when an operation ends is anything
decided: in each configuration in which it has not taken effect yet, those under way are tried in
every order until it has. When no configuration is left, no order explains the history. What is
unknown stays under way for ever. Configurations are kept once each, and all work is counted: over
the bound a key is undecided.

Source: Wing and Gong, "Testing and verifying concurrent objects", 1993; Lowe, "Testing for
linearizability", 2017 (just-in-time linearization).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from stormproof.checks.history import Table, Told
from stormproof.checks.ledger import FOREVER_NS, Words
from stormproof.checks.outcome import Measurement, Outcome
from stormproof.checks.wording import counted
from stormproof.kernel.limits import (
    FINDINGS_LISTED_MAX,
    LINEARIZED_CONFIGURATIONS_MAX,
    LINEARIZED_STEPS_MAX,
)
from stormproof.model.finding import Finding, Witness
from stormproof.model.history import FLAG_ABSENT, FLAG_EXPECTS_ABSENT, WORD_MASK, Function, Step

ABSENT: Final = -1
ANY: Final = -2  # before anything was read or written: whatever makes it come out
FEW: Final = 4  # values that are told
_WRITERS: Final = (Function.WRITE, Function.CAS)


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
    """How much work is left for all keys together."""

    steps: int = LINEARIZED_STEPS_MAX


class OverBudget(Exception):
    """A history whose orders are too many to be tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """The first operation of a key that no order explains, and what the key may have been."""

    operation: Operation
    values: list[int] = field(default_factory=list)


def check_registers(told: Told) -> Outcome:
    """Check that the reads and writes of each key could have happened one after the other.

    What it does: looks for an order of the operations of each key that agrees with their instants
    and in which every read gives what was written last. Why it matters: a read that goes back in
    time, or a write that vanishes, breaks whatever is built on it. What a failure looks like: "1
    key is not linearizable", with the first operation that no order explains. Limits: only an
    objective makes it run, for few services promise it; what a key held at first is free; keys with
    too much at once are undecided, and so is a record that was cut off.
    Source: Wing and Gong; Lowe's just-in-time linearization.
    """
    budget, broken, undecided, checked = Budget(), list[tuple[int, Contradiction]](), [], 0
    for key, operations in operations_by_key(told):
        checked += len(operations)
        try:
            found = contradiction_in(operations, budget)
        except OverBudget:
            undecided.append(key)
        else:
            if found is not None:
                broken.append((key, found))
    why, remedy = "", ""
    if not told.history.whole:
        why = "the record was cut off: what is missing from it may explain what was read"
        remedy = "let the run go to its end"
        broken = []
    elif undecided:
        name = told.history.key_text(undecided[0])
        why = f"{counted(len(undecided), 'key')} with too much at once to be decided ({name})"
        remedy = "spread the operations over more keys, or give each fewer users"
    is_doubtful = bool(why) and not broken
    measured = Measurement(
        value=None if is_doubtful else float(len(broken)),
        samples=checked,
        why=why if is_doubtful else "",
        remedy=remedy if is_doubtful else "",
    )
    return Outcome(
        findings=[_finding(broken, told)] if broken else [],
        measured={("register_nonlinearizable", ""): measured},
    )


def operations_by_key(told: Told) -> Iterator[tuple[int, list[Operation]]]:
    """Yield every key that was written, with its operations but for those that change nothing."""
    changes = told.history.changes.of(*_WRITERS, Function.INCREMENT)
    changes = changes.where(changes.step != Step.REFUSED)
    reads = told.history.reads.of(Function.READ)
    keys = np.unique(changes.of(*_WRITERS).key)
    by_key: dict[int, list[Operation]] = {int(key): [] for key in keys}
    for table in (changes, reads):
        for key, operation in _operations(table, keys):
            by_key[key].append(operation)
    for key, operations in by_key.items():
        yield key, _relevant(operations)


def _operations(table: Table, keys: Words) -> Iterator[tuple[int, Operation]]:
    mine = table.where(np.isin(table.key, keys))
    columns = (
        mine.key,
        mine.function,
        mine.flags,
        mine.value,
        mine.other,
        mine.began_ns,
        mine.ended_ns,
        mine.user,
        mine.step,
    )
    for row in zip(*(one.tolist() for one in columns), strict=True):
        key, function, flags, value, other, began_ns, ended_ns, user, step = row
        yield (
            key,
            Operation(
                function=function,
                value=ABSENT if flags & FLAG_ABSENT else value,
                expected=ABSENT if flags & FLAG_EXPECTS_ABSENT else other,
                began_ns=began_ns,
                ended_ns=ended_ns,
                user=user,
                is_unknown=step == Step.UNKNOWN,
            ),
        )


def _relevant(operations: list[Operation]) -> list[Operation]:
    """Leave out unknown writes whose value nobody saw: without them as much is explained."""
    if any(one.function == Function.INCREMENT for one in operations):
        return operations
    seen = {one.value for one in operations if one.function == Function.READ}
    seen |= {one.expected for one in operations if one.function == Function.CAS}
    return [
        one
        for one in operations
        if not (one.is_unknown and one.function in _WRITERS and one.value not in seen)
    ]


def contradiction_in(operations: list[Operation], budget: Budget) -> Contradiction | None:
    """Return the first operation that no order explains; None when there is an order.

    Raises:
        OverBudget: it would take more work than is left, or more memory than is allowed.
    """
    search = _Search(operations, budget)
    for _, is_end, index in _events(operations):
        if not is_end:
            search.begin(index)
        elif not search.end(index):
            return Contradiction(operation=operations[index], values=search.values_before)
    return None


def _events(operations: list[Operation]) -> list[tuple[int, bool, int]]:
    """Return begins and ends in time order; at one instant begins come first."""
    begins = [(one.began_ns, False, index) for index, one in enumerate(operations)]
    ends = [
        (one.ended_ns, True, index)
        for index, one in enumerate(operations)
        if one.ended_ns != FOREVER_NS
    ]
    return sorted(begins + ends)


class _Search:
    """All configurations that explain what has ended so far.

    A configuration is (value, bits of the places of those under way that have taken effect).
    """

    def __init__(self, operations: list[Operation], budget: Budget) -> None:
        self._operations = operations
        self._budget = budget
        self._configurations: set[tuple[int, int]] = {(ANY, 0)}
        self._places: dict[int, int] = {}  # index of an operation under way -> its bit
        self._free: list[int] = []
        self.values_before: list[int] = []

    def begin(self, index: int) -> None:
        """Take an operation that is under way from now on."""
        place = self._free.pop() if self._free else 1 << len(self._places)
        self._places[index] = place

    def end(self, index: int) -> bool:
        """Keep what explains an operation that has ended; return whether anything does."""
        place = self._places[index]
        explained: set[tuple[int, int]] = set()
        tried: set[tuple[int, int]] = set()
        waiting = list(self._configurations)
        while waiting:
            configuration = waiting.pop()
            if configuration in tried:
                continue
            tried.add(configuration)
            if configuration[1] & place:
                explained.add((configuration[0], configuration[1] & ~place))
                continue
            waiting += self._next(configuration)
            self._spend(len(tried))
        self.values_before = sorted({value for value, _ in self._configurations})
        self._configurations = explained
        del self._places[index]
        self._free.append(place)
        return bool(explained)

    def _next(self, configuration: tuple[int, int]) -> Iterator[tuple[int, int]]:
        """Yield what a configuration becomes when one more operation takes effect."""
        value, done = configuration
        for index, place in self._places.items():
            self._budget.steps -= 1
            if not done & place:
                after = value_after(value, self._operations[index])
                if after is not None:
                    yield after, done | place

    def _spend(self, kept: int) -> None:
        if self._budget.steps < 0 or kept > LINEARIZED_CONFIGURATIONS_MAX:
            raise OverBudget


def value_after(value: int, operation: Operation) -> int | None:
    """Return a register's value after an operation; None when it cannot have happened then."""
    match operation.function:
        case Function.READ:
            return operation.value if value in (ANY, operation.value) else None
        case Function.WRITE:
            return operation.value
        case Function.CAS:
            if value in (ANY, operation.expected):
                return operation.value
            return value if operation.is_unknown else None
        case _:
            return value if value == ANY else ANY if value == ABSENT else _sum(value, operation)


def _sum(value: int, operation: Operation) -> int:
    return (value + operation.value) & WORD_MASK


def _finding(broken: list[tuple[int, Contradiction]], told: Told) -> Finding:
    witnesses = []
    for key, found in broken[:FINDINGS_LISTED_MAX]:
        one = found.operation
        before = ", ".join(_value_text(value, told) for value in found.values[:FEW])
        what = (
            f"{told.history.key_text(key)}: {_operation_text(one, told)} by user {one.user} between"
            f" {told.at(one.began_ns)} and {told.at(one.ended_ns)}, when it may have been {before}"
        )
        witnesses.append(Witness(what=what, at_ns=one.began_ns))
    noun = "key is" if len(broken) == 1 else "keys are"
    return Finding(
        kind="register-nonlinearizable",
        title=f"{len(broken)} {noun} not linearizable: no order explains what was read",
        count=len(broken),
        witnesses=witnesses,
        advice="look for reads from a replica or a cache, and for writes without a condition",
    )


def _operation_text(one: Operation, told: Told) -> str:
    value = _value_text(one.value, told)
    if one.function == Function.CAS:
        return f"set from {_value_text(one.expected, told)} to {value}"
    return f"{'read as' if one.function == Function.READ else 'set to'} {value}"


def _value_text(value: int, told: Told) -> str:
    if value == ANY:
        return "anything"
    return "absent" if value == ABSENT else told.history.value_text(value)
