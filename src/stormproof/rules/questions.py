"""Can this be asked, and will a plan answer it? Every text says what would be right.

A misspelt metric, tag, or value of a tag must never pass because it saw nothing: what a plan knows
beforehand is refused here, the rest is undecided when it was never seen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from stormproof.model.metric import CustomMetric
from stormproof.model.objective import Aggregation, Objective
from stormproof.model.observed import SOURCES, is_observed
from stormproof.model.plan import Plan
from stormproof.model.tag import GROUP
from stormproof.rules.catalog import (
    CATALOG,
    PROBES,
    Metric,
    Reading,
    custom_metric,
    metric_of,
    observed_metric,
)
from stormproof.rules.fault_figures import figure_problems
from stormproof.rules.fold import STATUS
from stormproof.rules.history_metrics import ORPHANED, STORED, STORED_APART, WHAT

PSEUDO_TAGS: Final = ("window", "over", "every", "for")  # they pick seconds, and are no tags
LIVE_WINDOWS: Final = ("warmup", "load", "steady", "run")  # known while the run goes on
# What k6 knows and we do not: the beginning of a name, and why.
NOT_MEASURED: Final = {
    "browser_": "stormproof renders no pages while it drives load",
    "grpc_": "stormproof speaks HTTP and WebSockets only",
}

TAGS_OF_K6: Final = {  # that say here what something else says
    "expected_response": "what was not expected counts in http_req_failed",
    "method": "it begins the name, as in {name:GET /path}",
    "url": "ask by the name, which is the path's template, as in {name:GET /path}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a plan adds to the catalog: tag keys of its scenarios, metrics of its journeys."""

    tags: frozenset[str] = frozenset()
    metrics: Mapping[str, CustomMetric] = field(default_factory=dict)

    def metric(self, name: str) -> Metric | None:
        """Return a metric by its name, the catalog's or the plan's; None when there is none."""
        if name in CATALOG:
            return CATALOG[name]
        if is_observed(name):
            return observed_metric(name)
        return custom_metric(self.metrics[name]) if name in self.metrics else None


NOTHING_DECLARED: Final = Declared()


def declared_by(plan: Plan) -> Declared:
    """Return what a plan adds to the catalog."""
    return Declared(
        tags=frozenset({GROUP, *plan.tags, *_scenario_tags(plan)}),
        metrics={
            metric.name: metric
            for metric in (
                *plan.metrics,
                *(one for own in plan.own_checkers for one in own.metrics),
            )
        },
    )


def _scenario_tags(plan: Plan) -> frozenset[str]:
    return frozenset(key for scenario in plan.scenarios for key in scenario.tags)


def suggestion(word: str, known: Collection[str]) -> str:
    """Say which known word was probably meant, or list all of them."""
    near = get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known)) or 'none'}"


def question_problems(
    metric: str,
    tags: Iterable[str],
    aggregation: Aggregation,
    declared: Declared = NOTHING_DECLARED,
) -> list[str]:
    """Return all that is wrong with asking `aggregation` of `metric` with the tag keys `tags`."""
    known = declared.metric(metric)
    if known is None:
        return [_unknown(metric, declared)]
    given = list(tags)
    askable = known.tags | (declared.tags if known.carries_declared_tags else frozenset())
    problems = [
        f"{metric} has no tag {tag!r}: {_instead(tag, askable)}"
        for tag in given
        if tag not in askable and not known.is_observed
    ]
    problems += [
        f"{metric} needs its tag {tag!r}: write it as {metric}{{{tag}:name}}"
        for tag in sorted(known.needed - set(given))
    ]
    if aggregation not in known.aggregations:
        words = ", ".join(sorted("p(N)" if a == "p" else a for a in known.aggregations))
        problems.append(f"{metric} cannot be asked for {aggregation!r}: use {words}")
    return problems


def _instead(tag: str, askable: AbstractSet[str]) -> str:
    return TAGS_OF_K6.get(tag) or suggestion(tag, askable | set(PSEUDO_TAGS))


def _unknown(metric: str, declared: Declared) -> str:
    for beginning, why in NOT_MEASURED.items():
        if metric.startswith(beginning):
            return f"there is no metric {metric!r}: {why}"
    source, colon, _ = metric.partition(":")
    if colon:
        return f"there is no source {source!r} of {metric!r}: {suggestion(source, SOURCES)}"
    names = {*CATALOG, *declared.metrics}
    return f"there is no metric {metric!r}: {suggestion(metric, names)}"


def problems_of(objective: Objective, plan: Plan) -> list[str]:
    """Return what is wrong with an objective under a plan: values it has not, seconds it lacks."""
    return [
        *question_problems(
            objective.metric, objective.tags, objective.aggregation, declared_by(plan)
        ),
        *_unknown_values(objective, plan),
        *_status_problems(objective),
        *_unmeasured(objective, plan),
        *_unread(objective, plan),
        *_abort_problems(objective, "stop" if objective in plan.stops else "abortOnFail"),
        *figure_problems(objective, plan),
    ]


def _unknown_values(objective: Objective, plan: Plan) -> Iterator[str]:
    if metric_of(objective).is_observed:
        return  # its tags are the source's own, whatever they are called
    there = {
        "scenario": {one.name for one in plan.scenarios},
        "fault": {one.name for one in plan.faults},
        "probe": {one.name for one in plan.probes},
        "hypothesis": {one.name for one in plan.hypotheses},
        "slo": {one.name for one in plan.slos},
    }
    for scenario in plan.scenarios:
        for key, value in scenario.tags.items():
            if key in plan.tags:
                continue  # its journeys may set other values
            there.setdefault(key, set()).add(value)
    for key, known in there.items():
        asked = objective.tags.get(key)
        if asked is not None and asked not in known:
            yield f"{objective.name}: the plan has no {key} {asked!r}: {suggestion(asked, known)}"


def _status_problems(objective: Objective) -> Iterator[str]:
    status = objective.tags.get(STATUS)
    if status is None or status == "0" or metric_of(objective).is_observed:
        return
    if not (len(status) == 3 and status.isdecimal()):
        right = "three digits, or 0 for no answer at all"
        yield f"{objective.name}: {status!r} is no status: {right}"


def _unmeasured(objective: Objective, plan: Plan) -> Iterator[str]:
    known = CATALOG.get(objective.metric)
    if objective.aggregation == "slope" and objective in plan.gate:
        yield f"{objective.name}: the gate sees too little time for a slope"
    if known is not None and known.base == PROBES and objective in plan.gate:
        yield f"{objective.name}: the gate sees the load alone, not the probes"
    yield from _unstored(objective, plan)
    if objective.metric.startswith(("delivery_", "messages_")) and "delivery" not in plan.checkers:
        yield f"{objective.name}: the trial has no checker 'delivery' to measure it"


def _unstored(objective: Objective, plan: Plan) -> Iterator[str]:
    """Find questions about final reads that the trial does not make."""
    reads = plan.final_reads
    known = {
        **dict.fromkeys(STORED, ("of=KEY", [one.name for one in reads if one.of])),
        STORED_APART: ("same_as=READ", [one.name for one in reads if one.same_as]),
        ORPHANED: (
            "empty=True or without=KEY",
            [one.name for one in reads if one.empty or one.without],
        ),
    }
    if objective.metric not in known:
        return
    written, names = known[objective.metric]
    asked = objective.tags.get(WHAT)
    if not names:
        yield f"{objective.name}: the trial has no final read with {written}"
    elif asked is not None and asked not in names:
        what = f"{objective.name}: no final read {asked!r} with {written}"
        yield f"{what}: {suggestion(asked, names)}"


def _unread(objective: Objective, plan: Plan) -> Iterator[str]:
    """Find figures of sources that the plan does not read, or that the gate cannot see."""
    if not metric_of(objective).is_observed:
        return
    source, known = objective.metric.partition(":")[0], {one.name for one in plan.sources}
    if source not in known:
        what = f"the plan reads no figures of {source!r}"
        yield f"{objective.name}: {what}: {suggestion(source, known)}"
    if objective in plan.gate:
        yield f"{objective.name}: the gate sees the load alone, not the figures of {source}"


def _abort_problems(objective: Objective, power: str) -> Iterator[str]:
    """Find what abortOnFail, or `stop`, cannot decide in a run, from the frames alone."""
    if objective.abort is None:
        return
    name = f"{objective.name}: {power}"
    metric = metric_of(objective)
    if metric.reading is Reading.MEASURED or metric.base == PROBES or metric.is_observed:
        yield f"{name} sees the load alone, and {objective.metric} is no metric of it"
    elif objective.aggregation == "slope":
        yield f"{name} cannot decide a slope before its time is over: use p(95) or avg"
    elif objective.window not in LIVE_WINDOWS:
        yield f"{name} cannot know window:{objective.window} beforehand: use window:load or steady"
    if (
        objective.aggregation == "count"
        and objective.operator in (">", ">=", "!=")
        and objective.stretch is None
    ):
        yield f"{name} cannot end a run for a count that it has not reached yet: ask for its rate"
