"""Read what Prometheus' text format and OpenMetrics say, line by line.

Of prometheus_client's two parsers one renames counters and knows no OpenMetrics, and both end at
the first line that they cannot read. Here such a line is counted and the rest is kept; families
that come in pieces are one, because a line's meaning depends on its name alone. Timestamps and
exemplars are left out, and so are `_created` series: they say when, not how much.

Source: prometheus.io/docs/instrumenting/exposition_formats; OpenMetrics 1.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from stormproof.kernel.limits import (
    EXPOSITION_LINE_CHARACTERS_MAX,
    EXPOSITION_LINES_MAX,
    EXPOSITION_SAMPLES_MAX,
    EXPOSITION_TYPES_MAX,
)
from stormproof.model.observed import ObservedKind
from stormproof.observe.collected import Exposition

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*+"
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*+[ \t]*+=[ \t]*+"(?:[^"\\]|\\.)*+"'
_LABELS = rf"(?:[ \t]*+{_LABEL}[ \t]*+(?:,|(?=\}})))*+[ \t]*+"
_SAMPLE = re.compile(
    rf"({_NAME})[ \t]*+(?:\{{({_LABELS})\}})?[ \t]*+(?<![a-zA-Z0-9_:])([^ \t]++)"
    r"(?:[ \t]++[-+.0-9eE]++)?(?:[ \t]++#.*)?"
)
_PAIR = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*+)[ \t]*+=[ \t]*+"((?:[^"\\]|\\.)*+)"')
_TYPE = re.compile(rf"#[ \t]+TYPE[ \t]+({_NAME})[ \t]+([a-z]+)")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED: Final[Mapping[str, str]] = {"n": "\n", '"': '"', "\\": "\\"}
_COUNTED: Final[Mapping[str, frozenset[str]]] = {  # suffix -> types of which it is a counter
    "_bucket": frozenset({"histogram"}),
    "_count": frozenset({"histogram", "summary"}),
    "_sum": frozenset({"histogram", "summary"}),
    "_total": frozenset({"counter"}),
}
_UNTYPED: Final = ("unknown", "untyped")
_CREATED: Final = "_created"
_WITH_CREATED: Final = ("counter", "histogram", "summary")
_END: Final = "# EOF"


def read_exposition(text: str, *, is_open_metrics: bool = False) -> Exposition:
    """Read an exposition; never raises, whatever the text.

    Args:
        text: as the target gave it.
        is_open_metrics: its content type says so: without its end mark it was cut off, which
            counts as one more line that could not be read.
    """
    read = Exposition()
    kinds = _Kinds()
    samples: list[tuple[str, str, float]] = []
    has_ended = False
    for number, line in enumerate(_lines(text)):
        if number >= EXPOSITION_LINES_MAX:
            read.beyond = f"{EXPOSITION_LINES_MAX} lines"
            return read
        if not line:
            continue
        if has_ended or len(line) > EXPOSITION_LINE_CHARACTERS_MAX:
            read.unread += 1
        elif line.startswith("#"):
            has_ended = line == _END
            read.unread += not kinds.learn(line)
        elif len(samples) >= EXPOSITION_SAMPLES_MAX:
            read.left_out += 1
        else:
            sample = _sample(line)
            if sample is None:
                read.unread += 1
            else:
                samples.append(sample)
    read.unread += is_open_metrics and not has_ended
    _take(samples, kinds, read)
    return read


def _lines(text: str) -> Iterator[str]:
    """Yield lines one by one: whoever sends millions must not have them all made."""
    start = 0
    while (end := text.find("\n", start)) >= 0:
        yield text[start:end].strip(" \t\r")
        start = end + 1
    yield text[start:].strip(" \t\r")


def _sample(line: str) -> tuple[str, str, float] | None:
    """Return the name, the labels as written, and the value of a line; None where it is none."""
    match = _SAMPLE.fullmatch(line)
    if match is None or "_" in match[3]:
        return None
    try:
        return match[1], match[2] or "", float(match[3])
    except ValueError:
        return None


def _take(samples: list[tuple[str, str, float]], kinds: _Kinds, read: Exposition) -> None:
    """Turn samples into figures; one whose labels cannot be told apart is not read."""
    for name, labels, value in samples:
        kind = kinds.of(name)
        if read.beyond:
            return
        if kind is None:
            continue
        tags = _tags(labels)
        if tags is None:
            read.unread += 1
        else:
            read.keep(name, tags, kind, value)


def _tags(labels: str) -> dict[str, str] | None:
    """Return labels as tags; None where one is there twice."""
    pairs = _PAIR.findall(labels)
    tags = {key: _unescaped(value) if "\\" in value else value for key, value in pairs}
    return tags if len(tags) == len(pairs) else None


def _unescaped(value: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[0]), value)


class _Kinds:
    """What the `# TYPE` lines say of names; where they say nothing, the name does."""

    def __init__(self) -> None:
        self._types: dict[str, str] = {}
        self._known: dict[str, ObservedKind | None] = {}

    def learn(self, line: str) -> bool:
        """Take a comment; return False where it types a family that has another type already."""
        match = _TYPE.fullmatch(line)
        if match is None or len(self._types) >= EXPOSITION_TYPES_MAX:
            return True
        return self._types.setdefault(match[1], match[2]) == match[2]

    def of(self, name: str) -> ObservedKind | None:
        """Return the kind of a sample's name; None for one that is not kept."""
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name: str) -> ObservedKind | None:
        if self._is_created(name):
            return None
        own = self._types.get(name)
        if own == "counter":
            return ObservedKind.COUNTER
        if own is not None and own not in _UNTYPED:
            return ObservedKind.GAUGE
        for suffix, types in _COUNTED.items():
            family = self._types.get(name.removesuffix(suffix), _UNTYPED[0])
            if name.endswith(suffix) and family not in _UNTYPED:
                return ObservedKind.COUNTER if family in types else ObservedKind.GAUGE
        is_named_so = name.endswith(("_total", "_bucket"))
        return ObservedKind.COUNTER if is_named_so else ObservedKind.GAUGE

    def _is_created(self, name: str) -> bool:
        """Say whether a figure is the instant at which another began, which the text format types
        as a gauge of its own."""
        family = name.removesuffix(_CREATED)
        typed = {self._types.get(family), self._types.get(f"{family}_total")}
        return name.endswith(_CREATED) and not typed.isdisjoint(_WITH_CREATED)
