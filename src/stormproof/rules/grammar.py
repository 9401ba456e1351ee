r"""The grammar of thresholds, as in k6, with windows.

    objective   = metric ":" threshold
    metric      = name [ "{" tag { "," tag } "}" ]
    tag         = key ":" value
    value       = bare | quoted             # trimmed
    bare        = any text; braces balanced, commas only inside braces
    quoted      = '"' text '"'              # \" and \\ stand for " and \
    threshold   = aggregation operator number
    aggregation = "avg" | "min" | "med" | "max" | "p(" 0..100 ")" | "count" | "rate" | "value"
    operator    = "<" | "<=" | ">" | ">=" | "==" | "===" | "!="

The pseudo tag `window` picks the seconds: warmup, load (the default), steady, calm, fault,
recovery, disturbed or run. Stricter than k6: repeated tags, unknown names and unclosed braces are
errors.

Source: grafana/k6, `metrics/thresholds_parser.go` (the grammar, not the code).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final, NamedTuple, cast, get_args

import msgspec

from stormproof.model.objective import Aggregation, Objective, Operator, Window
from stormproof.rules.catalog import CATALOG, Reading, question_problems, suggestion, unit_of
from stormproof.rules.evidence import samples_needed

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_THRESHOLD = re.compile(
    r"\s*(?P<aggregation>[A-Za-z][A-Za-z0-9]*)\s*(?:\(\s*(?P<argument>[^)]*?)\s*\))?"
    r"\s*(?P<operator>[<>=!]+)\s*(?P<bar>\S+)\s*"
)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
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


class Threshold(NamedTuple):
    """What a threshold asks; `percentile` goes with `p`, `bar` is in the metric's unit."""

    aggregation: Aggregation
    percentile: float
    operator: Operator
    bar: float


def parse_metric(text: str) -> tuple[str, dict[str, str]]:
    """Split `metric{tag:value,tag2:value2}` into its name and tags.

    Raises:
        ValueError: it is no metric; the message says what would be right.
    """
    text = text.strip()
    match = _NAME.match(text)
    if match is None:
        raise ValueError(f"{text!r} does not start with a metric's name, like http_req_duration")
    rest = text[match.end() :].strip()
    if not rest:
        return match.group(), {}
    if not rest.startswith("{") or not rest.endswith("}"):
        raise ValueError(f"{text!r}: tags are written as {match.group()}{{tag:value}}")
    tags: dict[str, str] = {}
    for piece in _split_tags(rest[1:-1], text):
        key, colon, value = piece.partition(":")
        key = key.strip()
        if not colon or not _NAME.fullmatch(key):
            raise ValueError(f"{text!r}: {piece.strip()!r} is no tag, write it as tag:value")
        if key in tags:
            raise ValueError(f"{text!r}: the tag {key!r} is there twice, keep one")
        tags[key] = _read_value(value, text)
    return match.group(), tags


def _split_tags(inside: str, text: str) -> list[str]:
    """Split at commas that are neither in quotes nor in braces."""
    pieces, depth, start, quoted, position = [], 0, 0, False, 0
    while position < len(inside):
        letter = inside[position]
        if quoted:
            if letter == "\\":
                position += 1
            quoted = letter != '"'
        elif letter == '"' and _opens_value(inside, start, position):
            quoted = True
        elif letter == "{":
            depth += 1
        elif letter == "}":
            depth -= 1
            if depth < 0:
                raise ValueError(f"{text!r}: a brace closes that was never opened")
        elif letter == "," and depth == 0:
            pieces.append(inside[start:position])
            start = position + 1
        position += 1
    if depth or quoted:
        raise ValueError(f"{text!r}: a {'quote' if quoted else 'brace'} is never closed")
    return [*pieces, inside[start:]]


def _opens_value(inside: str, start: int, position: int) -> bool:
    key, colon, before = inside[start:position].partition(":")
    return bool(key.strip() and colon and not before.strip())


def _read_value(value: str, text: str) -> str:
    value = value.strip()
    if not value.startswith('"'):
        if not value:
            raise ValueError(f"{text!r}: a tag has no value, write it as tag:value")
        return value
    match = re.fullmatch(r'"((?:[^"\\]|\\["\\])*)"', value)
    if match is None:
        raise ValueError(f'{text!r}: {value} is no quoted value, write it as "value"')
    return re.sub(r"\\(.)", r"\1", match.group(1))


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


def objective(metric_text: str, threshold_text: str, exact: bool = False) -> Objective:
    """Make the objective that a metric and a threshold spell.

    The metric, its tags and the aggregation must be in the catalog; metrics that are exact by
    nature (`delivery_lost`) are so without `exact`. What checkers measure belongs to the window
    `run`, everything else to `load` unless the pseudo tag `window` says otherwise.

    Raises:
        ValueError: it cannot be asked; the message names every problem and what would be right.
    """
    metric, tags = parse_metric(metric_text)
    threshold = parse_threshold(threshold_text)
    asked = tags.pop("window", None)
    problems = question_problems(metric, tags, threshold.aggregation)
    if asked is not None and asked not in WINDOWS:
        problems.append(f"there is no window {asked!r}: {suggestion(asked, WINDOWS)}")
    measured = metric in CATALOG and CATALOG[metric].reading is Reading.MEASURED
    if measured and asked not in (None, "run"):
        problems.append(f"{metric} is measured over the whole run: leave out window:{asked}")
    if problems:
        raise ValueError("; ".join(problems))
    known = CATALOG[metric]
    made = Objective(
        name="",
        metric=metric,
        tags=tags,
        window=cast(Window, asked or ("run" if measured else "load")),
        aggregation=threshold.aggregation,
        percentile=threshold.percentile,
        operator=threshold.operator,
        bar=threshold.bar,
        unit=unit_of(metric, threshold.aggregation),
        samples_min=samples_needed(*threshold, share=known.reading is not Reading.COUNT),
        exact=exact or known.exact,
    )
    return msgspec.structs.replace(made, name=format_objective(made))


def format_objective(asked: Objective) -> str:
    """Write an objective as a person does: `metric{tag:value}: p(95)<300`.

    Parsing the text again gives an equal objective.
    """
    tags = dict(sorted(asked.tags.items()))
    measured = CATALOG[asked.metric].reading is Reading.MEASURED
    if asked.window != ("run" if measured else "load"):
        tags["window"] = asked.window
    inside = ",".join(f"{key}:{_write_value(value)}" for key, value in tags.items())
    metric = f"{asked.metric}{{{inside}}}" if inside else asked.metric
    aggregation = asked.aggregation
    spelt = f"p({_write_number(asked.percentile)})" if aggregation == "p" else aggregation
    return f"{metric}: {spelt}{asked.operator}{_write_number(asked.bar)}"


def _write_value(value: str) -> str:
    try:
        plain = _split_tags(f"k:{value}", value) == [f"k:{value}"]
    except ValueError:
        plain = False
    if plain and value and value == value.strip() and not value.startswith('"'):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _write_number(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
