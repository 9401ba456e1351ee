"""The counter checker: every read is a number that the changes before it can explain.

A change that was acknowledged before a read began is in it; one that began before the read ended
may be in it, unless it was refused. So a read lies between what it starts with plus all that must
be in it, and the same plus all that may. With changes below zero each bound takes those that lower
it as soon as they may count, and those that raise it as late as they must.

Source: Jepsen, `checker.clj`, counter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from stormproof.checks.history import Ints, Mask, Reads, Table, Told, is_absent, is_text
from stormproof.checks.ledger import FOREVER_NS, Words
from stormproof.checks.outcome import Measurement, Outcome
from stormproof.checks.wording import counted
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.model.finding import Finding, Witness
from stormproof.model.history import Function, Step

READ_AT_THE_END: Final = "have each counter read once more when the load has ended"
READ_FIRST: Final = "have each counter read before its first change, as in `prepare`"
CUT: Final = "the record was cut off: what is missing from it may explain what was read"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bounds:
    """The numeric reads of counters by key and begin, and what each may be."""

    reads: Reads
    low: Ints
    high: Ints
    is_known: Mask  # it is known what the counter starts with
    is_quiet: Mask  # the last change had been made when it began

    @property
    def is_off(self) -> Mask:
        """Which reads no changes explain."""
        value = self.reads.value.view(np.int64)
        mask: Mask = self.is_known & ((value < self.low) | (value > self.high))
        return mask


def check_counters(told: Told) -> Outcome:
    """Check that every read of a counter is explained by the changes around it.

    What it does: adds up the changes that must be and that may be in a read. Why it matters: two
    changes at once that are both acknowledged and counted as one are lost money, stock or seats.
    What a failure looks like: "3 reads of counters are off", each with what was read and what
    could have been. Limits: without an objective only reads after the last change fail a run, for
    others may lag. What a counter starts with is what the first read before all its
    changes says, and without one the run is undecided; so it is when no read came after the last
    change, or the record was cut off. Texts and nothing at all are no numbers, and left out;
    so are keys that are written as well, which are registers.
    Source: Jepsen's counter.
    """
    written = told.history.changes.of(Function.WRITE, Function.CAS).key
    changes = told.history.changes.of(Function.INCREMENT)
    changes = changes.where(~np.isin(changes.key, written)) if len(written) else changes
    if not len(changes):
        return _written_as_well()
    keys = np.unique(changes.key)
    reads = told.history.reads.of(Function.READ)
    reads = reads.where(np.isin(reads.key, keys) & ~is_text(reads) & ~is_absent(reads))
    reads = reads.where(np.lexsort((reads.began_ns, reads.key)))
    bounds = _bounds(changes, reads, keys)
    off = np.flatnonzero(bounds.is_off)
    is_asked = told.breaks("counter_off", len(off))
    accused = off if is_asked else np.flatnonzero(bounds.is_off & bounds.is_quiet)
    why, remedy = _doubt(told, changes, bounds, keys)
    findings = []
    if told.history.whole and len(accused):
        findings.append(_off(bounds, accused, told))
    elif why and told.history.whole:
        findings.append(Finding(kind="counter-unread", title=why, count=1, advice=remedy))
    is_doubtful = bool(why) and (not told.history.whole or not len(accused))
    measured = Measurement(
        value=None if is_doubtful else float(len(off)),
        samples=0 if is_doubtful else len(bounds.reads),
        why=why if is_doubtful else "",
        remedy=remedy if is_doubtful else "",
    )
    return Outcome(findings=findings, measured={("counter_off", ""): measured})


def _written_as_well() -> Outcome:
    """Say that every counter was written as well, so that it is a register."""
    measured = Measurement(
        value=None,
        samples=0,
        why="every counter was written as well as raised",
        remedy="ask for register_nonlinearizable",
    )
    return Outcome(measured={("counter_off", ""): measured})


def _bounds(changes: Table, reads: Reads, keys: Words) -> _Bounds:
    by = changes.value.view(np.int64)
    must, may = changes.step == Step.OK, changes.step != Step.REFUSED
    up, down = by > 0, by < 0
    sums = _Sums(changes, reads, keys)
    low = sums.ended_before(must & up) + sums.begun_by_the_end(may & down)
    high = sums.begun_by_the_end(may & up) + sums.ended_before(must & down)
    starts, is_known = _starts(changes, reads, keys)
    last_ns = np.full(len(keys), -1, np.int64)
    known_ns = np.where(changes.ended_ns < FOREVER_NS, changes.ended_ns, changes.began_ns)
    np.maximum.at(last_ns, np.searchsorted(keys, changes.key), known_ns)
    is_quiet = reads.began_ns > last_ns[np.searchsorted(keys, reads.key)]
    return _Bounds(
        reads=reads, low=low + starts, high=high + starts, is_known=is_known, is_quiet=is_quiet
    )


class _Sums:
    """Sums of the changes of a read's key, up to an instant of the read."""

    def __init__(self, changes: Table, reads: Reads, keys: Words) -> None:
        self._changes = changes
        self._reads = reads
        self._change_key = np.searchsorted(keys, changes.key)
        self._read_key = np.searchsorted(keys, reads.key)

    def ended_before(self, rows: Mask) -> Ints:
        """Return, a read, the sum of the changes among `rows` that had ended when it began."""
        return self._sum(rows, self._changes.ended_ns, self._reads.began_ns, "left")

    def begun_by_the_end(self, rows: Mask) -> Ints:
        """Return, a read, the sum of the changes among `rows` that had begun when it ended."""
        return self._sum(rows, self._changes.began_ns, self._reads.ended_ns, "right")

    def _sum(self, rows: Mask, at_ns: Ints, until_ns: Ints, side: Literal["left", "right"]) -> Ints:
        if not rows.any():
            return np.zeros(len(self._reads), np.int64)
        key, at_ns = self._change_key[rows], at_ns[rows]
        order = np.lexsort((at_ns, key)) if key.any() else np.argsort(at_ns, kind="stable")
        total = np.cumsum(self._changes.value.view(np.int64)[rows][order])
        total = np.concatenate([np.zeros(1, np.int64), total])
        key, at_ns = key[order], at_ns[order]
        sums = np.zeros(len(self._reads), np.int64)
        begins = np.searchsorted(key, self._read_key)
        ends = np.searchsorted(key, self._read_key, side="right")
        first = np.unique(self._read_key, return_index=True)[1]
        for low, high in zip(first, np.append(first[1:], len(self._read_key)), strict=True):
            begin, end = int(begins[low]), int(ends[low])
            upto = begin + np.searchsorted(at_ns[begin:end], until_ns[low:high], side=side)
            sums[low:high] = total[upto] - total[begin]
        return sums


def _starts(changes: Table, reads: Reads, keys: Words) -> tuple[Ints, Mask]:
    """Return, a read, what its counter starts with, and whether that is known.

    That is what the first read says, if it ended before the first change began.
    """
    first_ns = np.full(len(keys), FOREVER_NS, np.int64)
    np.minimum.at(first_ns, np.searchsorted(keys, changes.key), changes.began_ns)
    of_key, first_read = np.unique(reads.key, return_index=True)
    ended_ns, value = reads.ended_ns[first_read], reads.value.view(np.int64)[first_read]
    is_known = ended_ns < first_ns[np.searchsorted(keys, of_key)]
    at = np.searchsorted(of_key, reads.key)
    return np.where(is_known, value, 0)[at], is_known[at]


def _doubt(told: Told, changes: Table, bounds: _Bounds, keys: Words) -> tuple[str, str]:
    """Return why nothing off would be no proof, and what to do."""
    if not told.history.whole:
        return CUT, "let the run go to its end"
    made = changes.where(changes.step == Step.OK)
    if not len(made):
        return "no change of a counter was acknowledged", "check what the journey tells the ledger"
    unknown = np.setdiff1d(made.key, bounds.reads.key[bounds.is_known])
    if len(unknown):
        names = told.history.key_text(int(unknown[0]))
        text = f"nobody knows what {counted(len(unknown), 'counter')} started with (first: {names})"
        return text, READ_FIRST
    last_ns = np.full(len(keys), -1, np.int64)
    np.maximum.at(last_ns, np.searchsorted(keys, made.key), made.ended_ns)
    read_ns = np.full(len(keys), -1, np.int64)
    np.maximum.at(read_ns, np.searchsorted(keys, bounds.reads.key), bounds.reads.began_ns)
    unread = np.flatnonzero((last_ns >= 0) & (read_ns <= last_ns))
    if len(unread):
        name = told.history.key_text(int(keys[unread[0]]))
        text = f"{counted(len(unread), 'counter')} never read after the last change (first: {name})"
        return text, READ_AT_THE_END
    return "", ""


def _off(bounds: _Bounds, off: Ints, told: Told) -> Finding:
    reads = bounds.reads
    witnesses = []
    for one in off[:FINDINGS_LISTED_MAX].tolist():
        began_ns, low, high = int(reads.began_ns[one]), int(bounds.low[one]), int(bounds.high[one])
        due = f"{low} was due" if low == high else f"{low} to {high} were due"
        what = (
            f"{told.history.key_text(int(reads.key[one]))} read as"
            f" {int(reads.value.view(np.int64)[one])} by user {int(reads.user[one])} between"
            f" {told.at(began_ns)} and {told.at(int(reads.ended_ns[one]))}, when {due}"
        )
        witnesses.append(Witness(what=what, at_ns=began_ns))
    return Finding(
        kind="counter-off",
        title=f"{counted(len(off), 'read')} of counters off: no changes explain what was read",
        count=len(off),
        witnesses=witnesses,
        advice="look for a change that is read, made and written back without a lock",
    )
