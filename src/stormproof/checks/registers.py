"""The register checker: what was read and written could have happened one after the other.

Theory of operation. Each key is checked by itself, which is enough (Herlihy and Wing, locality).
Its operations begin and end in time order. A configuration is a value the key may have and which of
the operations under way have taken effect to give it. Only when an operation ends is anything
decided: in each configuration in which it has not taken effect yet, those under way are tried in
every order until it has. When no configuration is left, no order explains the history. Reads under
way of the value that a configuration has take effect at once: they change nothing, so that nothing
is lost, and many readers are no more work than one. What is unknown stays under way for ever.
Configurations are kept once each, and all work is counted: over its share of it a key is undecided.

Source: Wing and Gong, "Testing and verifying concurrent objects", 1993; Lowe, "Testing for
linearizability", 2017 (just-in-time linearization).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
METRIC: Final = "register_nonlinearizable"
ANY: Final = -2  # before anything was read or written: whatever makes it come out
FEW: Final = 4  # values that are told
ROUNDS: Final = 2  # in which the work is shared out
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


Keyed = tuple[int, list[Operation]]  # a key, and what was done to it


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


def check_registers(told: Told) -> Outcome:
    """Check that the reads and writes of each key could have happened one after the other.

    What it does: looks for an order of the operations of each key that agrees with their instants
    and in which every read gives what was written last. Why it matters: a read that goes back in
    time, or a write that vanishes, breaks whatever is built on it. What a failure looks like: "1
    key is not linearizable", with the first operation that no order explains. Limits: only an
    objective makes it run, for few services promise it; what a key held at first is free; keys with
    too much at once are undecided, and so are a record that was cut off and one in which nothing
    was read or compared.
    Source: Wing and Gong; Lowe's just-in-time linearization.
    """
    every = list(operations_by_key(told))
    samples = sum(_observes(one) for _, operations in every for one in operations)
    broken, undecided = _search_all(every)
    is_broken = told.history.whole and told.breaks(METRIC, len(broken))
    why, remedy = ("", "") if is_broken else _doubt(told, undecided, samples)
    measured = Measurement(
        value=None if why else float(len(broken)), samples=samples, why=why, remedy=remedy
    )
    return Outcome(
        findings=[_finding(broken, told)] if is_broken else [], measured={(METRIC, ""): measured}
    )


def _observes(one: Operation) -> bool:
    """Return whether an operation says what the key was: a read, or a compare-and-set made."""
    return one.function == Function.READ or (one.function == Function.CAS and not one.is_unknown)


def _search_all(
    every: Sequence[Keyed],
) -> tuple[list[tuple[int, Contradiction]], list[int]]:
    """Return the keys that no order explains, by instant, and those that are undecided.

    All work is shared out by the number of operations, so that no key takes what is another's; what
    is left then is shared out once more among those that need it.
    """
    broken, waiting, steps = list[tuple[int, Contradiction]](), every, LINEARIZED_STEPS_MAX
    for _ in range(ROUNDS):
        over = list[Keyed]()
        for (key, operations), share in zip(waiting, _shares(waiting, steps), strict=True):
            budget = Budget(steps=share)
            try:
                found = contradiction_in(operations, budget)
            except OverBudget:
                over.append((key, operations))
            else:
                broken += [(key, found)] if found is not None else []
            steps -= share - max(budget.steps, 0)
        waiting = over
    broken.sort(key=lambda one: one[1].operation.began_ns)
    return broken, [key for key, _ in waiting]


def _shares(every: Sequence[Keyed], steps: int) -> list[int]:
    """Return how many steps each key may take."""
    total = max(sum(len(operations) for _, operations in every), 1)
    return [steps * len(operations) // total for _, operations in every]


def _doubt(told: Told, undecided: Sequence[int], samples: int) -> tuple[str, str]:
    """Return why there is no answer, and what would give one; empty where there is one."""
    if not told.history.whole:
        why = "the record was cut off: what is missing from it may explain what was read"
        return why, "let the run go to its end"
    if undecided:
        name = told.history.key_text(undecided[0])
        why = f"{counted(len(undecided), 'key')} with too much at once to be decided ({name})"
        return why, "spread the operations over more keys, or give each fewer users"
    if not samples:
        why = "no key that was written was read, nor set by a comparison: nothing was observed"
        return why, "have the journey read what it writes"
    return "", ""


def operations_by_key(told: Told) -> Iterator[Keyed]:
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

    A configuration is (value, bits of the places of those under way that have taken effect). It is
    full where all reads under way of its value have: only full ones are looked at.
    """

    def __init__(self, operations: list[Operation], budget: Budget) -> None:
        self._operations = operations
        self._budget = budget
        self._configurations: set[tuple[int, int]] = {(ANY, 0)}
        self._places: dict[int, int] = {}  # index of an operation under way -> its bit
        self._changes: dict[int, int] = {}  # the same, of those that are no reads
        self._reads: dict[int, int] = {}  # value -> bits of the reads under way that give it
        self._free: list[int] = []
        self.values_before: list[int] = []

    def begin(self, index: int) -> None:
        """Take an operation that is under way from now on."""
        place = self._free.pop() if self._free else 1 << len(self._places)
        self._places[index] = place
        one = self._operations[index]
        if one.function == Function.READ:
            self._reads[one.value] = self._reads.get(one.value, 0) | place
        else:
            self._changes[index] = place

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
        self.values_before = sorted({value for value, _ in self._configurations})
        self._configurations = explained
        self._leave(index)
        return bool(explained)

    def _leave(self, index: int) -> None:
        """Take an operation out of those under way; its bit is free again."""
        place, one = self._places.pop(index), self._operations[index]
        self._free.append(place)
        if one.function != Function.READ:
            del self._changes[index]
        elif self._reads[one.value] == place:
            del self._reads[one.value]
        else:
            self._reads[one.value] &= ~place

    def _full(self, value: int, done: int) -> tuple[int, int]:
        """Return a configuration in which the reads of its value have taken effect."""
        return value, done | self._reads.get(value, 0)

    def _next(self, value: int, done: int) -> Iterator[tuple[int, int]]:
        """Yield what a configuration becomes when one more operation takes effect."""
        self._budget.steps -= 1
        if value == ANY:
            for read in self._reads:
                self._budget.steps -= 1
                yield self._full(read, done)
        for index, place in self._changes.items():
            self._budget.steps -= 1
            if not done & place:
                after = value_after(value, self._operations[index])
                if after is not None:
                    yield self._full(after, done | place)

    def _spend(self, kept: int) -> None:
        if self._budget.steps < 0 or kept > LINEARIZED_CONFIGURATIONS_MAX:
            raise OverBudget


def value_after(value: int, operation: Operation) -> int | None:
    """Return a register's value after a change; None when it cannot have been made then.

    An unknown comparison that finds another value changes nothing, and need not be tried.
    """
    match operation.function:
        case Function.WRITE:
            return operation.value
        case Function.CAS:
            return operation.value if value in (ANY, operation.expected) else None
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
