"""How much evidence an objective needs, and whether a plan can give it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from stormproof.kernel.units import SECOND_NS
from stormproof.model.objective import Aggregation, Objective, Operator
from stormproof.model.plan import NotJudged, Plan, Scenario
from stormproof.rules.catalog import GENERATOR, PROBES, Reading, metric_of

TAIL_SAMPLES: Final = 10  # that must lie beyond a percentile before it means something
RULE_OF_THREE: Final = 3.0  # n trials without an event bound its rate by 3/n at 95 %
MEAN_SAMPLES: Final = 30
SAMPLES_MAX: Final = 10**15  # more than any run gives, for bars next to nothing
HEADROOM: Final = 1.2  # a plan must promise this much more than is needed
RESTART_S: Final = 1.0  # what a fault that ends by itself is taken to last
EDGE_S: Final = 2.0  # seconds that a fault touches besides those it lasts


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
    if aggregation == "rate" and share:
        room = 1 - bar if operator in (">", ">=") else bar
        return _ceil(RULE_OF_THREE / room) if 0 < room < 1 else 1
    return 1


def _ceil(quotient: float) -> int:
    """Round up what is not already whole but for the last bits of a float."""
    return max(1, math.ceil(round(min(quotient, SAMPLES_MAX), 6)))


def expected_samples(plan: Plan, objective: Objective) -> int | None:
    """Return how many samples `plan` promises an objective; None when the plan cannot say.

    One operation an iteration is promised, and one answer an interval of a probe. A closed
    scenario paces itself when its environment gives `pace_s`, the seconds from one iteration of a
    user to the next.
    """
    known = metric_of(objective)
    window_s = planned_window_s(plan, objective)
    if known.reading is Reading.MEASURED or objective.custom is not None or window_s is None:
        return None
    if objective.stretch is not None:
        window_s = min(window_s, objective.stretch.seconds)
    if known.base == PROBES:
        return _expected_answers(plan, objective.tags.get("probe", ""), window_s)
    if known.base == GENERATOR:
        return int(window_s)
    scenarios = _scenarios_with(plan, objective.tags)
    if scenarios is None:
        return None
    rates = [iterations_per_s(one) for one in scenarios]
    known_rates = [rate for rate in rates if rate is not None]
    if len(known_rates) < len(rates):
        return None
    return int(sum(known_rates) * window_s)


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


def iterations_per_s(scenario: Scenario) -> float | None:
    """Return how many iterations a scenario starts a second, None when nothing paces it."""
    if scenario.executor == "constant-arrival-rate":
        return scenario.rate * SECOND_NS / scenario.time_unit_ns
    if scenario.executor != "constant-vus":
        return None
    try:
        pace_s = float(scenario.env["pace_s"])
    except (KeyError, ValueError):
        return None
    return scenario.vus / pace_s if pace_s > 0 else None


def planned_window_s(plan: Plan, objective: Objective) -> float | None:
    """Return how long the window of an objective will last; None when only the run can tell.

    A disturbed window lasts at least as long as its faults, which is all that a plan promises.
    """
    load_s = max(0.0, (plan.duration_ns - plan.warmup_ns) / SECOND_NS)
    fault_s = sum(one.for_ns / SECOND_NS or RESTART_S for one in plan.faults)
    first_ns = min((one.at_ns for one in plan.faults), default=plan.duration_ns)
    lengths = {
        "warmup": plan.warmup_ns / SECOND_NS,
        "load": load_s,
        "run": plan.duration_ns / SECOND_NS,
        "steady": max(0.0, (first_ns - plan.warmup_ns) / SECOND_NS),
        "fault": fault_s,
        "calm": max(0.0, load_s - fault_s - EDGE_S * len(plan.faults)),
        "recovery": None if plan.faults else 0.0,
        "disturbed": fault_s,
    }
    return lengths[objective.window]


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
            not_judged.append(NotJudged(objective=objective.name, why=why))
        else:
            kept.append(objective)
    return kept, not_judged


def _why_not(plan: Plan, objective: Objective) -> str:
    about_faults = (
        objective.window in ("fault", "recovery", "disturbed")
        or "fault" in metric_of(objective).tags
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
    window_s = planned_window_s(plan, objective)
    if objective.stretch is None or window_s is None or window_s >= objective.stretch.seconds:
        return ""
    long = f"{objective.stretch.seconds} s in a row"
    return f"window {objective.window} lasts about {window_s:.3g} s, so it never holds {long}"


def is_counted(objective: Objective) -> bool:
    """Return whether an objective counts what happened: once its metric is seen, none is a zero."""
    return objective.aggregation == "count" or (
        objective.aggregation == "rate" and not metric_of(objective).is_share
    )


def _is_floor(objective: Objective) -> bool:
    return is_counted(objective) and objective.operator in (">", ">=")


def _in_reach(plan: Plan, objective: Objective) -> bool:
    """Return whether a plan promises what a floor asks for, in number or a second."""
    expected = expected_samples(plan, objective)
    window_s = planned_window_s(plan, objective)
    if expected is None or not window_s:
        return False
    return objective.bar <= (expected / window_s if objective.aggregation == "rate" else expected)
