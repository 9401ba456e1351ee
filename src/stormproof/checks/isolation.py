"""The isolation checker: nobody sees what is somebody else's."""

from __future__ import annotations

from typing import Final

import numpy as np

from stormproof.checks.history import Ints, Mask, Table, Told, is_absent
from stormproof.checks.ledger import Words
from stormproof.checks.outcome import Measurement, Outcome
from stormproof.checks.wording import counted
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.model.finding import Finding, Witness
from stormproof.model.history import Function

_HALF: Final = np.uint64(32)
_LOW: Final = np.uint64(2**32 - 1)
LOOKED_UP_MAX: Final = 1 << 20  # owners at once
OWNERS_NAMED: Final = 3
CUT: Final = "the record was cut off: what is missing from it may explain what was seen"


def check_isolation(told: Told) -> Outcome:
    """Check that every value was seen only by users who may see what is its owner's.

    What it does: joins what users saw with whose it is, and with what each user may see. Why it
    matters: one tenant's data before another's eyes is the end of many a service. What a failure
    looks like: "4 values seen by users who may not", each with its owner and who saw it when.
    Limits: a value that nobody claimed for an owner is not judged, nor is nothing at all; what a
    user may see it may see all through; a value of several owners may be seen by whoever may see
    one of them, so that a record that was cut off accuses nobody: what is missing from it may tell
    of another owner.
    """
    facts = told.history.facts
    owned, allowed = _owned(facts), facts.of(Function.MAY_SEE)
    sights = facts.of(Function.SAW)
    sights = sights.where(~is_absent(sights))
    sights = sights.where(np.isin(sights.value, owned.value))
    foreign = np.flatnonzero(_is_foreign(sights, owned, allowed))
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
    findings = [_finding(sights, owned, foreign, told)] if len(foreign) else []
    return Outcome(findings=findings, measured={("isolation_foreign", ""): measured})


def _owned(facts: Table) -> Table:
    """Return who owns what."""
    owned = facts.of(Function.OWNS)
    return owned.where(~is_absent(owned))


def _is_foreign(sights: Table, owned: Table, allowed: Table) -> Mask:
    """Return which sights no owner of the value explains; each value that was seen has owners.

    What a user saw of a value is judged once, however often it was.
    """
    values, owners = np.unique(owned.value), np.unique(np.concatenate([owned.key, allowed.key]))
    owns = np.unique(_packed(np.searchsorted(values, owned.value), owned.key, owners))
    may_see = np.unique(_packed(allowed.user, allowed.key, owners))
    place = np.searchsorted(values, sights.value).astype(np.uint64)
    pairs, back = np.unique(sights.user.astype(np.uint64) << _HALF | place, return_inverse=True)
    user, value = pairs >> _HALF, pairs & _LOW
    by_owner = _many(owns, value) <= _many(may_see, user)
    is_fine = np.zeros(len(pairs), np.bool_)
    is_fine[by_owner] = _meet(value[by_owner], owns, user[by_owner], may_see)
    is_fine[~by_owner] = _meet(user[~by_owner], may_see, value[~by_owner], owns)
    return ~is_fine[back]


def _packed(first: np.ndarray[tuple[int], np.dtype[np.integer]], key: Words, keys: Words) -> Words:
    return first.astype(np.uint64) << _HALF | np.searchsorted(keys, key).astype(np.uint64)


def _many(table: Words, first: Words) -> Ints:
    """Return how many rows of a sorted table begin with each of some halves."""
    begin = np.searchsorted(table, first << _HALF)
    return np.searchsorted(table, first << _HALF | _LOW, side="right") - begin


def _meet(one: Words, of_one: Words, other: Words, of_other: Words) -> Mask:
    """Return which pairs have an owner in common, in two sorted tables of halves.

    The owners of `one` are looked up among those of `other`, so many at once that it is bounded
    what they take, however many owners there are.
    """
    count = _many(of_one, one)
    ends = np.cumsum(count)
    meets = np.zeros(len(one), np.bool_)
    start = 0
    while start < len(one):
        done = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + LOOKED_UP_MAX, side="right")))
        mine, many = slice(start, stop), count[start:stop]
        pair = np.repeat(np.arange(stop - start), many)
        within = np.arange(len(pair)) - np.repeat(np.cumsum(many) - many, many)
        owner = of_one[np.searchsorted(of_one, one[mine] << _HALF)[pair] + within] & _LOW
        wanted = other[mine][pair] << _HALF | owner
        meets[start + pair[_holds(of_other, wanted)]] = True
        start = stop
    return meets


def _holds(table: Words, wanted: Words) -> Mask:
    """Return which numbers a sorted table holds."""
    if not len(table):
        return np.zeros(len(wanted), np.bool_)
    held: Mask = table[np.minimum(np.searchsorted(table, wanted), len(table) - 1)] == wanted
    return held


def _finding(sights: Table, owned: Table, foreign: Ints, told: Told) -> Finding:
    witnesses = []
    for row in foreign[:FINDINGS_LISTED_MAX].tolist():
        value, at_ns = sights.value[row], int(sights.ended_ns[row])
        owners = np.unique(owned.key[owned.value == value])[:OWNERS_NAMED].tolist()
        named = ", ".join(told.history.key_text(owner) for owner in owners)
        what = (
            f"{told.history.value_text(int(value))} of {named}, seen by user"
            f" {int(sights.user[row])} at {told.at(at_ns)}"
        )
        witnesses.append(Witness(what=what, at_ns=at_ns))
    return Finding(
        kind="isolation-foreign",
        title=f"{counted(len(foreign), 'time')} a user saw what is somebody else's",
        count=len(foreign),
        witnesses=witnesses,
        advice="look for caches without the owner in their keys, and for queries without it",
    )
