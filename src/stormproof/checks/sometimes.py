"""What a run must have seen at least once: a test that could not fail is no pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stormproof.checks.history import Told
from stormproof.checks.outcome import Measurement, Outcome
from stormproof.checks.wording import counted
from stormproof.model.history import Function, digest_word
from stormproof.model.objective import Objective
from stormproof.rules.history_metrics import SEEN, WHAT

REMEDY = "make the load reach it, or mend the text that user.ledger.seen is given"


def check_sometimes(told: Told) -> Outcome:
    """Check that what must come about in a run did.

    What it does: counts how often journeys told the ledger that they saw something. Why it
    matters: who never met a conflict has not tested what happens in one. What a failure looks
    like: "'a 409' was never seen". Limits: what was not seen is missing evidence, and leaves the
    run undecided; only more than a bar allows fails it.
    Source: Antithesis, "sometimes" assertions.
    """
    seen = told.history.facts.of(Function.SEEN)
    words, times = np.unique(seen.key, return_counts=True)
    counts = dict(zip(words.tolist(), times.tolist(), strict=True))
    asked: dict[str, list[Objective]] = {}
    for objective in told.asked:
        if objective.metric == SEEN:
            asked.setdefault(objective.tags[WHAT], []).append(objective)
    return Outcome(
        measured={
            (SEEN, what): _measure(what, counts.get(digest_word(what), 0), bars)
            for what, bars in asked.items()
        }
    )


def _measure(what: str, number: int, bars: Sequence[Objective]) -> Measurement:
    floors = [one.bar for one in bars if one.operator in (">=", "==")]
    passed = [one.bar for one in bars if one.operator == ">"]
    why = ""
    if not number:
        why = f"{what!r} was never seen"
    elif number < max(floors, default=0) or number <= max(passed, default=0):
        why = f"{what!r} was seen {counted(number, 'time')} only"
    return Measurement(value=float(number), samples=number, why=why, remedy=REMEDY if why else "")
