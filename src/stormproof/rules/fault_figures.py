"""Figures of sources around a fault: which an objective names, and whether a plan reads them.

An objective names them in its tags, each with tags of its own:
`figure_resumed_s{fault:cut,figure:dispatcher:relayed_total}`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from stormproof.model.objective import Objective
from stormproof.model.observed import is_observed
from stormproof.model.plan import Plan
from stormproof.rules.metric import COUNT_ASKED, SECONDS_ASKED, Metric, Reading
from stormproof.rules.tags import parse_metric

RESUMED: Final = "figure_resumed_s"
TAKEOVER: Final = "takeover_off"
FIGURE: Final = "figure"
HELD: Final = "held"
TAKEN: Final = "taken"
FAULT_FIGURES: Final = (
    Metric(
        name=RESUMED,
        doc="Longest time from a fault's undo to the first reading at which a counter had grown.",
        reading=Reading.MEASURED,
        unit="s",
        aggregations=SECONDS_ASKED,
        tags=frozenset({"fault", FIGURE}),
        needed=frozenset({FIGURE}),
        timed=False,
    ),
    Metric(
        name=TAKEOVER,
        doc="By how much what was taken over after a fault differs from what was held during it.",
        reading=Reading.MEASURED,
        unit="",
        aggregations=COUNT_ASKED,
        tags=frozenset({"fault", HELD, TAKEN}),
        needed=frozenset({"fault", HELD, TAKEN}),
        timed=False,
    ),
)


def figures_named(objective: Objective) -> list[str]:
    """Return the figures that an objective names in its tags, as written."""
    if objective.metric not in (RESUMED, TAKEOVER):
        return []
    return [objective.tags[key] for key in (FIGURE, HELD, TAKEN) if key in objective.tags]


def sources_asked(objective: Objective) -> set[str]:
    """Return the sources whose figures an objective needs."""
    return {
        name.partition(":")[0]
        for name in (objective.metric, *figures_named(objective))
        if is_observed(name.partition("{")[0])
    }


def figure_problems(objective: Objective, plan: Plan) -> Iterator[str]:
    """Say which of the figures that an objective names in its tags are none that the plan reads."""
    read = {one.name for one in plan.sources}
    for text in figures_named(objective):
        try:
            name, _ = parse_metric(text)
        except ValueError as error:
            yield f"{objective.name}: {error}"
            continue
        if not is_observed(name):
            yield f"{objective.name}: {text!r} is no figure of a source, like target:requests_total"
        elif name.partition(":")[0] not in read:
            known = ", ".join(sorted(read))
            yield f"{objective.name}: the plan reads no figures for {text!r}; it reads: {known}"
