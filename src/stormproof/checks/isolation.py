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
    """Return who owns what, each pair once, however often it was told."""
    owned = facts.of(Function.OWNS)
    owned = owned.where(~is_absent(owned))
    owned = owned.where(np.lexsort((owned.key, owned.value)))
    is_new = np.ones(len(owned), np.bool_)
    is_new[1:] = (owned.value[1:] != owned.value[:-1]) | (owned.key[1:] != owned.key[:-1])
    return owned.where(is_new)


def _is_foreign(sights: Table, owned: Table, allowed: Table) -> Mask:
    """Return which sights no owner of the value explains; `owned` is sorted by value."""
    owners = np.unique(np.concatenate([owned.key, allowed.key]))
    may_see = np.unique(_packed(allowed.user, allowed.key, owners))
    first = np.searchsorted(owned.value, sights.value)
    count = np.searchsorted(owned.value, sights.value, side="right") - first
    sight = np.repeat(np.arange(len(sights)), count)
    place = np.arange(len(sight)) - np.repeat(np.cumsum(count) - count, count)
    owner = owned.key[np.repeat(first, count) + place]
    fine = np.isin(_packed(sights.user[sight], owner, owners), may_see)
    is_foreign = np.ones(len(sights), np.bool_)
    is_foreign[sight[fine]] = False
    return is_foreign


def _packed(user: np.ndarray[tuple[int], np.dtype[np.uint32]], key: Words, keys: Words) -> Words:
    return user.astype(np.uint64) << _HALF | np.searchsorted(keys, key).astype(np.uint64)


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
