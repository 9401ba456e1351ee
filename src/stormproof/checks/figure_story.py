"""The story of an objective on a source's figures: what was read, and between which readings it was
worst."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from stormproof.checks.wording import counted
from stormproof.kernel.units import SECOND_NS
from stormproof.model.objective import Objective
from stormproof.model.record import Record
from stormproof.rules.aggregate import NO_VALUE, Value
from stormproof.rules.answering import answer
from stormproof.rules.bar import badness
from stormproof.rules.catalog import metric_of
from stormproof.rules.figures import Figures, Instant, Span, figures_of
from stormproof.rules.observed import names_for
from stormproof.rules.windows import Windows, spans_of

PAIRS_MAX: Final = 200  # of more readings some are taken together
_Worst = tuple[Instant, Instant, Value]


def tell_figure(
    record: Record, windows: Windows, asked: Objective, seconds: set[int]
) -> tuple[list[str], int | None]:
    """Return what was read for an objective on a figure, and the second of the worst of it.

    Args:
        record: everything observed.
        windows: what instants are told by.
        asked: the objective.
        seconds: those of its window.
    """
    source = asked.metric.partition(":")[0]
    planned = next((one for one in record.plan.sources if one.name == source), None)
    origin_ns = windows.origin_ns
    if planned is None or origin_ns is None:
        return [], None
    figures = figures_of(source, record.observed, record.readings, names_for(asked))
    spans = [
        (origin_ns + low * SECOND_NS, origin_ns + high * SECOND_NS)
        for low, high in spans_of(seconds)
    ]
    facts = list(_readings(record, windows, source, spans))
    found = list(_between(asked, figures, spans, planned.interval_ns))
    if not found or asked.aggregation == "slope":
        return facts, None
    begin, end, value = max(found, key=lambda one: badness(asked, one[2]))
    number = "no end" if value.value is None else f"{value.value:.4g} {asked.unit}".rstrip()
    at_s, to_s = windows.at_s(begin.at_ns), windows.at_s(end.at_ns)
    samples = counted(value.samples, "sample")
    facts.append(f"worst between two readings: {at_s:.3f} to {to_s:.3f} s, {number} of {samples}")
    return facts, int(at_s)


def _readings(
    record: Record, windows: Windows, source: str, spans: Sequence[Span]
) -> Iterator[str]:
    """Tell how often a source was read in the window, and when it did not answer."""
    mine = [one for one in record.readings if one.source == source]
    mine = [one for one in mine if any(low <= one.at_ns <= high for low, high in spans)]
    silent = [one for one in mine if one.error]
    told = f"{source} was read {counted(len(mine), 'time')} in the window"
    if silent:
        first = silent[0]
        told += f", {len(silent)} of them without an answer (first at"
        told += f" {windows.at_s(first.at_ns):.3f} s: {first.error})"
    yield told


def _between(
    asked: Objective, figures: Figures, spans: Sequence[Span], interval_ns: int
) -> Iterator[_Worst]:
    """Yield what the objective would be worth between readings that follow each other."""
    reading = metric_of(asked).reading
    single = msgspec.structs.replace(asked, stretch=None)
    for span in spans:
        inside = figures.within([span])
        step = max(1, -(-len(inside) // PAIRS_MAX))
        for begin, end in pairwise(inside[::step]):
            pair = [(begin.at_ns, end.at_ns)]
            value = answer(single, reading, figures, pair, interval_ns).value
            if value.beyond != NO_VALUE:
                yield begin, end, value
