"""Whether two servers hold the same when all is over, as a database and the stream fed from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from stormproof.checks.final_looks import FinalLook
from stormproof.checks.history import Told
from stormproof.checks.ledger import Words
from stormproof.checks.outcome import Key, Measurement, Outcome
from stormproof.checks.stored import CUT, TO_THE_END, is_asked, over_all
from stormproof.checks.word_sets import common, distinct, without
from stormproof.checks.wording import counted
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.model.finding import Finding, Witness
from stormproof.model.history import Function, Step, digest_word
from stormproof.rules.history_metrics import STORED_APART

SAME_ROWS: Final = "have both give the same: `5` and `'5'` are two elements"
READ_FIRST: Final = "see why it was not read before the load"


def check_apart(told: Told, looks: Sequence[FinalLook]) -> Outcome:
    """Check that two final reads hold the same elements.

    What it does: compares what is new in each since the load began. Where either is held against a
    key of the ledger (`of`), only what journeys added to it counts, and nothing that somebody may
    have removed, so that what others write meanwhile is held against nobody. Why it matters: what
    is written to two places is lost from one of them when the second write fails. What a failure
    looks like: "3 elements in messages, and not in events". Limits: wrong only where an objective
    asks; whoever passes rows on needs the time to (`wait` of the profile); where nothing was read
    before the load, or none of the rows of the two is the same, the run is undecided.
    """
    by_name = {one.name: one for one in looks}
    findings: list[Finding] = []
    measured: dict[Key, Measurement] = {}
    for one in looks:
        if one.planned.same_as:
            other = by_name[one.planned.same_as]
            found, value = _compare(told, one, other)
            findings += found
            measured[STORED_APART, one.name] = value
    return Outcome(findings=findings, measured={**measured, **over_all(measured)})


def _compare(told: Told, one: FinalLook, other: FinalLook) -> tuple[list[Finding], Measurement]:
    mine, theirs = (_compared(told, look, one, other) for look in (one, other))
    why, remedy = _doubt(told, (one, other), (mine, theirs))
    if why:
        return [], Measurement(value=None, samples=0, why=why, remedy=remedy)
    apart = [
        (without(theirs, mine), other, one),
        (without(mine, theirs), one, other),
    ]
    count = sum(len(elements) for elements, _, _ in apart)
    samples = len(mine) + len(without(theirs, mine))
    findings = []
    if is_asked(told, STORED_APART, one.name, count):
        findings = [
            _finding(told, elements, here, there)
            for elements, here, there in apart
            if len(elements)
        ]
    return findings, Measurement(value=float(count), samples=samples)


def _compared(told: Told, look: FinalLook, one: FinalLook, other: FinalLook) -> Words:
    """Return the new rows of a read that count: those that journeys added, where that is known."""
    rows = distinct(look.new)
    keys = {read.planned.of for read in (one, other) if read.planned.of}
    if not keys:
        return rows
    changes = told.history.changes
    words = np.array([digest_word(key) for key in keys], np.uint64)
    changes = changes.where(np.isin(changes.key, words))
    adds, removes = changes.of(Function.ADD), changes.of(Function.REMOVE)
    removed = distinct(removes.value[removes.step != Step.REFUSED])
    return without(common(rows, distinct(adds.value)), removed)


def _doubt(told: Told, looks: Sequence[FinalLook], compared: Sequence[Words]) -> tuple[str, str]:
    """Return why two reads cannot be compared, and what to do."""
    for look in looks:
        if not look.after.is_made:
            return f"{look.name} was not read when all was over: {look.after.why}", TO_THE_END
        if not look.before.is_made:
            return f"{look.name} was not read before the load: {look.before.why}", READ_FIRST
    if not told.history.whole:
        return CUT, TO_THE_END
    mine, theirs = compared
    names = " and ".join(look.name for look in looks)
    if not len(mine) and not len(theirs):
        return f"{names} hold nothing new that could be compared", "check what the load stores"
    gave = [len(look.new) + look.after.left_out for look in looks]
    if all(gave) and not len(common(mine, theirs)):
        return f"{names} have no row in common", SAME_ROWS
    return "", ""


def _finding(told: Told, elements: Words, here: FinalLook, there: FinalLook) -> Finding:
    return Finding(
        kind="stored-apart",
        title=f"{counted(len(elements), 'element')} in {here.name}, and not in {there.name}",
        count=len(elements),
        witnesses=[
            Witness(
                what=f"{told.history.value_text(element)} of {here.name}, read at"
                f" {told.at(here.after.began_ns)}, is not in {there.name}, read at"
                f" {told.at(there.after.began_ns)}",
                at_ns=here.after.began_ns,
            )
            for element in elements[:FINDINGS_LISTED_MAX].tolist()
        ],
        advice="look for a second write that can fail alone, or what passes rows on and stopped",
    )
