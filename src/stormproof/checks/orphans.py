"""The checker of orphans: state that outlives whoever it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from stormproof.checks.final_looks import FinalLook
from stormproof.checks.history import Changes, Told
from stormproof.checks.ledger import Words
from stormproof.checks.outcome import Key, Measurement, Outcome
from stormproof.checks.stored import (
    CUT,
    SAME_WORDS,
    TO_THE_END,
    changes_of,
    gone_before,
    hold,
    over_all,
)
from stormproof.checks.word_sets import are_in, common, distinct
from stormproof.checks.wording import counted
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.model.finding import Finding, Witness
from stormproof.model.history import Function
from stormproof.rules.history_metrics import ORPHANED

READ_FIRST: Final = "see why it was not read before the load, or begin with none of them"
LEAVE_NOTHING: Final = "see why clean-ups failed in the record's warnings, and run again"
SHOW_KEPT: Final = "read what belongs to all elements, kept ones too, or ask for empty=True"
NAME_FIELD: Final = "name a field that all entries have"


def check_orphans(told: Told, looks: Sequence[FinalLook], undone: str = "") -> Outcome:
    """Check that nothing is left when everybody has gone.

    What it does: a final read of which the trial expects no row is made when the load's users have
    gone, again and again until it finds none or its time is over; each row that was there at every
    look and not before the load is left over. Why it matters: rows without a parent, entries that
    nobody acknowledges and locks that nobody releases pile up until they are an outage. What a
    failure looks like: "3 rows left in tickets", each with what it says. Limits: rows are told
    apart by all that they say, so a read gives what identifies them; a read that failed leaves it
    undecided, and so do rows where nobody knows what was there before, or where users did not all
    carry out what they had registered to clean up (`undone` says so), and entries of a stream
    without the field that is read. A read that the trial expects without what journeys removed from
    a key of the ledger is made before clean-ups: each row that is an element which was added and
    removed for good, in the same run, is left over, whatever was there before; where it gives no
    row at all, though elements were acknowledged that nobody removed, it is undecided: it may be of
    something else.
    """
    findings: list[Finding] = []
    measured: dict[Key, Measurement] = {}
    for look in looks:
        if look.planned.empty:
            value = _measure(look, undone)
            measured[ORPHANED, look.name] = value
            if value.value:
                findings.append(_finding(told, look))
            elif value.why and look.after.is_made:
                findings.append(
                    Finding(kind="final-unread", title=value.why, count=1, advice=value.remedy)
                )
        elif look.planned.without:
            found, value = _removed(told, look)
            measured[ORPHANED, look.name] = value
            findings += found
    return Outcome(findings=findings, measured={**measured, **over_all(measured)})


def _removed(told: Told, look: FinalLook) -> tuple[list[Finding], Measurement]:
    """Count the rows of what journeys removed for good before the read began."""
    changes, rows = changes_of(told, look.planned.without), look.after.rows
    gone = gone_before(changes, look.after.began_ns)
    left = rows[are_in(rows, gone)]
    why, remedy = "", ""
    if not look.after.is_made:
        why, remedy = f"{look.name} was not read when all was over: {look.after.why}", TO_THE_END
    elif not told.history.whole:
        why, remedy = CUT, TO_THE_END
    elif not len(gone):
        why = f"nothing that was added to {look.planned.without} was removed for good"
        remedy = "have journeys remove what they added, and wait for the answer"
    elif len(rows) + look.after.left_out and not len(common(distinct(rows), _added(changes))):
        why = f"no row of {look.name} is anything that was added to {look.planned.without}"
        remedy = SAME_WORDS
    elif not len(rows) and len(kept := hold(look, changes).sure):
        elements = counted(len(kept), "element")
        why = f"{look.name} has no row, and nobody removed {elements} of {look.planned.without}"
        remedy = SHOW_KEPT
    if why:
        told_so = Finding(kind="final-unread", title=why, count=1, advice=remedy)
        is_told = look.after.is_made and told.history.whole
        unknown = Measurement(value=None, samples=0, why=why, remedy=remedy)
        return [told_so] if is_told else [], unknown
    findings = [_left_behind(told, look, left)] if len(left) else []
    return findings, Measurement(value=float(len(left)), samples=len(gone))


def _added(changes: Changes) -> Words:
    return distinct(changes.of(Function.ADD).value)


def _left_behind(told: Told, look: FinalLook, left: Words) -> Finding:
    rows, times = np.unique(left, return_counts=True)
    key = look.planned.without
    shown = zip(rows[:FINDINGS_LISTED_MAX].tolist(), times.tolist(), strict=False)
    return Finding(
        kind="orphaned",
        title=f"{counted(len(left), 'row')} left in {look.name} of what had been removed from"
        f" {key}",
        count=len(left),
        witnesses=[
            Witness(
                what=f"{told.history.value_text(row)} of {look.name}"
                f"{f', {count} times' if count > 1 else ''}, read at"
                f" {told.at(look.after.began_ns)}, although it had been removed from {key}",
                at_ns=look.after.began_ns,
            )
            for row, count in shown
        ],
        advice="have what belongs to an element go with it, in the transaction that removes it",
    )


def _measure(look: FinalLook, undone: str) -> Measurement:
    """Count the rows that are left over."""
    if not look.after.is_made:
        why = f"{look.name} was not read when all was over: {look.after.why}"
        return Measurement(value=None, samples=0, why=why, remedy=TO_THE_END)
    left = len(look.after.rows)
    if left and not look.before.is_made:
        why = f"{counted(left, 'row')} left in {look.name}, and nobody knows what was there before"
        return Measurement(value=None, samples=0, why=why, remedy=READ_FIRST)
    if undone and len(look.new):
        why = f"{counted(len(look.new), 'row')} left in {look.name}, and users may have left them"
        return Measurement(value=None, samples=0, why=f"{why}: {undone}", remedy=LEAVE_NOTHING)
    if look.after.left_out and not len(look.new):
        entries = counted(look.after.left_out, "entry")
        why = f"{entries} left in {look.name} without the field {look.planned.field!r}"
        return Measurement(value=None, samples=0, why=why, remedy=NAME_FIELD)
    return Measurement(value=float(len(look.new)), samples=max(1, left))


def _finding(told: Told, look: FinalLook) -> Finding:
    new = look.new
    rows, times = np.unique(new, return_counts=True)
    shown = zip(rows[:FINDINGS_LISTED_MAX].tolist(), times.tolist(), strict=False)
    before = len(look.before.rows)
    known = f" ({before} more from before the load)" if before else ""
    return Finding(
        kind="orphaned",
        title=f"{counted(len(new), 'row')} left in {look.name} when everybody had gone{known}",
        count=len(new),
        witnesses=[
            Witness(
                what=f"{told.history.value_text(row)} of {look.name}"
                f"{f', {count} times' if count > 1 else ''}, read at"
                f" {told.at(look.after.began_ns)}",
                at_ns=look.after.began_ns,
            )
            for row, count in shown
        ],
        advice="find what made it, and what should have taken it away when its owner went",
    )
