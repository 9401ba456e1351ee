"""Do the operations of each worker's ledger tell what a worker can have written?

What it does: finds changes that are missing between two that are numbered, outcomes of changes that
never began, reads dated as begun after they ended, and reads whose elements are not all there. Why
it matters: an acknowledged change that is gone hides a loss, an increment that is gone makes a true
counter look wrong. A failure looks like: "2 changes missing from a ledger". Limits: it shows that a
ledger is not what a worker wrote, not what became of it; it never fails a target.
Source: "missing evidence is never a pass", law 2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from stormproof.checks.ledger import SLICE, Entries
from stormproof.checks.wording import counted
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.model.finding import Finding, Witness
from stormproof.model.history import (
    ELEMENTS_PER_ENTRY,
    FUNCTION_MASK,
    OPERATION_FIELDS,
    READS,
    Function,
    Step,
)
from stormproof.model.record import Record

ADVICE: Final = "do not judge by this record: run again, and keep what wrote it from changing it"
ENDS: Final = (Step.OK, Step.REFUSED, Step.UNKNOWN)
TITLES: Final = {
    "never-announced": ("outcome", "of changes that never began"),
    "changes-missing": ("change", "missing from a ledger: what they did is not known"),
    "ledger-out-of-order": ("read", "said to have begun after its end"),
    "elements-missing": ("ledger", "whose reads of sets are not all there"),
}


@dataclass(slots=True)
class _Odd:
    """What is odd in all ledgers, by kind of finding: how often, and the first few."""

    times: Counter[str] = field(default_factory=Counter)
    shown: dict[str, list[Witness]] = field(default_factory=dict)

    def add(self, kind: str, times: int, what: str) -> None:
        """Count what is odd in a part of a ledger; 0 is nothing."""
        if times > 0:
            self.times[kind] += times
            witnesses = self.shown.setdefault(kind, [])
            if len(witnesses) < FINDINGS_LISTED_MAX:
                witnesses.append(Witness(what=what))


def odd_operations(record: Record) -> Iterator[Finding]:
    """Yield what no worker can have written of operations; see the module."""
    odd = _Odd()
    for segment in record.ledger:
        _look_through(segment.view(np.dtype(OPERATION_FIELDS)), odd)
    for kind, times in odd.times.items():
        noun, what = TITLES[kind]
        yield Finding(
            kind=kind,
            title=f"{counted(times, noun)} {what}",
            count=times,
            witnesses=odd.shown[kind],
            advice=ADVICE,
        )


def _look_through(segment: Entries, odd: _Odd) -> None:
    """Look through one worker's ledger, in slices: it may have ten million entries."""
    last, elements, pending = 0, 0, 0
    early = [np.zeros(0, np.uint32)]  # outcomes of changes that had not begun by then
    for start in range(0, len(segment), SLICE):
        some = segment[start : start + SLICE]
        name = f"worker {int(some['worker'][0])}"
        kind, number = some["kind"], some["number"]
        began = number[kind == Step.BEGAN].astype(np.int64)
        steps = np.diff(began, prepend=last)
        gap = int(np.argmax(steps != 1)) if len(steps) else 0
        if len(began):
            before = int(began[gap] - steps[gap])
            missing = int(np.clip(steps - 1, 0, None).sum())
            odd.add("changes-missing", missing, f"{name}, behind its change {before}")
            last = max(last, int(began.max()))
        ends = number[np.isin(kind, ENDS) & (number > 0)]
        early.append(ends[ends > last])
        found, pending = _elements(some, pending)
        elements += found
        odd.add("ledger-out-of-order", _late(some), f"{name}, among its entries from {start} on")
    worker = int(segment["worker"][0]) if len(segment) else 0
    alone = np.concatenate(early)
    alone = alone[alone > last]
    first = int(alone.min(initial=last + 1))
    odd.add("never-announced", len(alone), f"worker {worker}, of its change {first}")
    odd.add("elements-missing", int(elements != 0), f"worker {worker}")


def _elements(some: Entries, pending: int) -> tuple[int, int]:
    """Return by how much entries of elements are not as reads say, and those no read is of yet."""
    kind = some["kind"]
    is_read = (kind == Step.OK) & (some["number"] == 0)
    is_read &= (some["flags"] & FUNCTION_MASK) == Function.READ_SET
    reads = np.flatnonzero(is_read)
    places = np.flatnonzero(kind == Step.ELEMENTS)
    last = int(reads[-1]) if len(reads) else -1
    held = int(np.count_nonzero(places < last)) + (pending if len(reads) else 0)
    said = int((-(-some["more"][reads].astype(np.int64) // ELEMENTS_PER_ENTRY)).sum())
    rest = int(np.count_nonzero(places > last)) + (0 if len(reads) else pending)
    return said - held, rest


def _late(some: Entries) -> int:
    """Return how many reads began after their end."""
    is_read = (some["kind"] == Step.OK) & (some["number"] == 0)
    is_read &= np.isin(some["flags"] & FUNCTION_MASK, READS)
    reads = some[is_read]
    return int(np.count_nonzero(reads["other"] > reads["at_ns"]))
