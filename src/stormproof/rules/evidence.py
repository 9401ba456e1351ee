"""How much evidence an objective needs, and whether a plan can give it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from stormproof.kernel.units import SECOND_NS
from stormproof.model.objective import Aggregation, Objective, Operator
from stormproof.model.plan import NotJudged, Plan, Scenario
from stormproof.rules.catalog import GENERATOR, PROBES, Reading, metric_of
from stormproof.rules.drill_metrics import OF_DISTURBANCE
from stormproof.rules.promise import Line, Span, least_promised, lines_of, planned_spans, promised

TAIL_SAMPLES: Final = 10  # that must lie beyond a percentile before it means something
RULE_OF_THREE: Final = 3.0  # n trials without an event bound its rate by 3/n at 95 %
MEAN_SAMPLES: Final = 30
SAMPLES_MAX: Final = 10**15  # more than any run gives, for bars next to nothing
HEADROOM: Final = 1.2  # a plan must promise this much more than is needed
SLOPE_STEP_S: Final = 10  # a point of a slope says what these seconds were together
SLOPE_SAMPLES: Final = 30
SLOPE_SPAN_S: Final = 600  # a slope by the hour from less would be a guess


def samples_needed(
    aggregation: Aggregation,
    percentile: float,
    operator: Operator,
    bar: float,
    *,
    share: bool = True,
) -> int:
    """Return how many samples a threshold needs before its answer means something.

    A percentile needs ten samples beyond it. A share that must stay under `bar` needs 3/bar: with
    fewer, even no event at all would not show it (the rule of three); over `bar`, 3/(1 - bar).
    `share` False: the rate is a count per second, where one sample will do.

    Source: Hanley and Lippman-Hand, "If nothing goes wrong, is everything all right?", JAMA 1983.
    """
    if aggregation in ("p", "med"):
        beyond = 1 - (percentile if aggregation == "p" else 50.0) / 100
        return _ceil(TAIL_SAMPLES / beyond) if beyond > 0 else 1
    if aggregation == "avg":
        return MEAN_SAMPLES
    if aggregation == "slope":
        return SLOPE_SAMPLES
    if aggregation == "rate" and share:
        room = 1 - bar if operator in (">", ">=") else bar
        return _ceil(RULE_OF_THREE / room) if 0 < room < 1 else 1
    return 1


def readings_needed(
    aggregation: Aggregation,
    percentile: float,
    operator: Operator,
    bar: float,
    *,
    share: bool = False,
) -> int:
    """Return how many samples a threshold on a source's figure needs.

    Percentiles and shares need as many observations of the source as they would of ours; what a
    counter has grown by needs two readings, what a gauge is needs one.
    """
    if aggregation == "slope":
        return SLOPE_SAMPLES
    if aggregation in ("p", "med") or share:
        return samples_needed(aggregation, percentile, operator, bar)
    return 2 if aggregation in ("count", "rate") else 1


def _ceil(quotient: float) -> int:
    """Round up what is not already whole but for the last bits of a float."""
    return max(1, math.ceil(round(min(quotient, SAMPLES_MAX), 6)))


def expected_samples(plan: Plan, objective: Objective) -> int | None:
    """Return how many samples `plan` promises an objective; None when the plan cannot say.

    One operation an iteration is promised, and one answer an interval of a probe. Of an objective
    that is asked of stretches, it is what the poorest of them is promised.
    """
    known, spans = metric_of(objective), planned_spans(plan, objective.window)
    if known.reading is Reading.MEASURED or known.is_observed:
        return None
    if objective.custom is not None or spans is None:
        return None
    window_s = _asked_s(objective, spans)
    if objective.aggregation == "slope":
        return int(window_s / SLOPE_STEP_S)
    if known.base == PROBES:
        return _expected_answers(plan, objective.tags.get("probe", ""), window_s)
    if known.base == GENERATOR:
        return int(window_s)
    scenarios = _scenarios_with(plan, objective.tags)
    if scenarios is None:
        return None
    lines: list[Line] = []
    for one in scenarios:
        paced = lines_of(one)
        if paced is None:
            return None
        lines += paced
    if objective.stretch is None:
        return _whole(promised(lines, spans))
    return _whole(least_promised(lines, spans, objective.stretch.seconds))


def _whole(count: float) -> int:
    """Round down what is not already whole but for the last bits of a float."""
    return int(round(count, 6))


def _asked_s(objective: Objective, spans: Sequence[Span]) -> float:
    """Return over how many seconds an objective asks once: its window, or a stretch of it."""
    window_s = sum(end_s - start_s for start_s, end_s in spans)
    return window_s if objective.stretch is None else min(window_s, objective.stretch.seconds)


def _scenarios_with(plan: Plan, tags: Mapping[str, str]) -> list[Scenario] | None:
    """Return the scenarios that tags pick; None where they pick some of a journey's operations."""
    named = tags.get("scenario")
    own = {key: value for key, value in tags.items() if key not in ("scenario", "name")}
    if (named is None and "name" in tags) or any(
        key not in one.tags for key in own for one in plan.scenarios
    ):
        return None
    return [
        one
        for one in plan.scenarios
        if named in (None, one.name) and own.items() <= one.tags.items()
    ]


def _expected_answers(plan: Plan, probe: str, window_s: float) -> int | None:
    interval_ns = next((one.interval_ns for one in plan.probes if one.name == probe), 0)
    return int(window_s * SECOND_NS / interval_ns) if interval_ns else None


def decide_not_judged(
    plan: Plan, objectives: Iterable[Objective]
) -> tuple[list[Objective], list[NotJudged]]:
    """Split objectives into those that `plan` can decide and those that it cannot, with why.

    Pure over the plan, so that nothing joins the list after the run. What the plan cannot foresee
    is kept: the run decides whether its evidence was enough.
    """
    kept: list[Objective] = []
    not_judged: list[NotJudged] = []
    for objective in objectives:
        why = _why_not(plan, objective)
        if why:
            not_judged.append(NotJudged(objective=objective.name, why=why, exact=objective.exact))
        else:
            kept.append(objective)
    return kept, not_judged


def _why_not(plan: Plan, objective: Objective) -> str:
    about_faults = (
        objective.window in ("fault", "recovery", "disturbed")
        or "fault" in metric_of(objective).tags
        or objective.metric in OF_DISTURBANCE
    )
    if about_faults and not plan.faults:
        return "the plan has no fault"
    too_short = _why_too_short(plan, objective)
    if too_short:
        return too_short
    expected = expected_samples(plan, objective)
    if plan.scope == "reduced" and _is_floor(objective) and not _in_reach(plan, objective):
        return f"a reduced run is not meant to reach {objective.bar:g}{objective.unit}"
    if expected is None or objective.exact:
        return ""
    if not is_counted(objective) and expected < objective.samples_min * HEADROOM:
        within = "" if objective.stretch is None else f" {objective.stretch.seconds} s of"
        return (
            f"about {expected} samples expected in{within} window {objective.window},"
            f" {objective.samples_min} needed"
        )
    return ""


def _why_too_short(plan: Plan, objective: Objective) -> str:
    spans = planned_spans(plan, objective.window)
    if objective.aggregation == "slope" and spans is not None:
        total_s, needed_s = _asked_s(objective, spans), SLOPE_SPAN_S * HEADROOM
        lasts = f"window {objective.window} lasts about {total_s:.3g} s"
        return "" if total_s >= needed_s else f"{lasts}, a slope needs {needed_s:.0f} s"
    if objective.stretch is None or spans is None:
        return ""
    longest_s = max((end_s - start_s for start_s, end_s in spans), default=0.0)
    if longest_s >= objective.stretch.seconds:
        return ""
    long = f"{objective.stretch.seconds} s in a row"
    return f"window {objective.window} lasts about {longest_s:.3g} s, so it never holds {long}"


def is_counted(objective: Objective) -> bool:
    """Return whether an objective counts what happened: once its metric is seen, none is a zero."""
    return objective.aggregation == "count" or (
        objective.aggregation == "rate" and not metric_of(objective).is_share
    )


def _is_floor(objective: Objective) -> bool:
    return is_counted(objective) and objective.operator in (">", ">=")


def _is_any(objective: Objective) -> bool:
    return objective.bar == 0 if objective.operator == ">" else objective.bar <= 1


def _in_reach(plan: Plan, objective: Objective) -> bool:
    """Return whether a plan promises what a floor asks for, in number or a second; that there be
    any at all is asked at every scale."""
    if objective.aggregation == "count" and _is_any(objective):
        return True
    expected, spans = expected_samples(plan, objective), planned_spans(plan, objective.window)
    if expected is None or not spans:
        return False
    if objective.aggregation == "rate":
        return objective.bar <= expected / _asked_s(objective, spans)
    return objective.bar <= expected
