"""The checker of totals: a number that a target reports is how many elements there are."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import numpy as np

from stormproof.checks.history import Ints, Reads, Table, Told, is_text
from stormproof.checks.ledger import FOREVER_NS, Words
from stormproof.checks.outcome import Measurement, Outcome
from stormproof.checks.wording import counted
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.model.finding import Finding, Witness
from stormproof.model.history import FLAG_ABSENT, Function, Step

REMEDY: Final = "have each total read once before its first change, and once when all is over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lives:
    """When each element of a set surely was in it, and when it may have been: [from, to]."""

    value: Words
    surely_from: Ints
    surely_to: Ints
    maybe_from: Ints
    maybe_to: Ints
    strangers_ns: Ints  # when removals began of what nobody added: it was there at first, or not

    def bounds(self, began_ns: int, ended_ns: int) -> tuple[int, int]:
        """Return how many elements at least and at most a read between two instants may count."""
        low = (self.surely_from < began_ns) & (self.surely_to > ended_ns)
        high = (self.maybe_from <= ended_ns) & (self.maybe_to >= began_ns)
        gone = int(np.count_nonzero(self.strangers_ns <= ended_ns))
        return int(np.count_nonzero(low)) - gone, int(np.count_nonzero(high))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Off:
    """A report that no changes explain: the row of the read, and what it may have been."""

    row: int
    low: int
    high: int


def check_totals(told: Told) -> Outcome:
    """Check that every reported total is the number of elements that the ledger knows of.

    What it does: an element counts from its acknowledged add to its removal, and may count while
    one of them is under way or unknown. Why it matters: an unread count that is wrong once is wrong
    for ever. What a failure looks like: "2 reported totals off", with what was reported and what
    could have been. Limits: what a set held at first is what the first total before all its changes
    says; without one, or without one at the end, the run is undecided, and so is a record that was
    cut off.
    """
    history = told.history
    totals = history.reads.of(Function.TOTAL)
    totals = totals.where(~is_text(totals) & ((totals.flags & FLAG_ABSENT) == 0))
    totals = totals.where(np.lexsort((totals.began_ns, totals.key)))
    changes = history.changes.of(Function.ADD, Function.REMOVE)
    off, judged, why = list[_Off](), 0, ""
    for key in np.unique(totals.key).tolist():
        rows = np.flatnonzero(totals.key == key)
        doubt = _check_key(changes.where(changes.key == key), totals, rows, off)
        judged += len(rows)
        why = why or (doubt and f"{history.key_text(key)}: {doubt}")
    if not history.whole:
        off, why = [], "the record was cut off: what is missing from it may explain what was read"
    elif not judged:
        why = "no total was reported as a number"
    is_doubtful = bool(why) and not off
    measured = Measurement(
        value=None if is_doubtful else float(len(off)),
        samples=judged,
        why=why if is_doubtful else "",
        remedy=REMEDY if is_doubtful else "",
    )
    findings = [_finding(off, totals, told)] if off else []
    if is_doubtful and history.whole:
        findings.append(Finding(kind="total-unread", title=why, count=1, advice=REMEDY))
    return Outcome(findings=findings, measured={("totals_off", ""): measured})


def _check_key(changes: Table, totals: Reads, rows: Ints, off: list[_Off]) -> str:
    """Add what is off of one key; return why nothing off would be no proof."""
    first_ns = int(changes.began_ns.min(initial=FOREVER_NS))
    if int(totals.ended_ns[rows[0]]) >= first_ns:
        return "nobody knows how many there were at first"
    base = int(totals.value.view(np.int64)[rows[0]])
    lives = lives_of(changes)
    for row in rows.tolist():
        low, high = lives.bounds(int(totals.began_ns[row]), int(totals.ended_ns[row]))
        if not base + low <= int(totals.value.view(np.int64)[row]) <= base + high:
            off.append(_Off(row=row, low=base + low, high=base + high))
    made = changes.step == Step.OK
    last_ns = int(changes.ended_ns[made].max(initial=-1))
    if last_ns < 0:
        return "no change of it was acknowledged"
    return "" if int(totals.began_ns[rows[-1]]) > last_ns else "no total after the last change"


def lives_of(changes: Table) -> Lives:
    """Return when each element of one set was in it, from its adds and removals."""
    adds = changes.where((changes.function == Function.ADD) & (changes.step != Step.REFUSED))
    removes = changes.where((changes.function == Function.REMOVE) & (changes.step != Step.REFUSED))
    removals: dict[int, list[tuple[int, int, bool]]] = defaultdict(list)
    for value, began_ns, ended_ns, step in _rows(removes):
        removals[value].append((began_ns, ended_ns, step == Step.OK))
    spans: dict[int, list[int]] = {}
    for value, began_ns, ended_ns, step in _rows(adds):
        sure_ns = ended_ns if step == Step.OK else FOREVER_NS
        span = spans.setdefault(value, [FOREVER_NS, began_ns, ended_ns])
        span[0] = min(span[0], sure_ns)
        span[1] = min(span[1], began_ns)
        span[2] = max(span[2], ended_ns)
    lives = []
    for value, (sure_ns, maybe_ns, all_ended_ns) in spans.items():
        mine = removals.get(value, [])
        sure_to = min((began_ns for began_ns, _, _ in mine), default=FOREVER_NS)
        gone = (ended_ns for began_ns, ended_ns, made in mine if made and began_ns > all_ended_ns)
        lives.append((sure_ns, sure_to, maybe_ns, min(gone, default=FOREVER_NS)))
    strangers = [
        min(began_ns for began_ns, _, _ in mine)
        for value, mine in removals.items()
        if value not in spans
    ]
    values = np.array(list(spans), np.uint64)
    table = np.array(lives, np.int64).reshape(-1, 4)
    return Lives(
        value=values,
        surely_from=table[:, 0],
        surely_to=table[:, 1],
        maybe_from=table[:, 2],
        maybe_to=table[:, 3],
        strangers_ns=np.array(strangers, np.int64),
    )


def _rows(changes: Table) -> list[tuple[int, int, int, int]]:
    columns = (changes.value, changes.began_ns, changes.ended_ns, changes.step)
    return list(zip(*(one.tolist() for one in columns), strict=True))


def _finding(off: list[_Off], totals: Reads, told: Told) -> Finding:
    witnesses = []
    for one in off[:FINDINGS_LISTED_MAX]:
        began_ns = int(totals.began_ns[one.row])
        number = int(totals.value.view(np.int64)[one.row])
        due = f"{one.low} was due" if one.low == one.high else f"{one.low} to {one.high} were due"
        what = (
            f"{told.history.key_text(int(totals.key[one.row]))} reported as {number} to user"
            f" {int(totals.user[one.row])} between {told.at(began_ns)} and"
            f" {told.at(int(totals.ended_ns[one.row]))}, when {due}"
        )
        witnesses.append(Witness(what=what, at_ns=began_ns))
    return Finding(
        kind="total-off",
        title=f"{counted(len(off), 'reported total')} off: not the number of elements there were",
        count=len(off),
        witnesses=witnesses,
        advice="count in the transaction that changes what is counted",
    )
