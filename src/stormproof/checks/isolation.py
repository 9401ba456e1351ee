"""The isolation checker: nobody sees what is somebody else's."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stormproof.checks.history import Ints, Mask, Table, Told, is_absent
from stormproof.checks.ledger import SLICE, Words
from stormproof.checks.lookup import Lookup, distinct
from stormproof.checks.outcome import Measurement, Outcome
from stormproof.checks.wording import counted
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.model.finding import Finding, Witness
from stormproof.model.history import Function

_HALF: Final = np.uint64(32)
_LOW: Final = np.uint64(2**32 - 1)
LOOKED_UP_MAX: Final = 1 << 20  # owners at once
OWNERS_NAMED: Final = 3
ALL_MAY: Final = "everybody who saw anything may see everything: nothing could have been foreign"
TWO_OWNERS: Final = "have users of several owners look at the same time"
CUT: Final = "the record was cut off: what is missing from it may explain what was seen"


def check_isolation(told: Told) -> Outcome:
    """Check that every value was seen only by users who may see what is its owner's.

    What it does: joins what users saw with whose it is, and with what each user may see. Why it
    matters: one tenant's data before another's eyes is the end of many a service. What a failure
    looks like: "4 values seen by users who may not", each with its owner and who saw it when.
    Limits: a value that nobody claimed for an owner is not judged, nor is nothing at all; what a
    user may see it may see all through; a value of several owners may be seen by whoever may see
    one of them, so that a record that was cut off accuses nobody: what is missing from it may tell
    of another owner. Where everybody may see everything the run is undecided.
    """
    facts = told.history.facts
    owned, allowed = _owned(facts), facts.of(Function.MAY_SEE)
    sights = facts.of(Function.SAW).unkept()
    sights = sights.where(~is_absent(sights)).unkept()
    values = distinct(owned.value)
    place, is_owned = Lookup(values).find(sights.value)
    sights = sights.where(is_owned).unkept()
    of_value = place[is_owned].astype(np.int32)
    del place, is_owned
    foreign = np.flatnonzero(_is_foreign(sights, of_value, values, owned, allowed))
    measured = Measurement(value=float(len(foreign)), samples=len(sights))
    if not len(sights):
        measured = Measurement(
            value=None,
            samples=0,
            why="nobody saw a value whose owner the ledger was told",
            remedy="call user.ledger.owns(owner, value) where it is made, and saw where it is seen",
        )
    elif not told.history.whole:
        foreign = foreign[:0]
        measured = Measurement(value=None, samples=0, why=CUT, remedy="let the run go to its end")
    elif not len(foreign) and not _could_be_foreign(sights, owned, allowed):
        measured = Measurement(value=None, samples=0, why=ALL_MAY, remedy=TWO_OWNERS)
    findings = [_finding(sights, owned, foreign, told)] if len(foreign) else []
    return Outcome(findings=findings, measured={("isolation_foreign", ""): measured})


def _could_be_foreign(sights: Table, owned: Table, allowed: Table) -> bool:
    """Return whether anybody who saw anything may not see what all owners have."""
    owners, users = distinct(owned.key), np.unique(sights.user)
    is_told = np.isin(allowed.key, owners) & np.isin(allowed.user, users)
    pairs = distinct(
        allowed.user[is_told].astype(np.uint64) << _HALF
        | np.searchsorted(owners, allowed.key[is_told]).astype(np.uint64)
    )
    return len(pairs) < len(owners) * len(users)


def _owned(facts: Table) -> Table:
    """Return who owns what."""
    owned = facts.of(Function.OWNS)
    return owned.where(~is_absent(owned))


def _is_foreign(
    sights: Table, of_value: NDArray[np.int32], values: Words, owned: Table, allowed: Table
) -> Mask:
    """Return which sights no owner of the value explains: of `values`, those at `of_value`.

    What a user saw of a value is judged once, however often it was.
    """
    owners = np.unique(np.concatenate([owned.key, allowed.key]))
    owns = _Halves(_packed(np.searchsorted(values, owned.value), owned.key, owners))
    may_see = _Halves(_packed(allowed.user, allowed.key, owners))
    seen = sights.user.astype(np.uint64)
    seen <<= _HALF
    seen |= of_value.view(np.uint32)
    pairs = distinct(seen)
    foreign = [pairs[:0]]
    for start in range(0, len(pairs), SLICE):
        some = pairs[start : start + SLICE]
        foreign.append(some[~_is_fine(some >> _HALF, some & _LOW, owns, may_see)])
    return Lookup(np.concatenate(foreign)).find(seen)[1]


def _is_fine(user: Words, value: Words, owns: _Halves, may_see: _Halves) -> Mask:
    """Return which users may see what an owner of the value has; the fewer owners are looked at."""
    by_owner = owns.spans(value)[1] <= may_see.spans(user)[1]
    is_fine = np.zeros(len(user), np.bool_)
    is_fine[by_owner] = _meet(value[by_owner], owns, user[by_owner], may_see)
    is_fine[~by_owner] = _meet(user[~by_owner], may_see, value[~by_owner], owns)
    return is_fine


def _packed(first: np.ndarray[tuple[int], np.dtype[np.integer]], key: Words, keys: Words) -> Words:
    return first.astype(np.uint64) << _HALF | np.searchsorted(keys, key).astype(np.uint64)


class _Halves:
    """Pairs of halves of a word, each once and rising, looked up by the first or whole."""

    def __init__(self, pairs: Words) -> None:
        self.pairs = distinct(pairs)
        first = self.pairs >> _HALF
        begins = np.flatnonzero(np.diff(first, prepend=~first[:1]))
        self._first = Lookup(first[begins])
        self._edges = np.append(begins, [len(first), len(first)])
        self._whole = Lookup(self.pairs)

    def spans(self, first: Words) -> tuple[Ints, Ints]:
        """Return where the pairs with each first half begin, and how many they are."""
        at, is_known = self._first.find(first)
        return self._edges[at], np.where(is_known, self._edges[at + 1] - self._edges[at], 0)

    def holds(self, wanted: Words) -> Mask:
        """Return which pairs there are."""
        return self._whole.find(wanted)[1]


def _meet(one: Words, of_one: _Halves, other: Words, of_other: _Halves) -> Mask:
    """Return which pairs have an owner in common, in two tables of halves.

    The owners of `one` are looked up among those of `other`, so many at once that it is bounded
    what they take, however many owners there are.
    """
    begin, count = of_one.spans(one)
    ends = np.cumsum(count)
    meets = np.zeros(len(one), np.bool_)
    start = 0
    while start < len(one):
        done = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + LOOKED_UP_MAX, side="right")))
        mine, many = slice(start, stop), count[start:stop]
        pair = np.repeat(np.arange(stop - start), many)
        within = np.arange(len(pair)) - np.repeat(np.cumsum(many) - many, many)
        owner = of_one.pairs[begin[mine][pair] + within] & _LOW
        wanted = other[mine][pair] << _HALF | owner
        meets[start + pair[of_other.holds(wanted)]] = True
        start = stop
    return meets


def _finding(sights: Table, owned: Table, foreign: Ints, told: Told) -> Finding:
    witnesses = []
    shown = sights.where(foreign[:FINDINGS_LISTED_MAX])
    for row in range(len(shown)):
        value, at_ns = shown.value[row], int(shown.ended_ns[row])
        owners = np.unique(owned.key[owned.value == value])[:OWNERS_NAMED].tolist()
        named = ", ".join(told.history.key_text(owner) for owner in owners)
        what = (
            f"{told.history.value_text(int(value))} of {named}, seen by user"
            f" {int(shown.user[row])} at {told.at(at_ns)}"
        )
        witnesses.append(Witness(what=what, at_ns=at_ns))
    return Finding(
        kind="isolation-foreign",
        title=f"{counted(len(foreign), 'time')} a user saw what is somebody else's",
        count=len(foreign),
        witnesses=witnesses,
        advice="look for caches without the owner in their keys, and for queries without it",
    )
