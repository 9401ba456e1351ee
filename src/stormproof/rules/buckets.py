"""Quantiles of histograms, classic and native: which of them answer, added up before they do.

Where every histogram of a name has native buckets these answer, because they are finer; else its
classic ones do. Some of the one kind beside others of the other kind cannot be added up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from stormproof.model.observed import ObservedKind
from stormproof.model.reading import ObservedSeries
from stormproof.rules.aggregate import Value
from stormproof.rules.asked import Question, Told, idle, short_of, told_of
from stormproof.rules.between import quantile_between
from stormproof.rules.figures import (
    Instant,
    Quantile,
    increases_of,
    native_growth_of,
    quantile_of,
)
from stormproof.rules.native import alike, cumulative
from stormproof.rules.observed import BOUND, bound_of

UNPLACED_SHARE_MAX: Final = 1e-6  # of what was observed: more than counts in parts are rounded by
Labels = frozenset[tuple[str, str]]


class Histograms(NamedTuple):
    """The series that answer: native ones, or the buckets of classic ones."""

    series: Mapping[int, ObservedSeries]
    is_native: bool

    def counted(self, *groups: Sequence[Sequence[Instant]]) -> list[dict[float, float]]:
        """Return for each group of brackets: upper bound -> how many were not above it, of all
        series together; native ones on one scale."""
        if self.is_native:
            grown = [native_growth_of(one, self.series) for one in groups]
            return [cumulative(one) for one in alike(grown)]
        return [self._added_up(one) for one in groups]

    def _added_up(self, brackets: Sequence[Sequence[Instant]]) -> dict[float, float]:
        buckets: dict[float, float] = {}
        for key, one in self.series.items():
            bound = bound_of(one)
            if bound is not None:
                buckets[bound] = buckets.get(bound, 0.0) + increases_of(brackets, [key])
        return buckets


def histograms_of(series: Mapping[int, ObservedSeries]) -> Histograms | None:
    """Choose among all series of a histogram; None where no kind has all of them.

    Args:
        series: native ones and classic buckets; others are passed over.
    """
    native = {key: one for key, one in series.items() if one.kind is ObservedKind.NATIVE}
    classic = {
        key: one
        for key, one in series.items()
        if one.kind is ObservedKind.COUNTER and BOUND in one.tags
    }
    have = ({_labels(one) for one in native.values()}, {_labels(one) for one in classic.values()})
    if native and have[0] >= have[1]:
        return Histograms(native, is_native=True)
    return Histograms(classic, is_native=False) if classic and have[1] >= have[0] else None


def _labels(series: ObservedSeries) -> Labels:
    return frozenset(one for one in series.tags.items() if one[0] != BOUND)


def quantile_in(
    share: float, series: Mapping[int, ObservedSeries], instants: Sequence[Instant]
) -> float | None:
    """Return a quantile of what was observed between some readings; above the last bound it is
    that bound. None where nothing was observed, or the series cannot be added up."""
    chosen = histograms_of(series)
    if chosen is None:
        return None
    (buckets,) = chosen.counted([instants])
    found = quantile_of(share, buckets, is_native=chosen.is_native)
    if found is None:
        return None
    return found.low if found.value is None else found.value


def of_buckets(asked: Question) -> tuple[Told, list[int]]:
    """Return a quantile of all series together, with the series that were looked at; the interval
    is the bucket it lies in."""
    ids = [*asked.ids("", ObservedKind.NATIVE), *asked.ids("_bucket", ObservedKind.COUNTER)]
    if not ids:
        return asked.unseen(), []
    chosen = histograms_of({key: asked.figures.series[key] for key in ids})
    if chosen is None:
        why = f"some histograms of {asked.name} are native, others are not"
        return Told(why=why, remedy="name one by its tags, or have all be native"), ids
    wrong = short_of(asked) or (None if chosen.is_native else _bad_bounds(asked, chosen.series))
    return wrong or _quantile(asked, chosen), list(chosen.series)


def _quantile(asked: Question, chosen: Histograms) -> Told:
    objective = asked.objective
    share = (50.0 if objective.aggregation == "med" else objective.percentile) / 100
    inner, nearest, outer = (asked.readings_by(one) for one in ("inner", "nearest", "outer"))
    fewest, buckets, most = chosen.counted(inner, nearest, outer)
    found = quantile_of(share, buckets, is_native=chosen.is_native)
    total = max(buckets.values(), default=0.0)
    if unplaced := _unplaced(asked, total) if chosen.is_native else None:
        return unplaced
    if found is None or not math.isfinite(total):
        return idle(asked)
    between = quantile_between(share, fewest, most, is_native=chosen.is_native)
    return _told_quantile(asked, found, total, between)


def _unplaced(asked: Question, total: float) -> Told | None:
    """Say that more was observed than native buckets hold: what was no number is in none, and they
    may be gone from the answers while the counts beside them go on."""
    observed = asked.count("nearest", asked.ids("_count", ObservedKind.COUNTER))
    if observed <= total * (1 + UNPLACED_SHARE_MAX):
        return None
    why = f"{observed - total:.6g} of what {asked.name} observed lie in no native bucket"
    return Told(why=why, remedy="have it observe numbers, and serve native buckets all the time")


def _told_quantile(
    asked: Question, found: Quantile, total: float, between: tuple[float, float]
) -> Told:
    samples, interval = round(total), (found.low, found.high)
    if found.value is not None:
        value = Value(value=found.value, beyond="", samples=samples, interval=interval)
        return told_of(asked, value, between)
    beyond = f"above the last bound of its buckets, {found.low:g}"
    if asked.objective.bar > found.low:
        remedy = "give the histogram a bound at the bar"
        return Told(why=f"it lies {beyond}, and the bar too", remedy=remedy)
    return told_of(asked, Value(value=None, beyond=beyond, samples=samples), between)


def _bad_bounds(asked: Question, series: Mapping[int, ObservedSeries]) -> Told | None:
    """Say why buckets cannot be added up: each histogram has its own, and all need the same."""
    each: dict[Labels, set[float]] = {}
    for one in series.values():
        bound = bound_of(one)
        if bound is None:
            return Told(why=f"a bucket of {asked.name} has no bound", remedy="mend its `le`")
        each.setdefault(_labels(one), set()).add(bound)
    if any(math.inf not in one for one in each.values()):
        return Told(why=f"{asked.name} has no last bucket", remedy='it needs one with le="+Inf"')
    if len({frozenset(one) for one in each.values()}) > 1:
        why = f"the histograms of {asked.name} differ in their bounds and cannot be added up"
        return Told(why=why, remedy="name one by its tags, or give all the same bounds")
    return None
