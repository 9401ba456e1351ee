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
from numpy.typing import NDArray

from stormproof.checks.history import Changes, History, Ints, Mask, Reads, Told
from stormproof.checks.ledger import FOREVER_NS, Words
from stormproof.checks.lookup import Lookup, dated
from stormproof.checks.outcome import Measurement, Outcome
from stormproof.checks.register_blocks import is_searched
from stormproof.checks.wording import counted
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.model.finding import Finding, Witness
from stormproof.model.history import FLAG_ABSENT, FLAG_TEXT, Function, Step

Indices = NDArray[np.int32]
READ_AT_THE_END: Final = "have each counter read once more when the load has ended"
READ_FIRST: Final = "have each counter read before its first change, as in `prepare`"
SEARCHED: Final = "ask for register_nonlinearizable of keys that are written, and count in others"
CUT: Final = "the record was cut off: what is missing from it may explain what was read"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bounds:
    """The numeric reads of counters by key and begin, and what each may be; and the counters."""

    reads: Reads
    value: Ints
    low: Ints
    high: Ints
    is_known: Mask  # it is known what the counter starts with
    is_quiet: Mask  # the last change had been made when it began
    keys: Words  # of the counters, rising
    is_start_known: Mask  # a counter
    made_ns: Ints  # a counter: when its last acknowledged change had ended, -1 for none
    read_ns: Ints  # a counter: when its last read began, -1 for none
    tried: int  # reads that began when a change of their counter had been acknowledged

    @property
    def is_off(self) -> Mask:
        """Which reads no changes explain."""
        mask: Mask = self.is_known & ((self.value < self.low) | (self.value > self.high))
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
    so are keys that are written as well, which are registers: unless register_nonlinearizable is
    asked for, one such key leaves counter_off undecided.
    Source: Jepsen's counter.
    """
    changes = told.history.changes.of(Function.INCREMENT)
    is_register = np.isin(changes.key, _written(told.history))
    registers, changes = changes.where(is_register), changes.where(~is_register)
    if not len(changes):
        return _written_as_well()
    reads = told.history.reads.of(Function.READ)
    reads = reads.where((reads.flags & (FLAG_TEXT | FLAG_ABSENT)) == 0).unkept()
    bounds = _bounds(changes.unkept(), reads)
    off = np.flatnonzero(bounds.is_off)
    is_asked = told.breaks("counter_off", len(off))
    accused = off if is_asked else np.flatnonzero(bounds.is_off & bounds.is_quiet)
    why, remedy = _doubt(told, bounds)
    findings = []
    if told.history.whole and len(accused):
        findings.append(_off(bounds, accused, told))
    elif why and told.history.whole:
        findings.append(Finding(kind="counter-unread", title=why, count=1, advice=remedy))
    if not why and len(registers) and not is_searched(told):
        number = counted(len(np.unique(registers.key)), "counter")
        name = told.history.key_text(int(registers.key[0]))
        why, remedy = f"{number} written as well as incremented (first: {name})", SEARCHED
    if len(accused) and told.history.whole:
        why = remedy = ""
    measured = Measurement(
        value=None if why else float(len(off)),
        samples=0 if why else max(bounds.tried, len(off)),
        why=why,
        remedy=remedy,
    )
    return Outcome(findings=findings, measured={("counter_off", ""): measured})


def _written(history: History) -> Words:
    """Return the keys that were, or may have been, written."""
    writes = history.changes.of(Function.WRITE, Function.CAS)
    written: Words = np.unique(writes.key[writes.step != Step.REFUSED])
    return written


def _written_as_well() -> Outcome:
    """Say that every counter was written as well, so that it is a register."""
    measured = Measurement(
        value=None,
        samples=0,
        why="every counter was written as well as incremented",
        remedy=SEARCHED,
    )
    return Outcome(measured={("counter_off", ""): measured})


def _bounds(changes: Changes, reads: Reads) -> _Bounds:
    keys = np.unique(changes.key)
    counters = Lookup(keys)
    of_change = counters.find(changes.key)[0].astype(np.int32)
    reads, of_read = _ranked(reads, counters, len(keys))
    low, high = _summed(changes, of_change, reads, of_read, len(keys))
    start, is_start_known = _starts(changes, of_change, reads, of_read, len(keys))
    low += start[of_read]
    high += start[of_read]
    last_ns, made_ns = _last_ns(changes, of_change, len(keys))
    began_ns = reads.began_ns
    return _Bounds(
        reads=reads,
        value=reads.value.view(np.int64),
        low=low,
        high=high,
        is_known=is_start_known[of_read],
        is_quiet=began_ns > last_ns[of_read],
        keys=keys,
        is_start_known=is_start_known,
        made_ns=made_ns,
        read_ns=_latest_ns(of_read, began_ns, len(keys)),
        tried=int(
            np.count_nonzero(began_ns > _first_made_ns(changes, of_change, len(keys))[of_read])
        ),
    )


def _ranked(reads: Reads, counters: Lookup, keys: int) -> tuple[Reads, Indices]:
    """Return the reads of counters by key and begin, and the index of the key of each."""
    of_read, is_counter = counters.find(reads.key)
    reads, of_read = reads.where(is_counter).unkept(), of_read[is_counter]
    order = np.argsort(dated([(of_read, reads.began_ns)], keys)[0], kind="stable")
    return reads.where(order).unkept(), of_read[order].astype(np.int32)


def _last_ns(changes: Changes, of_change: Indices, keys: int) -> tuple[Ints, Ints]:
    """Return, a counter, when its last change had ended, or begun where its end is unknown, and
    when its last acknowledged one had."""
    ended_ns, is_made = changes.ended_ns, changes.step == Step.OK
    known_ns = np.where(ended_ns < FOREVER_NS, ended_ns, changes.began_ns)
    made_ns = _latest_ns(of_change[is_made], ended_ns[is_made], keys)
    return _latest_ns(of_change, known_ns, keys), made_ns


def _first_made_ns(changes: Changes, of_change: Indices, keys: int) -> Ints:
    """Return, a counter, when its first acknowledged change had ended, FOREVER_NS for none."""
    is_made = changes.step == Step.OK
    first_ns = np.full(keys, FOREVER_NS, np.int64)
    np.minimum.at(first_ns, of_change[is_made], changes.ended_ns[is_made])
    return first_ns


def _latest_ns(of_key: Indices, at_ns: Ints, keys: int) -> Ints:
    """Return the latest instant of each key, -1 for none."""
    latest_ns = np.full(keys, -1, np.int64)
    np.maximum.at(latest_ns, of_key, at_ns)
    return latest_ns


def _summed(
    changes: Changes, of_change: Indices, reads: Reads, of_read: Indices, keys: int
) -> tuple[Ints, Ints]:
    """Return, a read, the least and the most that the changes around it add up to."""
    low, high = np.zeros(len(reads), np.int64), np.zeros(len(reads), np.int64)
    by, is_made = changes.value.view(np.int64), changes.step == Step.OK
    sums = _Sums(of_change[is_made], changes.ended_ns[is_made], of_read, reads.began_ns, keys)
    sums.add(low, np.maximum(by, 0)[is_made], "left")
    sums.add(high, np.minimum(by, 0)[is_made], "left")
    del sums
    may = changes.step != Step.REFUSED
    sums = _Sums(of_change[may], changes.began_ns[may], of_read, reads.ended_ns, keys)
    sums.add(high, np.maximum(by, 0)[may], "right")
    sums.add(low, np.minimum(by, 0)[may], "right")
    return low, high


class _Sums:
    """Sums of changes of a read's key, up to an instant of the read."""

    def __init__(
        self, of_change: Indices, at_ns: Ints, of_read: Indices, until_ns: Ints, keys: int
    ) -> None:
        changes, self._until = dated([(of_change, at_ns), (of_read, until_ns)], keys)
        self._order = np.argsort(changes).astype(np.int32)
        self._changes = changes[self._order]
        number = np.bincount(of_change, minlength=keys)
        self._begin = np.cumsum(number) - number
        self._of_read = of_read

    def add(self, found: Ints, by: Ints, side: Literal["left", "right"]) -> None:
        """Add, a read, the sum of `by` over the changes of its key before its instant, or up to
        it."""
        if not by.any():
            return
        sums = np.zeros(len(by) + 1, np.int64)
        np.cumsum(by[self._order], out=sums[1:])
        found += sums[np.searchsorted(self._changes, self._until, side=side)]
        found -= sums[self._begin][self._of_read]


def _starts(
    changes: Changes, of_change: Indices, reads: Reads, of_read: Indices, keys: int
) -> tuple[Ints, Mask]:
    """Return, a counter, what it starts with, and whether that is known.

    That is what the first read says, if it ended before the first change began.
    """
    first_ns = np.full(keys, FOREVER_NS, np.int64)
    np.minimum.at(first_ns, of_change, changes.began_ns)
    is_first = np.flatnonzero(np.diff(of_read, prepend=-1))
    of_key, firsts = of_read[is_first], reads.where(is_first)
    value, is_known = np.zeros(keys, np.int64), np.zeros(keys, np.bool_)
    is_known[of_key] = firsts.ended_ns < first_ns[of_key]
    value[of_key] = np.where(is_known[of_key], firsts.value.view(np.int64), 0)
    return value, is_known


def _doubt(told: Told, bounds: _Bounds) -> tuple[str, str]:
    """Return why nothing off would be no proof, and what to do."""
    if not told.history.whole:
        return CUT, "let the run go to its end"
    is_made = bounds.made_ns >= 0
    if not is_made.any():
        return "no change of a counter was acknowledged", "check what the journey tells the ledger"
    unknown = np.flatnonzero(is_made & ~bounds.is_start_known)
    if len(unknown):
        name = told.history.key_text(int(bounds.keys[unknown[0]]))
        text = f"nobody knows what {counted(len(unknown), 'counter')} started with (first: {name})"
        return text, READ_FIRST
    unread = np.flatnonzero(is_made & (bounds.read_ns <= bounds.made_ns))
    if len(unread):
        name = told.history.key_text(int(bounds.keys[unread[0]]))
        text = f"{counted(len(unread), 'counter')} never read after the last change (first: {name})"
        return text, READ_AT_THE_END
    return "", ""


def _off(bounds: _Bounds, off: Ints, told: Told) -> Finding:
    shown, witnesses = off[:FINDINGS_LISTED_MAX], []
    reads = bounds.reads.where(shown)
    for row, one in enumerate(shown.tolist()):
        began_ns, low, high = int(reads.began_ns[row]), int(bounds.low[one]), int(bounds.high[one])
        due = f"{low} was due" if low == high else f"{low} to {high} were due"
        what = (
            f"{told.history.key_text(int(reads.key[row]))} read as"
            f" {int(bounds.value[one])} by user {int(reads.user[row])} between"
            f" {told.at(began_ns)} and {told.at(int(reads.ended_ns[row]))}, when {due}"
        )
        witnesses.append(Witness(what=what, at_ns=began_ns))
    return Finding(
        kind="counter-off",
        title=f"{counted(len(off), 'read')} of counters off: no changes explain what was read",
        count=len(off),
        witnesses=witnesses,
        advice="look for a change that is read, made and written back without a lock",
    )
