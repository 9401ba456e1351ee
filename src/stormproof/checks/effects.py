"""The checker of effects: what is asked for once is done once."""

from __future__ import annotations

import numpy as np

from stormproof.checks.history import Ints, Mask, Table, Told
from stormproof.checks.ledger import Words
from stormproof.checks.outcome import Measurement, Outcome
from stormproof.checks.wording import counted
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.model.finding import Finding, Witness
from stormproof.model.history import FLAG_ABSENT, FLAG_EXPECTS_ABSENT, Function


def check_effects(told: Told) -> Outcome:
    """Check that no idempotency key was acted on more than once.

    What it does: compares the effects that users saw, by the key that asked for them. Why it
    matters: messages and requests may come twice, payments may not. What a failure looks like: "1
    key acted on more than once", with the two effects. Limits: an effect that nobody saw is not
    compared, nor is one without a key or an id; the same effect may be seen as often as one likes;
    whether a key was acted on at all is what a set says.
    Source: Stripe's idempotency keys; the outbox pattern, which delivers at least once.
    """
    seen = told.history.facts.of(Function.EFFECT).unkept()
    seen = seen.where((seen.flags & (FLAG_ABSENT | FLAG_EXPECTS_ABSENT)) == 0).unkept()
    if not len(seen):
        return _nothing()
    single, rows = _single(seen)
    seen = seen.where(rows)
    seen = seen.where(np.lexsort((seen.ended_ns, seen.other, seen.value, seen.key)))
    first_sights = seen.where(_is_new(seen, seen.key, seen.value, seen.other))  # of each effect
    begins = np.flatnonzero(_is_new(first_sights, first_sights.key, first_sights.value))
    effects = np.diff(np.append(begins, len(first_sights)))
    doubled = begins[effects > 1]
    measured = Measurement(value=float(len(doubled)), samples=single + len(begins))
    findings = [_finding(first_sights, doubled.tolist(), told)] if len(doubled) else []
    return Outcome(findings=findings, measured={("effects_duplicated", ""): measured})


def _single(seen: Table) -> tuple[int, Ints]:
    """Return how many idempotency keys are of one kind and had one effect, and the rows of all
    others, rising: they are looked at closely."""
    value = seen.value
    order = np.argsort(value)
    value = value[order]
    is_same = value[1:] == value[:-1]
    del value
    is_odd = np.zeros(len(seen), np.bool_)  # another kind or effect follows, of the same key
    for name in ("key", "other"):
        column = getattr(seen, name)[order]
        is_odd[:-1] |= is_same & (column[1:] != column[:-1])
        del column
    begins = np.flatnonzero(np.append(True, ~is_same))
    has_odd = np.logical_or.reduceat(is_odd, begins)
    times = np.diff(np.append(begins, len(seen)))
    rows: Ints = np.sort(order[np.repeat(has_odd, times)])
    return int(np.count_nonzero(~has_odd)), rows


def _nothing() -> Outcome:
    measured = Measurement(
        value=None,
        samples=0,
        why="no effect was seen that had an idempotency key and an id",
        remedy="check what the journey tells the ledger",
    )
    return Outcome(measured={("effects_duplicated", ""): measured})


def _is_new(seen: Table, *columns: Words) -> Mask:
    """Return which rows have not the same in all columns as the one before."""
    is_new = np.ones(len(seen), np.bool_)
    if len(seen):
        differs = [column[1:] != column[:-1] for column in columns]
        is_new[1:] = np.logical_or.reduce(differs)
    return is_new


def _finding(seen: Table, doubled: list[int], told: Told) -> Finding:
    history, witnesses = told.history, []
    for row in doubled[:FINDINGS_LISTED_MAX]:
        two = seen.where(np.array([row, row + 1]))
        sights = " and ".join(
            f"{history.value_text(int(two.other[one]))} (seen by user {int(two.user[one])}"
            f" at {told.at(int(two.ended_ns[one]))})"
            for one in (0, 1)
        )
        kind, key = history.key_text(int(two.key[0])), history.value_text(int(two.value[0]))
        what = f"{kind} {key} had the effects {sights}"
        witnesses.append(Witness(what=what, at_ns=int(two.ended_ns[1])))
    return Finding(
        kind="effect-duplicated",
        title=f"{counted(len(doubled), 'key')} acted on more than once",
        count=len(doubled),
        witnesses=witnesses,
        advice="store the idempotency key in the transaction that has the effect",
    )
