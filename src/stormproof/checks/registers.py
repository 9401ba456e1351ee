"""The register checker: what was read and written could have happened one after the other.

Each key is checked by itself, which is enough (Herlihy and Wing, locality). A sweep over millions
of operations decides most of them (`register_sweep`); what it leaves is searched (`linearize`), in
the order of the ledger, as is what it found broken, to name the operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from stormproof.checks.history import Told
from stormproof.checks.linearize import (
    FREE,
    Budget,
    Contradiction,
    Operation,
    OverBudget,
    contradiction_in,
    operations_of,
)
from stormproof.checks.outcome import Measurement, Outcome
from stormproof.checks.register_blocks import ABSENT, Rows, blocks_of
from stormproof.checks.register_large import LARGE, holds_by_value
from stormproof.checks.register_sweep import Stretches, Sweep, sweep
from stormproof.checks.wording import counted
from stormproof.kernel.limits import (
    FINDINGS_LISTED_MAX,
    LINEARIZED_STEPS_MAX,
)
from stormproof.model.finding import Finding, Witness
from stormproof.model.history import Function

METRIC: Final = "register_nonlinearizable"
FEW: Final = 4  # values that are told
ROUNDS: Final = 2  # in which the work is shared out
NAMED_MAX: Final = 1_000  # broken keys that are searched only to name an operation


class _Stretch(NamedTuple):
    """Operations of a key to be searched: one of those that a sweep has left."""

    key: int
    at: int
    size: int
    is_broken: bool
    stretches: Stretches
    place: int

    @property
    def rows(self) -> Rows:
        """Return them in the order of the ledger."""
        low, high = self.stretches.edges[self.place : self.place + 2].tolist()
        return self.stretches.rows.where(slice(low, high))

    @property
    def conflict(self) -> Contradiction:
        """Return the later operation of two that cannot both be, and the value of the other."""
        rows = self.stretches.rows
        one, other = self.stretches.conflict[self.place].tolist()
        (operation,) = operations_of(rows.where(slice(one, one + 1)))
        return Contradiction(operation=operation, values=[rows.value_of(other)])

    @property
    def conflict_ns(self) -> int:
        """Return when the later of the two began."""
        return int(self.stretches.rows.began_ns[self.stretches.conflict[self.place, 0]])


@dataclass(slots=True, kw_only=True)
class Broken:
    """What is known of all keys: which are broken, with the first contradiction of each."""

    samples: int = 0
    broken: dict[int, tuple[int, Contradiction | None]] = field(default_factory=dict)
    undecided: dict[int, None] = field(default_factory=dict)

    def add(self, key: int, at: int, found: Contradiction | None) -> None:
        """Take a contradiction; None: there is one, and nobody looks for it."""
        known = self.broken.get(key)
        is_first = known is None or known[1] is None or at < known[0]
        if known is None or (found is not None and is_first):
            self.broken[key] = (at, found)

    @property
    def told(self) -> list[tuple[int, Contradiction]]:
        """Return the keys whose contradiction is known, by the instant of it."""
        told = [(key, one) for key, (_, one) in sorted(self.broken.items()) if one is not None]
        return sorted(told, key=lambda one: one[1].operation.began_ns)


def check_registers(told: Told) -> Outcome:
    """Check that the reads and writes of each key could have happened one after the other.

    What it does: looks for an order of the operations of each key that agrees with their instants
    and in which every read gives what was written last. Why it matters: a read that goes back in
    time, or a write that vanishes, breaks whatever is built on it. What a failure looks like: "1
    key is not linearizable", with the first operation that no order explains. Limits: only an
    objective makes it run, for few services promise it; what a key held at first is free; keys with
    too much at once are undecided where values were written twice, compared or incremented, and so
    are a record that was cut off and one in which nothing was read or compared after a change.
    Source: Wing and Gong; Lowe's just-in-time linearization; Gibbons and Korach's zones.
    """
    found, left = Broken(), list[_Stretch]()
    for block in blocks_of(told.history, raised=True):
        held = holds_by_value(block) if len(block) > LARGE and len(block.keys) == 1 else None
        if held is None:
            left += _taken(found, sweep(block))
        else:
            found.samples += held
    _search_all(found, left)
    undecided = [key for key in sorted(found.undecided) if key not in found.broken]
    is_broken = told.history.whole and told.breaks(METRIC, len(found.broken))
    why, remedy = ("", "") if is_broken else _doubt(told, undecided, found.samples)
    measured = Measurement(
        value=None if why else float(len(found.broken)),
        samples=max(found.samples, len(found.broken)),
        why=why,
        remedy=remedy,
    )
    return Outcome(
        findings=[finding_of(found, told)] if is_broken else [], measured={(METRIC, ""): measured}
    )


def _taken(found: Broken, swept: Sweep) -> list[_Stretch]:
    """Note what a sweep decided, and return what it left to be searched."""
    found.samples += swept.samples
    for row, (key, at, operation) in enumerate(
        zip(swept.off_key.tolist(), swept.off_at.tolist(), operations_of(swept.off), strict=True)
    ):
        found.add(key, at, Contradiction(operation=operation, values=[swept.ahead.value_of(row)]))
    some = swept.stretches
    sizes = (some.edges[1:] - some.edges[:-1]).tolist()
    columns = zip(some.key.tolist(), some.at.tolist(), sizes, some.is_broken.tolist(), strict=True)
    return [_Stretch(*one, some, place) for place, one in enumerate(columns)]


def _search_all(found: Broken, left: list[_Stretch]) -> None:
    """Search stretches, and of the broken ones the earliest.

    All work is shared out by the number of operations, so that no key takes what is another's; what
    is left then is shared out once more among those that need it.
    """
    broken = sorted((one for one in left if one.is_broken), key=lambda one: one.conflict_ns)
    for one in broken[NAMED_MAX:]:
        found.add(one.key, one.at, None)
    waiting = [one for one in left if not one.is_broken] + broken[:NAMED_MAX]
    steps = LINEARIZED_STEPS_MAX
    for _ in range(ROUNDS):
        over = list[_Stretch]()
        for one, share in zip(waiting, _shares(waiting, steps), strict=True):
            budget = Budget(steps=share)
            try:
                contradiction = contradiction_in(one.rows, budget)
            except OverBudget:
                over.append(one)
            else:
                if contradiction is not None:
                    found.add(one.key, one.at, contradiction)
            steps -= share - max(budget.steps, 0)
        waiting = over
    for one in waiting:
        if one.is_broken:
            found.add(one.key, one.at, one.conflict)
        else:
            found.undecided[one.key] = None


def _shares(every: Sequence[_Stretch], steps: int) -> list[int]:
    """Return how many steps each stretch may take."""
    total = max(sum(one.size for one in every), 1)
    return [steps * one.size // total for one in every]


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
        why = (
            "no key was read or compared after a change had been acknowledged: nothing was observed"
        )
        return why, "have the journey read what it writes, when the answer is there"
    return "", ""


def finding_of(found: Broken, told: Told) -> Finding:
    """Return what is told of broken keys: the first operation of each that no order explains."""
    witnesses = []
    for key, contradiction in found.told[:FINDINGS_LISTED_MAX]:
        one = contradiction.operation
        before = ", ".join(_value_text(value, told) for value in contradiction.values[:FEW])
        what = (
            f"{told.history.key_text(key)}: {_operation_text(one, told)} by user {one.user} between"
            f" {told.at(one.began_ns)} and {told.at(one.ended_ns)}, when it may have been {before}"
        )
        witnesses.append(Witness(what=what, at_ns=one.began_ns))
    count = len(found.broken)
    noun = "key is" if count == 1 else "keys are"
    return Finding(
        kind="register-nonlinearizable",
        title=f"{count} {noun} not linearizable: no order explains what was read",
        count=count,
        witnesses=witnesses,
        advice="look for reads from a replica or a cache, and for writes without a condition",
    )


def _operation_text(one: Operation, told: Told) -> str:
    value = _value_text(one.value, told)
    if one.function == Function.CAS:
        return f"set from {_value_text(one.expected, told)} to {value}"
    return f"{'read as' if one.function == Function.READ else 'set to'} {value}"


def _value_text(value: int, told: Told) -> str:
    if value in FREE:
        return "anything"
    return "absent" if value == ABSENT else told.history.value_text(value)
