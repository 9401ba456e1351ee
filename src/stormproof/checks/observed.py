"""Answer objectives on what the target, or another source, says of itself."""

from __future__ import annotations

from dataclasses import replace

from stormproof.checks.bench import (
    Bench,
    Doubt,
    doubt_record,
    doubt_samples,
    doubt_validity,
    evidence_of,
    handicapped,
    judged_of,
)
from stormproof.kernel.units import SECOND_NS
from stormproof.model.objective import Objective
from stormproof.model.record import Record
from stormproof.model.verdict import Judged
from stormproof.rules.aggregate import Value
from stormproof.rules.answering import answer
from stormproof.rules.asked import Told
from stormproof.rules.catalog import metric_of
from stormproof.rules.figures import Span, figures_of
from stormproof.rules.observed import names_for
from stormproof.rules.windows import spans_of


def judge_observed(objective: Objective, bench: Bench) -> Judged:
    """Answer an objective on a source's figures.

    Evidence is asked first: was the source read all through, is the figure there, of a kind that
    answers this? Then the value counts; that of a quantile is shown with the ends of its bucket.
    """
    seconds = bench.windows.seconds(objective.window)
    told = _told(objective, bench.record, _spans(seconds, bench.windows.origin_ns or 0))
    doubt = (
        doubt_record(objective, bench, seconds)
        or (Doubt(why=told.why, remedy=told.remedy) if told.why else None)
        or doubt_samples(objective, told.value)
        or _doubt_load(objective, bench, seconds, told.value)
    )
    evidence = evidence_of(objective, told.value.samples, seconds)
    return judged_of(objective, told.value, doubt, evidence)


def _spans(seconds: set[int], origin_ns: int) -> list[Span]:
    return [
        (origin_ns + first * SECOND_NS, origin_ns + last * SECOND_NS)
        for first, last in spans_of(seconds)
    ]


def _told(objective: Objective, record: Record, spans: list[Span]) -> Told:
    source = objective.metric.partition(":")[0]
    planned = next((one for one in record.plan.sources if one.name == source), None)
    if planned is None:
        return Told(why=f"this run read no figures of {source}", remedy="name it under `sources`")
    names = names_for(objective)
    figures = figures_of(source, record.observed, record.readings, names)
    reading = metric_of(objective).reading
    told = answer(objective, reading, figures, spans, planned.interval_ns)
    if told.why and not figures.instants:
        errors = [one.error for one in record.readings if one.source == source and one.error]
        return replace(told, remedy=errors[-1] if errors else told.remedy)
    return told


def _doubt_load(
    objective: Objective, bench: Bench, seconds: set[int], value: Value
) -> Doubt | None:
    """Return why the load was not what was planned, so that the figures are of something else.

    Where the host alone took the core, the workers were on time all the same: a ceiling on times or
    on failures that was met is met, and nothing else is.
    """
    bench = handicapped(objective, bench, value)
    load = seconds & (bench.windows.seconds("load") | bench.windows.seconds("warmup"))
    return doubt_validity(bench, load) if load else None
