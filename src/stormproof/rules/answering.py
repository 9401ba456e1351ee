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
from collections.abc import Sequence
from dataclasses import replace

from stormproof.model.objective import Objective
from stormproof.model.observed import ObservedKind
from stormproof.rules.against import (
    CLOSER,
    Against,
    against_any,
    against_growth,
    several_processes,
)
from stormproof.rules.aggregate import Value, wilson_interval
from stormproof.rules.asked import Question, Told, idle, short_of, told_of
from stormproof.rules.between import agree, mean_between, share_between
from stormproof.rules.buckets import of_buckets
from stormproof.rules.figures import Figures, Span
from stormproof.rules.metric import Reading
from stormproof.rules.observed import REQUESTS, others_of_status, status_of, tags_text


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
    if doubt is None and any(figures.series[key].kind is not ObservedKind.GAUGE for key in ids):
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
            return (_of_gauge(asked, ids) if ids else asked.unseen()), ids
        case "count" | "rate":
            return _of_counter(asked)
        case "avg":
            return _of_mean(asked)
        case _:
            return of_buckets(asked)


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
    return told_of(asked, Value(value=value, beyond="", samples=samples), (value, value))


def _of_counter(asked: Question) -> tuple[Told, list[int]]:
    ids = asked.ids("", ObservedKind.COUNTER) or asked.ids("_count", ObservedKind.COUNTER)
    others = [] if ids else others_of_status(asked.figures, asked.name, asked.objective.tags)
    if not ids and not others:
        return asked.unseen(), []
    if short := short_of(asked):
        return short, ids or others
    value, (low, high) = asked.count("nearest", ids), asked.between(ids)
    if asked.objective.aggregation == "rate":
        low, high = low / asked.seconds, high / asked.seconds
        value = value / asked.nearest_seconds if asked.nearest_seconds else low
        value = min(max(value, low), high)
    told = told_of(asked, Value(value=value, beyond="", samples=asked.readings), (low, high))
    return told, ids or others


def _of_mean(asked: Question) -> tuple[Told, list[int]]:
    """Return the mean of a gauge's readings, or of what a histogram or a summary observed."""
    counts = asked.ids("_count", ObservedKind.COUNTER)
    sums = asked.ids("_sum", ObservedKind.COUNTER)
    if not counts or not sums:
        ids = asked.ids("", ObservedKind.GAUGE)
        return (_of_gauge(asked, ids) if ids else asked.unseen()), ids
    every = [*counts, *sums]
    if short := short_of(asked):
        return short, every
    observed = asked.count("nearest", counts)
    if not math.isfinite(observed) or observed <= 0:
        return idle(asked), every
    mean = asked.count("nearest", sums) / observed
    value = Value(value=mean, beyond="", samples=round(observed))
    return told_of(asked, value, mean_between(asked.between(sums), asked.between(counts))), every


def _failed_share(asked: Question) -> tuple[Told, list[int]]:
    """Return the share of `requests_total` whose status is 5xx."""
    ids = asked.ids("", ObservedKind.COUNTER)
    statuses = {key: status_of(asked.figures.series[key]) for key in ids}
    if not all(statuses.values()) or not ids:
        seen = "was never seen with a status" if not any(statuses.values()) else ""
        why = f"{REQUESTS} {seen or 'has series whose status is none, like 200 or 5xx'}"
        return Told(why=why, remedy="have the target count its requests by status"), []
    if short := short_of(asked):
        return short, ids
    bad = [key for key in ids if statuses[key].startswith("5")]
    good = [key for key in ids if not statuses[key].startswith("5")]
    total, failed = asked.count("nearest", ids), asked.count("nearest", bad)
    if not math.isfinite(total) or total < 1:
        return idle(asked), ids
    trials, hits = round(total), round(failed)
    interval = wilson_interval(min(hits, trials), trials)
    value = Value(value=failed / total, beyond="", samples=trials, interval=interval)
    return told_of(asked, value, share_between(asked.between(bad), asked.between(good))), ids
