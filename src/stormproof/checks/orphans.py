"""The checker of orphans: state that outlives whoever it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from stormproof.checks.final_looks import FinalLook
from stormproof.checks.history import Told
from stormproof.checks.outcome import Key, Measurement, Outcome
from stormproof.checks.stored import TO_THE_END, over_all
from stormproof.checks.wording import counted
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.model.finding import Finding, Witness
from stormproof.rules.history_metrics import ORPHANED

READ_FIRST: Final = "see why it was not read before the load, or begin with none of them"
LEAVE_NOTHING: Final = "see why clean-ups failed in the record's warnings, and run again"
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
    without the field that is read.
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
    return Outcome(findings=findings, measured={**measured, **over_all(measured)})


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
