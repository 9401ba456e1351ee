"""What a source's gauge said over the calm of a run: memory, descriptors, threads, connections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stormproof.checks.bench import Bench, Doubt
from stormproof.kernel.units import SECOND_NS
from stormproof.model.objective import Objective
from stormproof.model.observed import ObservedKind
from stormproof.rules.against import against_any
from stormproof.rules.figures import Figures, Span, figures_of
from stormproof.rules.observed import matching, names_for
from stormproof.rules.windows import spans_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """Values by instant (nanoseconds, rising), and what speaks against them."""

    at_ns: Sequence[int]
    values: Sequence[float]
    doubt: Doubt | None


def gauge_readings(objective: Objective, bench: Bench, seconds: set[int]) -> Sampled:
    """Return the readings of a source's gauge within `seconds`: the sum of all series that fit.

    A reading that lacks one of them is left out: a process that is away has no memory, and what
    the others have is not the sum.
    """
    source, _, name = objective.metric.partition(":")
    planned = next((one for one in bench.record.plan.sources if one.name == source), None)
    if planned is None:
        why = f"this run read no figures of {source}"
        return _nothing(why, "name it under `sources` of the profile")
    figures = figures_of(source, bench.record.observed, bench.record.readings, names_for(objective))
    ids = matching(figures, name, objective.tags, ObservedKind.GAUGE)
    if not ids:
        return _nothing(*_unseen(objective, figures, name))
    origin_ns = bench.windows.origin_ns or 0
    spans = [
        (origin_ns + start * SECOND_NS, origin_ns + stop * SECOND_NS)
        for start, stop in spans_of(seconds)
    ]
    whole = replace(
        figures,
        instants=[one for one in figures.instants if all(key in one.values for key in ids)],
    )
    rows = whole.within(spans)
    return Sampled(
        at_ns=[one.at_ns for one in rows],
        values=[sum(one.values[key] for key in ids) for one in rows],
        doubt=_doubt(objective, (whole, figures), spans, planned.interval_ns, ids),
    )


def _doubt(
    objective: Objective,
    read: Sequence[Figures],
    spans: Sequence[Span],
    interval_ns: int,
    ids: list[int],
) -> Doubt | None:
    """Return why the readings that hold the sum are not all of it, or not of all the time.

    Args:
        objective: what is asked.
        read: the figures, of the readings that hold all series alone, and of all.
        spans: of the calm.
        interval_ns: how often the source was to be read.
        ids: the series that are added up.
    """
    for one in read:
        found = against_any(objective, one, spans, interval_ns, ids) if one.instants else None
        if found is not None:
            return Doubt(why=found.why, remedy=found.remedy)
    return None


def _nothing(why: str, remedy: str) -> Sampled:
    return Sampled(at_ns=(), values=(), doubt=Doubt(why=why, remedy=remedy))


def _unseen(objective: Objective, figures: Figures, name: str) -> tuple[str, str]:
    """Say that there is no such gauge, and what there is under its name."""
    kinds = {one.kind for one in figures.series.values() if one.name == name}
    if ObservedKind.COUNTER in kinds:
        return f"{objective.metric} is a counter", "a slope is of a gauge; ask for its rate"
    if kinds:
        return f"{objective.metric} was never seen with these tags", "check the tags"
    return f"{objective.metric} was never seen", "check its name against the source's answer"
