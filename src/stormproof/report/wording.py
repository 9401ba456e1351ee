"""What an objective asks, in words: its grammar is exact, but not what a reader starts with."""

from __future__ import annotations

from typing import NamedTuple

from stormproof.model.verdict import Judged
from stormproof.report.number import SHARE, figure, quantity, spans_text
from stormproof.rules.catalog import CATALOG, Metric, Reading
from stormproof.rules.grammar import Threshold, parse_threshold, split_objective
from stormproof.rules.tags import parse_metric

STEADY_STATE = "steady state: "  # the gate's objectives carry it before their name
_WINDOWS = {
    "warmup": "during the warm-up",
    "load": "over the whole load",
    "steady": "before the first fault",
    "calm": "outside faults and recovery",
    "fault": "while a fault was in force",
    "recovery": "while recovering",
    "disturbed": "during faults and recovery",
    "run": "over the whole run",
}
_AGGREGATIONS = {
    "avg": "mean",
    "min": "shortest",
    "med": "median",
    "max": "longest",
    "slope": "hourly growth of the median",
}
# Where, when, and in which stretches: told apart from the tags of a metric's own.
_TOLD_APART = ("scenario", "group", "window", "over", "every", "for")
_OWN_AGGREGATIONS = {
    "avg": "mean",
    "min": "smallest",
    "med": "median",
    "max": "largest",
    "value": "last value of",
}
_TIMES = {
    "message_delivery": "delivery time of messages",
    "iteration_duration": "length of an iteration",
}


class Asked(NamedTuple):
    """An objective's name, read back."""

    metric: str
    tags: dict[str, str]
    threshold: Threshold


def read_name(name: str) -> Asked | None:
    """Read an objective's name; None for one that does not follow the grammar."""
    try:
        metric_text, threshold_text = split_objective(name.removeprefix(STEADY_STATE))
        metric, tags = parse_metric(metric_text)
        return Asked(metric, tags, parse_threshold(threshold_text))
    except ValueError:
        return None


def unit_of(judged: Judged) -> str:
    """Return the unit to show: `share` for a rate that is no rate per second."""
    asked = read_name(judged.name)
    if not judged.unit and asked is not None and asked.threshold.aggregation == "rate":
        return SHARE
    return judged.unit


def value_text(judged: Judged) -> str:
    """Write an objective's value; without one, say what it is beyond."""
    if judged.value is not None:
        return quantity(judged.value, unit_of(judged))
    return f"∞ ({judged.beyond})" if judged.beyond else "no value"


def bar_text(judged: Judged) -> str:
    """Write an objective's bar: `< 300 ms`, `== 0`."""
    return f"{judged.operator} {quantity(judged.bar, unit_of(judged))}"


def window_text(judged: Judged) -> str:
    """Say in words which part of the run an objective looks at."""
    return _WINDOWS.get(judged.evidence.window, judged.evidence.window)


def title_of(judged: Judged) -> str:
    """Say in words what an objective asks: `95th percentile response time of GET /api/feed`."""
    asked = read_name(judged.name)
    metric = None if asked is None else CATALOG.get(asked.metric)
    if asked is None:
        return judged.name
    steady = STEADY_STATE if judged.name.startswith(STEADY_STATE) else ""
    subject = _own_title(asked) if metric is None else _title(asked, metric)
    title = steady + subject + _stretch(asked.tags)
    return title[0].upper() + title[1:]


def where_text(judged: Judged) -> str:
    """Say which seconds an answer is about: the worst stretch, where stretches were asked about."""
    worst = judged.worst_at_s
    return f"worst {spans_text([worst])}" if worst else spans_text(judged.evidence.at_s)


def _stretch(tags: dict[str, str]) -> str:
    words = {"over": "in any {} in a row", "every": "in each {}", "for": "broken for {} on end"}
    told = [f", {text.format(tags[kind])}" for kind, text in words.items() if kind in tags]
    return "".join(told)


def _title(asked: Asked, metric: Metric) -> str:
    subject = _subject(asked.tags, metric)
    aggregation = _aggregation(asked.threshold)
    match metric.reading:
        case Reading.RESPONSE if metric.name == "group_duration":
            place = _group(asked.tags) or "a group"
            return f"{aggregation} time in {place}" + _scenario(asked.tags)
        case Reading.RESPONSE if metric.name in _TIMES:
            return f"{aggregation} {_TIMES[metric.name]}"
        case Reading.RESPONSE:
            return f"{aggregation} response time of {subject}"
        case Reading.SERVICE:
            return f"{aggregation} service time of {subject}"
        case Reading.FAILED_SHARE:
            growth = "hourly growth of the " if asked.threshold.aggregation == "slope" else ""
            return f"{growth}share of {subject} that failed"
        case Reading.PASSED_SHARE:
            return "share of checks that held" + _where(asked.tags)
        case _:
            return metric.doc.split(";")[0].rstrip(".")


def _group(tags: dict[str, str]) -> str:
    """Name a group as people wrote it: `::checkout::payment` is payment within checkout."""
    names = tags.get("group", "").removeprefix("::").split("::")
    return f"the group {' / '.join(names)}" if names[0] else ""


def _own_title(asked: Asked) -> str:
    """Say what is asked of a metric of the journeys' own, whose unit may be anything."""
    aggregation = _OWN_AGGREGATIONS.get(asked.threshold.aggregation)
    told = f"{_aggregation(asked.threshold)} of" if aggregation is None else aggregation
    own = [f"{key} {value}" for key, value in asked.tags.items() if key not in _TOLD_APART]
    which = f" ({', '.join(own)})" if own else ""
    return f"{told} {asked.metric}{which}{_where(asked.tags)}"


def _subject(tags: dict[str, str], metric: Metric) -> str:
    if "probe" in tags:
        return f"the probe {tags['probe']}'s questions"
    everything = {
        "http_req": "HTTP requests",
        "ws_connect": "WebSocket handshakes",
        "ws_send": "WebSocket exchanges",
    }
    subject = tags.get("name") or everything.get(metric.base, metric.base)
    return subject + _where(tags)


def _where(tags: dict[str, str]) -> str:
    group = _group(tags)
    return (f" in {group}" if group else "") + _scenario(tags)


def _scenario(tags: dict[str, str]) -> str:
    return f" in {tags['scenario']}" if "scenario" in tags else ""


def _aggregation(threshold: Threshold) -> str:
    if threshold.aggregation != "p":
        return _AGGREGATIONS.get(threshold.aggregation, threshold.aggregation)
    rank = figure(threshold.percentile)
    ending = {"1": "st", "2": "nd", "3": "rd"}.get(rank[-1], "th")
    return f"{rank}{'th' if rank in ('11', '12', '13') else ending} percentile"
