"""Answer an objective on a source's figures: which series it means, and what they say.

    gauge      value, min, max, avg    of the readings in the window
    counter    count, rate             what it grew by, and that per second
    histogram  p(N), med               buckets of all its series added up first
               avg, count, rate        out of its sum and its count

A quantile beyond the last bound of the buckets is beyond a bar up to that bound; of a higher bar
nobody knows. `requests_failed` is what grew of `requests_total` with a status of 5xx, as a share.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from stormproof.kernel.units import SECOND_NS
from stormproof.model.objective import Objective
from stormproof.model.observed import UNREAD, ObservedKind
from stormproof.model.reading import ObservedSeries
from stormproof.rules.aggregate import NO_VALUE, Value, wilson_interval
from stormproof.rules.catalog import REQUESTS_FAILED
from stormproof.rules.figures import (
    Figures,
    Instant,
    Span,
    increases_of,
    quantile_of,
)
from stormproof.rules.metric import Reading
from stormproof.rules.questions import suggestion

GAP_INTERVALS_MAX: Final = 3
REQUESTS: Final = "requests_total"
STATUS_TAGS: Final = ("status", "code", "status_code")
BOUND: Final = "le"
LAST_BOUND: Final = ("+Inf", "Inf", "inf", "+inf")
CLOSER: Final = "read the source more often: `sources` of the profile, `interval`"
PARTS: Final = ("", "_bucket", "_count", "_sum")  # of a family
NOTHING: Final = Value(value=None, beyond=NO_VALUE, samples=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an objective is worth; with `why` it is no basis for a verdict."""

    value: Value = NOTHING
    why: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """An objective with the figures of its source and the spans of its window."""

    objective: Objective
    figures: Figures
    spans: Sequence[Span]
    brackets: Sequence[Sequence[Instant]]

    @property
    def name(self) -> str:
        """The figure's name, without its source."""
        return self.objective.metric.partition(":")[2]

    def ids(self, suffix: str, kind: ObservedKind) -> list[int]:
        """Return the series of the name and `suffix` that carry the objective's tags."""
        return matching(self.figures, self.name + suffix, self.objective.tags, kind)

    def count(self, ids: Collection[int]) -> float:
        """Return what counters grew by over the whole window."""
        return increases_of(self.brackets, ids)

    @property
    def seconds(self) -> float:
        """How long the brackets are together."""
        return sum(one[-1].at_ns - one[0].at_ns for one in self.brackets) / SECOND_NS

    @property
    def readings(self) -> int:
        """How many readings the brackets hold."""
        return sum(len(one) for one in self.brackets)


def names_for(objective: Objective) -> set[str]:
    """Return the names of all figures whose values an objective may need."""
    is_share = objective.metric == REQUESTS_FAILED
    name = REQUESTS if is_share else objective.metric.partition(":")[2]
    return {UNREAD, *(name + part for part in PARTS)}


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
    brackets = [figures.bracketing(span) for span in spans]
    asked = Question(objective=objective, figures=figures, spans=spans, brackets=brackets)
    if reading is Reading.OBSERVED_SHARE:
        told, ids = _failed_share(asked)
    else:
        told, ids = _of_kind(asked)
    doubt = _doubt_whole(asked, ids, interval_ns)
    return doubt if doubt is not None and not (told.why and not ids) else told


def _of_kind(asked: Question) -> tuple[Told, list[int]]:
    """Answer by what the name turns out to be, with the series that were looked at."""
    match asked.objective.aggregation:
        case "value" | "min" | "max":
            ids = asked.ids("", ObservedKind.GAUGE)
            return (_of_gauge(asked, ids) if ids else _unseen(asked)), ids
        case "count" | "rate":
            ids = asked.ids("", ObservedKind.COUNTER) or asked.ids("_count", ObservedKind.COUNTER)
            return (_of_counter(asked, ids) if ids else _unseen(asked)), ids
        case "avg":
            ids = asked.ids("", ObservedKind.GAUGE)
            if ids:
                return _of_gauge(asked, ids), ids
            return _of_sum(asked)
        case _:
            ids = asked.ids("_bucket", ObservedKind.COUNTER)
            return (_of_buckets(asked, ids) if ids else _unseen(asked)), ids


def _of_gauge(asked: Question, ids: Sequence[int]) -> Told:
    inside = asked.figures.within(asked.spans)
    rows = [[one.values[key] for key in ids if key in one.values] for one in inside]
    said = [value for row in rows for value in row]
    if not said:
        return Told(why="it was not read in the window", remedy=CLOSER)
    asks = asked.objective.aggregation
    if asks == "value" and len(ids) > 1:
        why = f"{len(ids)} series of {asked.name} have a value each"
        return Told(why=why, remedy=f"name one by its tags: {_tags_text(asked, ids)}")
    found = {"min": min(said), "max": max(said), "value": said[-1]}
    value = found.get(asks, sum(said) / len(said))
    return Told(value=Value(value=value, beyond="", samples=sum(bool(row) for row in rows)))


def _of_counter(asked: Question, ids: Sequence[int]) -> Told:
    return _grown(asked, asked.count(ids))


def _grown(asked: Question, count: float) -> Told:
    """Tell a count, or the rate of it; two readings are needed to know that anything grew."""
    if short := _short(asked):
        return short
    per_second = asked.objective.aggregation == "rate"
    value = count / asked.seconds if per_second else count
    return Told(value=Value(value=value, beyond="", samples=asked.readings))


def _short(asked: Question) -> Told | None:
    lone = [one for one in asked.brackets if len(one) < 2]
    if not lone and asked.brackets:
        return None
    why = "a part of the window has one reading, 2 needed" if lone else "the window is empty"
    return Told(why=why, remedy=CLOSER)


def _of_sum(asked: Question) -> tuple[Told, list[int]]:
    """Return the mean of what a histogram or a summary observed."""
    counts = asked.ids("_count", ObservedKind.COUNTER)
    sums = asked.ids("_sum", ObservedKind.COUNTER)
    if not counts or not sums:
        return _unseen(asked), []
    observed = asked.count(counts)
    if short := _short(asked):
        return short, counts
    if observed <= 0:
        return _idle(asked), counts
    mean = asked.count(sums) / observed
    return Told(value=Value(value=mean, beyond="", samples=round(observed))), [*counts, *sums]


def _idle(asked: Question) -> Told:
    why = f"{asked.name} observed nothing in the window"
    return Told(why=why, remedy="check that the load reaches what it observes")


def _of_buckets(asked: Question, ids: Sequence[int]) -> Told:
    """Return a quantile of all series together; the interval is the bucket it lies in."""
    if short := _short(asked):
        return short
    buckets: dict[float, float] = {}
    for key in ids:
        bound = bound_of(asked.figures.series[key])
        if bound is None:
            return Told(why=f"a bucket of {asked.name} has no bound", remedy="mend its `le`")
        buckets[bound] = buckets.get(bound, 0.0) + asked.count([key])
    if max(buckets) != float("inf"):
        return Told(why=f"{asked.name} has no last bucket", remedy='it needs one with le="+Inf"')
    objective = asked.objective
    percentile = 50.0 if objective.aggregation == "med" else objective.percentile
    found = quantile_of(percentile / 100, buckets)
    if found is None:
        return _idle(asked)
    samples = round(max(buckets.values()))
    if found.value is not None:
        value = Value(
            value=found.value, beyond="", samples=samples, interval=(found.low, found.high)
        )
        return Told(value=value)
    beyond = f"above the last bound of its buckets, {found.low:g}"
    if objective.bar > found.low:
        remedy = "give the histogram a bound at the bar"
        return Told(why=f"it lies {beyond}, and the bar too", remedy=remedy)
    return Told(value=Value(value=None, beyond=beyond, samples=samples))


def bound_of(series: ObservedSeries) -> float | None:
    """Return the upper bound of a bucket; None for one that has none."""
    text = series.tags.get(BOUND, "")
    try:
        return float("inf") if text in LAST_BOUND else float(text)
    except ValueError:
        return None


def _failed_share(asked: Question) -> tuple[Told, list[int]]:
    """Return the share of `requests_total` whose status is 5xx."""
    objective, figures = asked.objective, asked.figures
    ids = matching(figures, REQUESTS, objective.tags, ObservedKind.COUNTER)
    with_status = [key for key in ids if status_of(figures.series[key])]
    if not with_status:
        why = f"{REQUESTS} was never seen with a status"
        return Told(why=why, remedy="have the target count its requests by status"), []
    if short := _short(asked):
        return short, ids
    total = asked.count(with_status)
    failed = asked.count(
        [key for key in with_status if status_of(figures.series[key]).startswith("5")]
    )
    if total < 1:
        return _idle(asked), ids
    trials, hits = round(total), round(failed)
    value = Value(
        value=failed / total,
        beyond="",
        samples=trials,
        interval=wilson_interval(min(hits, trials), trials),
    )
    return Told(value=value), ids


def status_of(series: ObservedSeries) -> str:
    """Return the status that a series of requests carries; empty where it carries none."""
    return next((series.tags[key] for key in STATUS_TAGS if key in series.tags), "")


def matching(figures: Figures, name: str, tags: Mapping[str, str], kind: ObservedKind) -> list[int]:
    """Return the series of a name and a kind that carry all of some tags."""
    return [
        key
        for key, one in figures.series.items()
        if one.name == name
        and one.kind is kind
        and not one.is_rest
        and tags.items() <= one.tags.items()
    ]


def _doubt_whole(asked: Question, ids: Collection[int], interval_ns: int) -> Told | None:
    """Say why not all that was to be seen was seen: series left out, lines unread, a gap."""
    names = {*names_for(asked.objective), ""} - {UNREAD}
    if any(one.is_rest and one.name in names for one in asked.figures.series.values()):
        why = "some of its series were left out: too many series or values of a tag"
        return Told(why=why, remedy="have its keeper use fewer of them")
    gap_ns = asked.figures.longest_gap_ns(asked.spans)
    if gap_ns > GAP_INTERVALS_MAX * interval_ns:
        why = f"it was not read for {gap_ns / SECOND_NS:.3g} s"
        return Told(why=why, remedy="see why in the readings: the target may have been away")
    if any(_may_hide(asked, one, ids) for bracket in asked.brackets for one in bracket):
        why = "lines that could not be read may be among its series"
        return Told(why=why, remedy=f"mend what the source gives; see {UNREAD}")
    return None


def _may_hide(asked: Question, instant: Instant, ids: Collection[int]) -> bool:
    unread = matching(asked.figures, UNREAD, {}, ObservedKind.GAUGE)
    is_partial = any(instant.values.get(key, 0.0) > 0 for key in unread)
    return is_partial and not (ids and all(key in instant.values for key in ids))


def _unseen(asked: Question) -> Told:
    """Say that no series fits, and which was probably meant."""
    objective, name = asked.objective, asked.name
    named = [
        one
        for one in asked.figures.series.values()
        if not one.is_rest and one.name in {name + part for part in PARTS}
    ]
    if not named:
        families = {_family(one) for one in asked.figures.series.values() if not one.is_rest}
        why = f"{objective.metric} was never seen"
        return Told(why=why, remedy=suggestion(name, families))
    for key, value in objective.tags.items():
        known = {one.tags[key] for one in named if key in one.tags}
        if not known:
            tags = {tag for one in named for tag in one.tags}
            return Told(why=f"{name} has no tag {key!r}", remedy=suggestion(key, tags))
        if value not in known:
            if key in STATUS_TAGS and _is_status(value) and _counts(asked):
                return _grown(asked, 0.0)  # there were others, and none ended with it
            why = f"no series of {name} carries {key} {value!r}"
            return Told(why=why, remedy=suggestion(value, known))
    return Told(why=f"{name} cannot be asked for {objective.aggregation}", remedy=_right(named))


def _counts(asked: Question) -> bool:
    return asked.objective.aggregation in ("count", "rate")


def _is_status(value: str) -> bool:
    return len(value) == 3 and value.isdecimal()


def _family(series: ObservedSeries) -> str:
    """Return the name that is asked for: a histogram's own, not that of its buckets."""
    return series.name.removesuffix("_bucket") if BOUND in series.tags else series.name


def _right(named: Iterable[ObservedSeries]) -> str:
    """Say what can be asked of series that were seen under a name."""
    kinds = {one.kind for one in named}
    if any(BOUND in one.tags for one in named):
        return "it is a histogram: use p(N), med, avg, count or rate"
    if ObservedKind.COUNTER in kinds:
        return "it is a counter: use count or rate"
    return "it is a gauge: use value, min, max or avg"


def _tags_text(asked: Question, ids: Sequence[int]) -> str:
    tags = asked.figures.series[ids[0]].tags
    return ", ".join(f"{key}:{value}" for key, value in sorted(tags.items()))
