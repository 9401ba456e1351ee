"""The checker of totals: a number that a target reports is how many elements there are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from stormproof.checks.history import Ints, Reads, Table, Told, is_absent, is_text
from stormproof.checks.ledger import FOREVER_NS, Words
from stormproof.checks.outcome import Measurement, Outcome
from stormproof.checks.wording import counted
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.model.finding import Finding, Witness
from stormproof.model.history import Function, Step

REMEDY: Final = (
    "have each total read once before its first change, and once when all is over; best of a set"
    " that is empty at first"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lives:
    """When each element of a set surely was in it, and when it may have been: [from, to]."""

    value: Words
    surely_from: Ints
    surely_to: Ints
    maybe_from: Ints
    maybe_to: Ints
    removed_ns: Ints  # when the first removal of each value began
    strangers: int  # how many values may have been removed that nobody added

    def surely(self, began_ns: Ints, ended_ns: Ints) -> Ints:
        """Return how many elements reads between two instants must count, or a few less.

        Those that came and went within a read are taken off once too often.
        """
        lived = self.surely_from < self.surely_to
        came, went = np.sort(self.surely_from[lived]), np.sort(self.surely_to[lived])
        here = np.searchsorted(came, began_ns) - np.searchsorted(went, ended_ns, side="right")
        counts: Ints = np.maximum(here, 0).astype(np.int64)
        return counts

    def maybe(self, began_ns: Ints, ended_ns: Ints) -> Ints:
        """Return how many elements reads between two instants may count."""
        came, went = np.sort(self.maybe_from), np.sort(self.maybe_to)
        here = np.searchsorted(came, ended_ns, side="right") - np.searchsorted(went, began_ns)
        return here.astype(np.int64)

    def removed(self, ended_ns: Ints) -> Ints:
        """Return how many elements may have been removed when reads ended."""
        gone = np.searchsorted(np.sort(self.removed_ns), ended_ns, side="right")
        return gone.astype(np.int64)


@dataclass(slots=True, kw_only=True)
class _Found:
    """What was found so far: reads that no changes explain, how many were judged, and doubts."""

    off: list[_Off] = field(default_factory=list)
    judged: int = 0
    is_tested: bool = False  # a change of a set whose total was asked was acknowledged
    why: str = ""


class _Off(NamedTuple):
    """A report that no changes explain: the row of the read, and what it may have been."""

    row: int
    low: int
    high: int
    is_quiet: bool  # no change was made any more


def check_totals(told: Told) -> Outcome:
    """Check that every reported total is the number of elements that the ledger knows of.

    What it does: an element counts from its acknowledged add to its removal, and may count while
    one of them is under way or unknown. Why it matters: an unread count that is wrong once is wrong
    for ever. What a failure looks like: "2 reported totals off", with what was reported and what
    could have been. Limits: without an objective only totals that were read after the last change
    fail a run, for others may lag. How many elements a set held at first is what the first total
    before all its changes says; what is added may have been among them, and a last total that only
    that explains leaves the run undecided. So does one without a first total, or without one at the
    end, and a record that was cut off. A set of which no change was told is not judged.
    """
    history = told.history
    totals = history.reads.of(Function.TOTAL)
    totals = totals.where(~is_text(totals) & ~is_absent(totals))
    totals = totals.where(np.lexsort((totals.began_ns, totals.key)))
    changes = history.changes.of(Function.ADD, Function.REMOVE)
    changes = changes.where(np.argsort(changes.key, kind="stable"))
    found = _Found()
    keys = np.intersect1d(totals.key, changes.key)
    of_totals, of_changes = _spans(totals, keys), _spans(changes, keys)
    for key, rows, mine in zip(keys.tolist(), of_totals, of_changes, strict=True):
        doubt = _check_key(changes.where(mine), totals.where(rows), rows.start, found)
        found.why = found.why or (doubt and f"{history.key_text(key)}: {doubt}")
    if not history.whole:
        found.off = []
        found.why = "the record was cut off: what is missing from it may explain what was read"
    elif not len(totals):
        found.why = "no total was reported as a number"
    elif not found.is_tested:
        found.why = found.why or "no change of a set whose total was asked was acknowledged"
    return _outcome(found, totals, told)


def _outcome(found: _Found, totals: Reads, told: Told) -> Outcome:
    off = len(found.off)
    is_asked = told.breaks("totals_off", off)
    accused = [one for one in found.off if one.is_quiet or is_asked]
    is_doubtful = bool(found.why) and not accused
    measured = Measurement(
        value=None if is_doubtful else float(off),
        samples=max(found.judged, off),
        why=found.why if is_doubtful else "",
        remedy=REMEDY if is_doubtful else "",
    )
    findings = [_finding(accused, totals, told)] if accused else []
    if is_doubtful and told.history.whole:
        findings.append(Finding(kind="total-unread", title=found.why, count=1, advice=REMEDY))
    return Outcome(findings=findings, measured={("totals_off", ""): measured})


def _spans(table: Table, keys: Words) -> list[slice]:
    """Return the rows of each of some keys in a table that has them in order; its slices share the
    columns that are read now."""
    table.keep("flags", "value", "at_ns")
    low = np.searchsorted(table.key, keys).tolist()
    return list(map(slice, low, np.searchsorted(table.key, keys, side="right").tolist()))


def rows_of(keys: Words, key: int) -> Ints:
    """Return the rows of a key among rising ones."""
    word = np.uint64(key)
    return np.arange(np.searchsorted(keys, word), np.searchsorted(keys, word, side="right"))


def _check_key(changes: Table, reads: Reads, first: int, found: _Found) -> str:
    """Add what is off of one key; return why nothing off would be no proof."""
    is_made = changes.step == Step.OK
    is_tested = bool(is_made.any())
    found.is_tested |= is_tested
    if int(reads.ended_ns[0]) >= int(changes.began_ns.min()):
        return "nobody knows how many there were at first" if is_tested else ""
    value = reads.value.view(np.int64)
    base, lives = int(value[0]), lives_of(changes)
    sure = lives.surely(reads.began_ns, reads.ended_ns)
    kept = base - lives.removed(reads.ended_ns)
    low = np.maximum(kept, sure)
    high = base + lives.maybe(reads.began_ns, reads.ended_ns)
    quiet = reads.began_ns > last_change_ns(changes)
    first_ns = int(changes.ended_ns[is_made].min(initial=FOREVER_NS))
    found.judged += int(np.count_nonzero(reads.began_ns > first_ns))
    for one in np.flatnonzero((value < low) | (value > high)).tolist():
        found.off.append(
            _Off(first + one, int(low[one]), int(high[one]), is_quiet=bool(quiet[one]))
        )
    if not is_tested:
        return ""
    if int(reads.began_ns[-1]) <= int(changes.ended_ns[is_made].max()):
        return "no total after the last change"
    if int(value[-1]) < base + int(sure[-1]) - lives.strangers:
        return "too few, unless some of what was added had been there at first"
    return ""


def lives_of(changes: Table) -> Lives:
    """Return when each element of one set was in it, from its adds and removals."""
    function, step = changes.function, changes.step
    may, is_made = step != Step.REFUSED, step == Step.OK
    value, began_ns, ended_ns = changes.value, changes.began_ns, changes.ended_ns
    adds = np.flatnonzero(may & (function == Function.ADD))
    removes = np.flatnonzero(may & (function == Function.REMOVE))
    added, of_add = np.unique(value[adds], return_inverse=True)
    removed, of_removal = np.unique(value[removes], return_inverse=True)
    sure_ns = np.where(is_made, ended_ns, FOREVER_NS)[adds]
    at = np.minimum(np.searchsorted(added, value[removes]), max(len(added) - 1, 0))
    is_known = added[at] == value[removes] if len(added) else np.zeros(len(removes), np.bool_)
    at, known = at[is_known], removes[is_known]
    all_ended_ns = -_earliest_ns(len(added), of_add, -ended_ns[adds])
    is_gone = is_made[known] & (began_ns[known] > all_ended_ns[at])
    return Lives(
        value=added,
        surely_from=_earliest_ns(len(added), of_add, sure_ns),
        surely_to=_earliest_ns(len(added), at, began_ns[known]),
        maybe_from=_earliest_ns(len(added), of_add, began_ns[adds]),
        maybe_to=_earliest_ns(len(added), at[is_gone], ended_ns[known[is_gone]]),
        removed_ns=_earliest_ns(len(removed), of_removal, began_ns[removes]),
        strangers=int(np.count_nonzero(~np.isin(removed, added))),
    )


def _earliest_ns(size: int, at: Ints, at_ns: Ints) -> Ints:
    """Return the earliest of the instants of each of `size` elements, FOREVER_NS for none."""
    earliest_ns = np.full(size, FOREVER_NS, np.int64)
    np.minimum.at(earliest_ns, at, at_ns)
    return earliest_ns


def last_change_ns(changes: Table) -> int:
    """Return when the last change had ended, or begun where its end is unknown."""
    known_ns = np.where(changes.ended_ns < FOREVER_NS, changes.ended_ns, changes.began_ns)
    return int(known_ns.max())


def _finding(off: list[_Off], totals: Reads, told: Told) -> Finding:
    witnesses = []
    value, user, key = totals.value.view(np.int64), totals.user, totals.key
    began, ended = totals.began_ns, totals.ended_ns
    for one in off[:FINDINGS_LISTED_MAX]:
        began_ns = int(began[one.row])
        number = int(value[one.row])
        due = f"{one.low} was due" if one.low == one.high else f"{one.low} to {one.high} were due"
        what = (
            f"{told.history.key_text(int(key[one.row]))} reported as {number} to user"
            f" {int(user[one.row])} between {told.at(began_ns)} and"
            f" {told.at(int(ended[one.row]))}, when {due}"
        )
        witnesses.append(Witness(what=what, at_ns=began_ns))
    return Finding(
        kind="total-off",
        title=f"{counted(len(off), 'reported total')} off: not the number of elements there were",
        count=len(off),
        witnesses=witnesses,
        advice="count in the transaction that changes what is counted",
    )
