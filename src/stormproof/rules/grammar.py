r"""The grammar of thresholds, as in k6, with windows.

    objective   = metric ":" threshold
    metric      = [ source ":" ] name [ "{" tag { "," tag } "}" ]
    source      = "target" | "dispatcher" | "consumer" | "process" | "cgroup" | "log"
                | "postgres" | "valkey"
    tag         = key ":" value
    value       = bare | quoted             # trimmed
    bare        = any text; braces balanced, commas only inside braces
    quoted      = '"' text '"'              # \" and \\ stand for " and \
    threshold   = aggregation operator number
    aggregation = "avg" | "min" | "med" | "max" | "p(" 0..100 ")" | "count" | "rate" | "value"
                | "slope"
    number      = decimal [ "kB" | "MB" | "GB" | "KiB" | "MiB" | "GiB" ]    # of bytes
    operator    = "<" | "<=" | ">" | ">=" | "==" | "===" | "!="

Pseudo tags pick the seconds. The first says which part of the run, the other three ask about
stretches of it instead of its whole, and stand alone; T is whole seconds, like 30s or 1m30s.

    window:W    warmup, load (the default), steady, calm, fault, recovery, disturbed or run
    over:T      the bar must hold over every T in a row: over the last T, at any time
    every:T     the bar must hold over each T, side by side; the last ends where the window ends
    for:T       the bar must not stay broken for T, second by second; shorter breaks are borne

A slope is how much a metric grows an hour, faults and warm-up left out; it has no stretches.

The value of an objective with stretches is that of its worst one. Stricter than k6: repeated tags,
unknown names and unclosed braces are errors.

Source: grafana/k6, `metrics/thresholds_parser.go` (the grammar, not the code).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final, NamedTuple, cast, get_args

import msgspec

from stormproof.kernel.units import SECOND_NS, duration_text, parse_duration_ns
from stormproof.model.objective import (
    Aggregation,
    Objective,
    Operator,
    Stretch,
    StretchKind,
    Window,
)
from stormproof.rules.bar import holds
from stormproof.rules.catalog import Reading, is_size, metric_of, unit_of
from stormproof.rules.evidence import readings_needed, samples_needed
from stormproof.rules.questions import (
    NOTHING_DECLARED,
    Declared,
    question_problems,
    suggestion,
)
from stormproof.rules.tags import format_metric, parse_metric

_THRESHOLD = re.compile(
    r"\s*(?P<aggregation>[A-Za-z][A-Za-z0-9]*)\s*(?:\(\s*(?P<argument>[^)]*?)\s*\))?"
    r"\s*(?P<operator>[<>=!]+)\s*(?P<bar>\S+)\s*"
)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_SIZES: Final[Mapping[str, int]] = {
    "kB": 1_000,
    "MB": 1_000**2,
    "GB": 1_000**3,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
}
_SIZE = re.compile(rf"(?P<number>{_NUMBER.pattern})(?P<unit>{'|'.join(_SIZES)})")
_OPERATORS: Final[Mapping[str, Operator]] = {
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
    "==": "==",
    "===": "==",
    "!=": "!=",
}
WINDOWS: Final[tuple[Window, ...]] = get_args(Window)
AGGREGATIONS: Final[tuple[Aggregation, ...]] = get_args(Aggregation)
STRETCHES: Final[tuple[StretchKind, ...]] = get_args(StretchKind)
SLOPE_WINDOWS: Final[tuple[Window, ...]] = ("load", "steady", "calm")
STRETCH_S_MAX: Final = 24 * 3_600


class Threshold(NamedTuple):
    """What a threshold asks; `percentile` goes with `p`, `bar` is in the metric's unit."""

    aggregation: Aggregation
    percentile: float
    operator: Operator
    bar: float


def parse_threshold(text: str) -> Threshold:
    """Read `p(95)<300` and its like.

    Raises:
        ValueError: it is no threshold; the message says what would be right.
    """
    match = _THRESHOLD.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no threshold, write it like p(95)<300 or rate<0.01")
    aggregation = match["aggregation"]
    if aggregation not in AGGREGATIONS:
        raise ValueError(
            f"{text!r}: no aggregation {aggregation!r}: {_aggregation_hint(aggregation)}"
        )
    operator = _OPERATORS.get(match["operator"])
    if operator is None:
        raise ValueError(f"{text!r}: no operator {match['operator']!r}: use < <= > >= == or !=")
    return Threshold(
        aggregation=cast(Aggregation, aggregation),
        percentile=_read_percentile(aggregation, match["argument"], text),
        operator=operator,
        bar=_read_number(match["bar"], text),
    )


def _aggregation_hint(word: str) -> str:
    percentile = re.fullmatch(r"p(\d+)", word)
    return f"write p({percentile.group(1)})" if percentile else suggestion(word, AGGREGATIONS)


def _read_percentile(aggregation: str, argument: str | None, text: str) -> float:
    if aggregation != "p":
        if argument is not None:
            raise ValueError(f"{text!r}: only p takes an argument, write {aggregation} without one")
        return 0.0
    if argument is None:
        raise ValueError(f"{text!r}: p needs its percentile, write it like p(95)")
    if not _NUMBER.fullmatch(argument) or not 0 <= float(argument) <= 100:
        raise ValueError(f"{text!r}: p({argument}) is none, a percentile lies between 0 and 100")
    return float(argument)


def _read_number(number: str, text: str) -> float:
    if size := _SIZE.fullmatch(number):
        return float(size["number"]) * _SIZES[size["unit"]]
    if not _NUMBER.fullmatch(number) or not math.isfinite(float(number)):
        raise ValueError(f"{text!r}: {number!r} is no number; bars have no unit, like 300 or 0.01")
    return float(number)


def split_objective(text: str) -> tuple[str, str]:
    """Split an objective's name into its metric and its threshold.

    Raises:
        ValueError: there is no threshold behind the metric.
    """
    metric, colon, threshold = text.rpartition(":")
    if not colon or "}" in threshold:
        raise ValueError(f"{text!r} is no objective, write it like metric{{tag:value}}: p(95)<300")
    return metric.strip(), threshold.strip()


def objective(
    metric_text: str,
    threshold_text: str,
    exact: bool = False,
    declared: Declared = NOTHING_DECLARED,
) -> Objective:
    """Make the objective that a metric and a threshold spell.

    The metric, its tags and the aggregation must be in the catalog or `declared`; metrics that are
    exact by nature (`delivery_lost`) are so without `exact`. What checkers measure belongs to the
    window `run`, everything else to `load` unless a pseudo tag says otherwise.

    Raises:
        ValueError: it cannot be asked; the message names every problem and what would be right.
    """
    name, tags = parse_metric(metric_text)
    threshold = parse_threshold(threshold_text)
    problems: list[str] = []
    asked = tags.pop("window", None)
    stretch = _take_stretch(tags, problems)
    problems += question_problems(name, tags, threshold.aggregation, declared)
    if asked is not None and asked not in WINDOWS:
        problems.append(f"there is no window {asked!r}: {suggestion(asked, WINDOWS)}")
    metric = declared.metric(name)
    measured = metric is not None and metric.reading is Reading.MEASURED
    if measured and (asked not in (None, "run") or stretch is not None):
        spelt = f"window:{asked}" if stretch is None else f"{stretch.kind}:..."
        problems.append(f"{name} is measured over the whole run: leave out {spelt}")
    if metric is not None and metric.is_observed and stretch is not None:
        problems.append(f"{name} is asked over a whole window: leave out {stretch.kind}:...")
    if metric is not None and metric.is_share and threshold.aggregation == "rate":
        problems += _idle_bar(threshold, threshold_text)
    if threshold.aggregation == "slope":
        problems += _slope_problems(threshold.operator, asked, stretch)
    if (
        metric is not None
        and threshold_text.strip().endswith(tuple(_SIZES))
        and not is_size(metric)
    ):
        problems.append(f"{name} is no size: its bar is a number without a unit, like 300 or 0.01")
    if problems or metric is None:
        raise ValueError("; ".join(problems))
    made = Objective(
        name="",
        metric=name,
        tags=tags,
        window=cast(Window, asked or ("run" if measured else "load")),
        aggregation=threshold.aggregation,
        percentile=threshold.percentile,
        operator=threshold.operator,
        bar=threshold.bar,
        unit=unit_of(metric, threshold.aggregation),
        samples_min=readings_needed(*threshold, share=metric.is_share)
        if metric.is_observed
        else samples_needed(*threshold, share=metric.is_share),
        exact=exact or metric.exact,
        stretch=stretch,
        custom=declared.metrics.get(name),
    )
    return msgspec.structs.replace(made, name=format_objective(made))


def _idle_bar(threshold: Threshold, text: str) -> list[str]:
    """Say that every share meets a bar, or none does: an objective that cannot answer anything."""
    of_none, of_all = (holds(share, threshold.operator, threshold.bar) for share in (0.0, 1.0))
    is_between = 0 <= threshold.bar <= 1
    if of_none != of_all or (threshold.operator in ("==", "!=") and is_between):
        return []
    shares = "every share meets" if of_none else "no share meets"
    return [f"{shares} {text.strip()!r}: a share lies between 0 and 1, 5 % is 0.05"]


def _slope_problems(operator: Operator, window: str | None, stretch: Stretch | None) -> list[str]:
    """Say what a slope cannot be asked: it needs all of the fault-free time, and a bar above it."""
    problems = []
    if operator not in ("<", "<="):
        problems.append("a slope has a bar above it: write it like slope<5, by the hour")
    if window not in (None, *SLOPE_WINDOWS):
        problems.append(f"a slope is of time without faults: use window:{', '.join(SLOPE_WINDOWS)}")
    if stretch is not None:
        problems.append(f"a slope is of the whole window: leave out `{stretch.kind}`")
    return problems


def _take_stretch(tags: dict[str, str], problems: list[str]) -> Stretch | None:
    """Take the pseudo tag that asks about stretches out of `tags`."""
    given = [(kind, tags.pop(kind)) for kind in STRETCHES if kind in tags]
    if len(given) > 1:
        problems.append(f"{' and '.join(kind for kind, _ in given)} exclude each other: keep one")
    for kind, text in given:
        try:
            span_ns = parse_duration_ns(text)
        except ValueError as error:
            problems.append(f"{kind}: {error}")
            continue
        if span_ns % SECOND_NS or not 0 < span_ns <= STRETCH_S_MAX * SECOND_NS:
            problems.append(f"{kind}:{text} is not of whole seconds, 1s to 24h: write it like 30s")
            continue
        return Stretch(kind=kind, seconds=span_ns // SECOND_NS)
    return None


def format_objective(asked: Objective) -> str:
    """Write an objective as a person does: `metric{tag:value}: p(95)<300`.

    Parsing the text again gives an equal objective.
    """
    tags = dict(sorted(asked.tags.items()))
    measured = metric_of(asked).reading is Reading.MEASURED
    if asked.window != ("run" if measured else "load"):
        tags["window"] = asked.window
    if asked.stretch is not None:
        tags[asked.stretch.kind] = duration_text(asked.stretch.seconds * SECOND_NS)
    metric = format_metric(asked.metric, tags)
    aggregation = asked.aggregation
    spelt = f"p({_write_number(asked.percentile)})" if aggregation == "p" else aggregation
    return f"{metric}: {spelt}{asked.operator}{_write_number(asked.bar)}"


def _write_number(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
