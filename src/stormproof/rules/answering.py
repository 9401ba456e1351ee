"""Answer an objective on a source's figures, and say whether that is more than a guess.

    gauge      value, min, max, avg    of the readings in the window
    counter    count, rate             what it grew by, and that per second
    histogram  p(N), med               buckets of all its series added up first
               avg, count, rate        out of its sum and its count

Every answer has a least and a most that the readings inside the window, and those around it, leave
room for (`rules.between`); where these disagree about the bar nothing is decided. What may be
missing (`rules.against`) can only add to a count or a maximum: one that is over its bar stays so.
A quantile beyond the last bound of the buckets is beyond a bar up to that bound; of a higher bar
nobody knows. `requests_failed` is what grew of `requests_total` with a status of 5xx, as a share.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from stormproof.kernel.units import SECOND_NS
from stormproof.model.objective import Objective
from stormproof.model.observed import ObservedKind
from stormproof.rules.against import (
    CLOSER,
    Against,
    against_any,
    against_growth,
    several_processes,
)
from stormproof.rules.aggregate import NO_VALUE, Value, wilson_interval
from stormproof.rules.between import (
    Range,
    agree,
    mean_between,
    quantile_between,
    share_between,
)
from stormproof.rules.figures import (
    Bracket,
    Figures,
    Span,
    increases_of,
    quantile_of,
)
from stormproof.rules.metric import Reading
from stormproof.rules.observed import (
    BOUND,
    REQUESTS,
    bound_of,
    matching,
    name_of,
    others_of_status,
    status_of,
    tags_text,
    why_unseen,
)

NOTHING: Final = Value(value=None, beyond=NO_VALUE, samples=0)
Which = Literal["inner", "nearest", "outer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an objective is worth, at least and at most; with `why` it is no basis for a verdict."""

    value: Value = NOTHING
    low: float = 0.0
    high: float = math.inf
    why: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """An objective with the figures of its source and the spans of its window."""

    objective: Objective
    figures: Figures
    spans: Sequence[Span]
    brackets: Sequence[Bracket]

    @property
    def name(self) -> str:
        """The figure's name, without its source."""
        return name_of(self.objective)

    def ids(self, suffix: str, kind: ObservedKind) -> list[int]:
        """Return the series of the name and `suffix` that carry the objective's tags."""
        return matching(self.figures, self.name + suffix, self.objective.tags, kind)

    def count(self, which: Which, ids: Collection[int]) -> float:
        """Return what counters grew by over the whole window, by some of its readings."""
        return increases_of([getattr(one, which) for one in self.brackets], ids)

    def between(self, ids: Collection[int]) -> Range:
        """Return what counters grew by at least and at most."""
        return self.count("inner", ids), self.count("outer", ids)

    @property
    def seconds(self) -> float:
        """How long the window is."""
        return sum(high - low for low, high in self.spans) / SECOND_NS

    @property
    def nearest_seconds(self) -> float:
        """How long the time between the readings nearest to its ends is."""
        pairs = [one.nearest for one in self.brackets if one.nearest]
        return sum(one[-1].at_ns - one[0].at_ns for one in pairs) / SECOND_NS

    @property
    def readings(self) -> int:
        """How many readings there are of the window."""
        return sum(len(one.nearest) for one in self.brackets)


def answer(
    objective: Objective,
    reading: Reading,
    figures: Figures,
    spans: Sequence[Span],
    interval_ns: int,
) -> Told:
    """Answer an objective over the spans of its window.

    Args:
        objective: what is asked.
        reading: OBSERVED, or OBSERVED_SHARE.
        figures: of its source.
        spans: of the window, rising.
        interval_ns: how often the source was to be read.
    """
    source = objective.metric.partition(":")[0]
    if not figures.instants:
        return Told(why=f"{source} gave no figures", remedy=f"see why in the readings of {source}")
    brackets = [figures.bracket(span) for span in spans]
    asked = Question(objective=objective, figures=figures, spans=spans, brackets=brackets)
    is_share = reading is Reading.OBSERVED_SHARE
    told, ids = _failed_share(asked) if is_share else _of_kind(asked)
    if told.why and not ids:
        return told
    several = several_processes(objective, figures)
    if several is not None:
        return _doubted(told, several)
    if not is_share and _is_certain(objective, told):
        return told
    doubt = against_any(objective, figures, spans, interval_ns, ids)
    if doubt is None and any(figures.series[key].kind is ObservedKind.COUNTER for key in ids):
        doubt = against_growth(objective, figures, brackets, interval_ns)
    if doubt is not None:
        return _doubted(told, doubt)
    if told.why or agree(objective, told.low, told.high):
        return told
    why = f"between {told.low:.6g} and {told.high:.6g}: no reading lies at the window's ends"
    return _doubted(told, Against(why, CLOSER))


def _doubted(told: Told, doubt: Against) -> Told:
    return replace(told, why=doubt.why, remedy=doubt.remedy)


def _is_certain(objective: Objective, told: Told) -> bool:
    """Return whether nothing that was not seen could change an answer: it could only add."""
    if told.why or told.value.value is None:
        return False
    if objective.aggregation not in ("count", "rate", "max"):
        return False
    at_bar = objective.operator in ("<", ">=") and told.low == objective.bar
    return told.low > objective.bar or at_bar


def _of_kind(asked: Question) -> tuple[Told, list[int]]:
    """Answer by what the name turns out to be, with the series that were looked at."""
    match asked.objective.aggregation:
        case "value" | "min" | "max":
            ids = asked.ids("", ObservedKind.GAUGE)
            return (_of_gauge(asked, ids) if ids else _unseen(asked)), ids
        case "count" | "rate":
            return _of_counter(asked)
        case "avg":
            return _of_mean(asked)
        case _:
            ids = asked.ids("_bucket", ObservedKind.COUNTER)
            return (_of_buckets(asked, ids) if ids else _unseen(asked)), ids


def _unseen(asked: Question) -> Told:
    why, remedy = why_unseen(asked.objective, asked.figures)
    return Told(why=why, remedy=remedy)


def _told(asked: Question, value: Value, between: Range) -> Told:
    """Tell a value, unless it is too large for a number."""
    if value.value is not None and not math.isfinite(value.value):
        return Told(why=f"the values of {asked.name} are too large to add up", remedy="mend them")
    return Told(value=value, low=between[0], high=between[1])


def _of_gauge(asked: Question, ids: Sequence[int]) -> Told:
    inside = asked.figures.within(asked.spans)
    rows = [[one.values[key] for key in ids if key in one.values] for one in inside]
    said = [value for row in rows for value in row]
    if not said:
        return Told(why="it was not read in the window", remedy=CLOSER)
    asks = asked.objective.aggregation
    if asks == "value" and len(ids) > 1:
        why = f"{len(ids)} series of {asked.name} have a value each"
        return Told(why=why, remedy=f"name one by its tags: {tags_text(asked.figures, ids)}")
    found = {"min": min(said), "max": max(said), "value": said[-1]}
    value = found.get(asks, sum(said) / len(said))
    samples = sum(bool(row) for row in rows)
    return _told(asked, Value(value=value, beyond="", samples=samples), (value, value))


def _of_counter(asked: Question) -> tuple[Told, list[int]]:
    ids = asked.ids("", ObservedKind.COUNTER) or asked.ids("_count", ObservedKind.COUNTER)
    others = [] if ids else others_of_status(asked.figures, asked.name, asked.objective.tags)
    if not ids and not others:
        return _unseen(asked), []
    if short := _short(asked):
        return short, ids or others
    value, (low, high) = asked.count("nearest", ids), asked.between(ids)
    if asked.objective.aggregation == "rate":
        low, high = low / asked.seconds, high / asked.seconds
        value = value / asked.nearest_seconds if asked.nearest_seconds else low
        value = min(max(value, low), high)
    told = _told(asked, Value(value=value, beyond="", samples=asked.readings), (low, high))
    return told, ids or others


def _short(asked: Question) -> Told | None:
    """Say that a part of the window was not read twice: nothing is known to have grown."""
    lone = [one for one in asked.brackets if len(one.outer) < 2]
    if not lone and asked.brackets:
        return None
    why = "a part of the window has one reading, 2 needed" if lone else "the window is empty"
    return Told(why=why, remedy=CLOSER)


def _of_mean(asked: Question) -> tuple[Told, list[int]]:
    """Return the mean of a gauge's readings, or of what a histogram or a summary observed."""
    counts = asked.ids("_count", ObservedKind.COUNTER)
    sums = asked.ids("_sum", ObservedKind.COUNTER)
    if not counts or not sums:
        ids = asked.ids("", ObservedKind.GAUGE)
        return (_of_gauge(asked, ids) if ids else _unseen(asked)), ids
    every = [*counts, *sums]
    if short := _short(asked):
        return short, every
    observed = asked.count("nearest", counts)
    if not math.isfinite(observed) or observed <= 0:
        return _idle(asked), every
    mean = asked.count("nearest", sums) / observed
    value = Value(value=mean, beyond="", samples=round(observed))
    return _told(asked, value, mean_between(asked.between(sums), asked.between(counts))), every


def _idle(asked: Question) -> Told:
    why = f"{asked.name} observed nothing in the window"
    return Told(why=why, remedy="check that the load reaches what it observes")


def _of_buckets(asked: Question, ids: Sequence[int]) -> Told:
    """Return a quantile of all series together; the interval is the bucket it lies in."""
    bounds = {key: bound_of(asked.figures.series[key]) for key in ids}
    short = _short(asked) or _bad_bounds(asked, bounds)
    if short:
        return short
    fewest, buckets, most = (
        _added_up(asked, which, bounds) for which in ("inner", "nearest", "outer")
    )
    objective = asked.objective
    share = (50.0 if objective.aggregation == "med" else objective.percentile) / 100
    found, total = quantile_of(share, buckets), max(buckets.values())
    if found is None or not math.isfinite(total):
        return _idle(asked)
    low, high = quantile_between(share, fewest, most)
    interval = (found.low, found.high)
    if found.value is not None:
        value = Value(value=found.value, beyond="", samples=round(total), interval=interval)
        return _told(asked, value, (low, high))
    beyond = f"above the last bound of its buckets, {found.low:g}"
    if objective.bar > found.low:
        remedy = "give the histogram a bound at the bar"
        return Told(why=f"it lies {beyond}, and the bar too", remedy=remedy)
    return _told(asked, Value(value=None, beyond=beyond, samples=round(total)), (low, high))


def _added_up(
    asked: Question, which: Which, bounds: Mapping[int, float | None]
) -> dict[float, float]:
    """Return upper bound -> how many were not above it, of all series together."""
    buckets: dict[float, float] = {}
    for key, bound in bounds.items():
        if bound is not None:
            buckets[bound] = buckets.get(bound, 0.0) + asked.count(which, [key])
    return buckets


def _bad_bounds(asked: Question, bounds: Mapping[int, float | None]) -> Told | None:
    """Say why buckets cannot be added up: each histogram has its own, and all need the same."""
    each: dict[frozenset[tuple[str, str]], set[float]] = {}
    for key, bound in bounds.items():
        if bound is None:
            return Told(why=f"a bucket of {asked.name} has no bound", remedy="mend its `le`")
        tags = asked.figures.series[key].tags.items()
        each.setdefault(frozenset(one for one in tags if one[0] != BOUND), set()).add(bound)
    if any(math.inf not in one for one in each.values()):
        return Told(why=f"{asked.name} has no last bucket", remedy='it needs one with le="+Inf"')
    if len({frozenset(one) for one in each.values()}) > 1:
        why = f"the histograms of {asked.name} differ in their bounds and cannot be added up"
        return Told(why=why, remedy="name one by its tags, or give all the same bounds")
    return None


def _failed_share(asked: Question) -> tuple[Told, list[int]]:
    """Return the share of `requests_total` whose status is 5xx."""
    ids = asked.ids("", ObservedKind.COUNTER)
    statuses = {key: status_of(asked.figures.series[key]) for key in ids}
    if not all(statuses.values()) or not ids:
        seen = "was never seen with a status" if not any(statuses.values()) else ""
        why = f"{REQUESTS} {seen or 'has series whose status is none, like 200 or 5xx'}"
        return Told(why=why, remedy="have the target count its requests by status"), []
    if short := _short(asked):
        return short, ids
    bad = [key for key in ids if statuses[key].startswith("5")]
    good = [key for key in ids if not statuses[key].startswith("5")]
    total, failed = asked.count("nearest", ids), asked.count("nearest", bad)
    if not math.isfinite(total) or total < 1:
        return _idle(asked), ids
    trials, hits = round(total), round(failed)
    interval = wilson_interval(min(hits, trials), trials)
    value = Value(value=failed / total, beyond="", samples=trials, interval=interval)
    return _told(asked, value, share_between(asked.between(bad), asked.between(good))), ids
