"""Records of a target that says something of itself, in a line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.builders import at, healthy_record, plan

from stormproof.kernel.units import SECOND_NS
from stormproof.model.observed import ObservedKind
from stormproof.model.plan import PlannedSource
from stormproof.model.reading import ObservedSeries, SourceReading
from stormproof.model.record import Record
from stormproof.rules.tags import parse_metric

TARGET = PlannedSource(
    name="target", path="/metrics", interval_ns=5 * SECOND_NS, timeout_ns=SECOND_NS
)
COUNTED = ("_total", "_bucket", "_count", "_sum")
Said = Mapping[str, float] | str  # figures, or why there are none


def every_5_s(start: Mapping[str, float], step: Mapping[str, float]) -> list[tuple[float, Said]]:
    """Return readings from before the load to after it; each figure grows by its step."""
    return [
        (tick * 5.0, {name: value + tick * step.get(name, 0.0) for name, value in start.items()})
        for tick in range(9)
    ]


def at_edges(start: Mapping[str, float], step: Mapping[str, float]) -> list[tuple[float, Said]]:
    """Return such readings, of which one is moved to the start of the load, at 4 s, and one more is
    of the end of the run."""
    every = every_5_s(start, step)
    return [every[0], (4.0, every[1][1]), *every[2:], (42.0, every[-1][1])]


def observed(
    said: Sequence[tuple[float, Said]], planned: PlannedSource = TARGET, **changes: Any
) -> Record:
    """Return a healthy record whose target, or another source, said `said`, each at seconds since
    the load's start.

    Figures are spelt as in objectives: `requests_total{status:200}`.
    """
    series: dict[str, ObservedSeries] = {}
    readings = []
    for at_s, one in said:
        figures = {} if isinstance(one, str) else one
        for text in figures:
            name, tags = parse_metric(text)
            kind = ObservedKind.COUNTER if name.endswith(COUNTED) else ObservedKind.GAUGE
            series.setdefault(
                text,
                ObservedSeries(
                    id=len(series), source=planned.name, name=name, tags=tags, kind=kind
                ),
            )
        readings.append(
            SourceReading(
                source=planned.name,
                start_ns=at(at_s),
                end_ns=at(at_s),
                error=one if isinstance(one, str) else "",
                ids=[series[text].id for text in figures],
                values=list(figures.values()),
            )
        )
    fields: dict[str, Any] = {
        "observed": {one.id: one for one in series.values()},
        "readings": tuple(readings),
        **changes,
    }
    return healthy_record(plan(sources=(planned,)), **fields)
