"""The checker of effects: what is asked for once is done once."""

from __future__ import annotations

import numpy as np

from stormproof.checks.history import Mask, Table, Told
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
    seen = told.history.facts.of(Function.EFFECT)
    seen = seen.where((seen.flags & (FLAG_ABSENT | FLAG_EXPECTS_ABSENT)) == 0)
    if not len(seen):
        return _nothing()
    order = np.lexsort((seen.ended_ns, seen.other, seen.value, seen.key))
    seen = seen.where(order)
    is_new = np.ones(len(seen), np.bool_)
    is_new[1:] = _differs(seen, seen.other)
    first_sights = seen.where(is_new)  # of each effect
    is_key = np.ones(len(first_sights), np.bool_)
    is_key[1:] = _differs(first_sights)
    begins = np.flatnonzero(is_key)
    effects = np.diff(np.append(begins, len(first_sights)))
    doubled = begins[effects > 1]
    measured = Measurement(value=float(len(doubled)), samples=len(begins))
    findings = [_finding(first_sights, doubled.tolist(), told)] if len(doubled) else []
    return Outcome(findings=findings, measured={("effects_duplicated", ""): measured})


def _nothing() -> Outcome:
    measured = Measurement(
        value=None,
        samples=0,
        why="no effect was seen that had an idempotency key and an id",
        remedy="check what the journey tells the ledger",
    )
    return Outcome(measured={("effects_duplicated", ""): measured})


def _differs(seen: Table, more: Words | None = None) -> Mask:
    """Return which rows but the first have another key than the one before, or `more`."""
    differs: Mask = (seen.key[1:] != seen.key[:-1]) | (seen.value[1:] != seen.value[:-1])
    return differs if more is None else differs | (more[1:] != more[:-1])


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
