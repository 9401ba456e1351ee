"""Read thresholds as they are written in profiles and trials: k6's short form and its long one.

    "p(95)<300"
    {"threshold": "p(95)<300", "abortOnFail": true, "delayAbortEval": "10s"}

In the long form the run ends as soon as the threshold is broken, but not before `delayAbortEval`
of its window has passed. Stricter than k6: an unknown key is an error.

Source: grafana/k6, options reference, thresholds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from stormproof.kernel.errors import Problem
from stormproof.model.objective import Abort, Objective
from stormproof.model.profile import RawThreshold
from stormproof.planning.fields import Fields
from stormproof.rules.grammar import objective
from stormproof.rules.questions import NOTHING_DECLARED, Declared

DELAY_MAX: Final = "24h"


def read_thresholds(
    texts: Mapping[str, Iterable[RawThreshold]],
    where: str,
    *,
    exact: bool,
    declared: Declared = NOTHING_DECLARED,
) -> tuple[list[Objective], list[Problem]]:
    """Read thresholds by metric, with all problems.

    Args:
        texts: metric, with its tags -> its thresholds.
        where: names them in messages.
        exact: one witness fails them; such ones have no long form.
        declared: what the plan adds to the catalog.
    """
    read: list[Objective] = []
    problems: list[Problem] = []
    for metric, thresholds in texts.items():
        place = f"{where} {metric!r}"
        if isinstance(thresholds, str):  # it would be read letter by letter
            what, fix = "must be a tuple of thresholds", f"({thresholds!r},)"
            problems.append(Problem(where=place, what=what, fix=fix))
            continue
        for raw in thresholds:
            text, abort = _open(raw, place, problems, exact=exact)
            if text is None:
                continue
            try:
                made = objective(metric, text, exact=exact, declared=declared)
            except ValueError as error:
                problems.append(Problem(where=place, what=str(error)))
            else:
                read.append(msgspec.structs.replace(made, abort=abort))
    return read, problems


def _open(
    raw: RawThreshold, place: str, problems: list[Problem], *, exact: bool
) -> tuple[str | None, Abort | None]:
    """Return the text of a threshold and whether it ends the run; None where it has no text."""
    if isinstance(raw, str):
        return raw, None
    if exact or not isinstance(raw, Mapping):
        problems.append(Problem(where=place, what="must be text", fix="'p(95)<300'"))
        return None, None
    fields = Fields(raw, place, problems)
    text = fields.text("threshold", "")
    ends = fields.flag("abortOnFail", default=False)
    after_ns = fields.duration_ns("delayAbortEval", default="0s", low="0s", high=DELAY_MAX)
    fields.done()
    if not text:
        fields.problem("threshold", "is missing", 'such as "p(95)<300"')
        return None, None
    if after_ns and not ends:
        fields.problem("delayAbortEval", "says nothing without abortOnFail", '"abortOnFail": true')
    return text, Abort(after_ns=after_ns) if ends else None
