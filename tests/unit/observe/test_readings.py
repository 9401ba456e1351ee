"""Rows of the record out of what sources give: each series once, nothing without bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from stormproof.kernel.limits import (
    OBSERVED_NAMES_LEFT_OUT_MAX,
    OBSERVED_TEXT_CHARACTERS_MAX,
    SERIES_MAX,
    TAG_VALUES_MAX,
)
from stormproof.model.event import Event
from stormproof.model.native import NativeBuckets, unpacked
from stormproof.model.observed import Observed, ObservedKind
from stormproof.model.reading import ObservedSeries, SourceReading
from stormproof.observe.readings import Readings


class Sink:
    """Keep rows as a segment would."""

    def __init__(self) -> None:
        self.rows: list[tuple[SourceReading, list[ObservedSeries]]] = []
        self.warnings: list[Event] = []
        self.shown: list[SourceReading] = []
        self.readings = Readings(self, self.warnings.append, self.show)

    def reading(self, reading: SourceReading, series: Sequence[ObservedSeries]) -> None:
        self.rows.append((reading, list(series)))

    def show(self, reading: SourceReading, series: Mapping[int, ObservedSeries]) -> None:
        assert set(reading.ids) <= set(series)
        self.shown.append(reading)

    def take(self, *given: Observed) -> tuple[SourceReading, list[ObservedSeries]]:
        self.readings.take("target", 1, 2, given)
        return self.rows[-1]


def gauge(name: str, value: float = 1.0, **tags: str) -> Observed:
    return Observed(name, tags, ObservedKind.GAUGE, value)


def test_a_series_is_named_once_and_its_values_every_time() -> None:
    """The second reading repeats no name; the order of tags makes no other series."""
    sink = Sink()
    first, named = sink.take(gauge("a", 1, x="1", y="2"), gauge("b", 2))
    assert [(one.id, one.name, one.tags) for one in named] == [
        (0, "a", {"x": "1", "y": "2"}),
        (1, "b", {}),
    ]
    assert (first.ids, first.values) == ([0, 1], [1, 2])
    second, named = sink.take(gauge("b", 5), gauge("a", 7, y="2", x="1"))
    assert (named, second.ids, second.values) == ([], [1, 0], [5, 7])
    assert sink.shown == [first, second]


def test_a_silence_is_a_row_of_its_own() -> None:
    """What gave nothing is there with its instants and its reason, cut to a bound."""
    sink = Sink()
    sink.readings.miss("target", 5, 9, "timeout" + "x" * 5_000)
    (row, _) = sink.rows[0]
    assert (row.start_ns, row.end_ns, row.ids) == (5, 9, [])
    assert row.error.startswith("timeoutx")
    assert len(row.error) == OBSERVED_TEXT_CHARACTERS_MAX


def test_too_many_series_are_left_out_by_name() -> None:
    """The record keeps SERIES_MAX series of a source and the name of what lacks some, told once."""
    sink = Sink()
    given = [gauge(f"n{i}") for i in range(SERIES_MAX)]
    row, named = sink.take(*given, gauge("more", a="1"), gauge("more", a="2"))
    assert len(row.ids) == SERIES_MAX
    assert [(one.name, one.is_rest) for one in named[SERIES_MAX:]] == [("more", True)]
    assert len(sink.warnings) == 1
    sink.readings.take("process", 1, 2, [gauge("own")])
    assert len(sink.rows[-1][0].ids) == 1  # another source has room of its own


def test_too_many_values_of_a_tag_are_left_out_and_buckets_are_not() -> None:
    """A tag keeps TAG_VALUES_MAX values a name; a histogram needs all of its bounds."""
    sink = Sink()
    users = [gauge("calls", user=str(i)) for i in range(TAG_VALUES_MAX + 1)]
    bounds = [gauge("wait_bucket", le=str(i)) for i in range(TAG_VALUES_MAX + 1)]
    row, named = sink.take(*users, *bounds)
    assert len(row.ids) == 2 * TAG_VALUES_MAX + 1
    assert [one.name for one in named if one.is_rest] == ["calls"]


def test_names_without_end_are_told_as_any_name() -> None:
    """A target that makes up names costs a bounded number of warnings and rows."""
    sink = Sink()
    long = "v" * OBSERVED_TEXT_CHARACTERS_MAX
    _, named = sink.take(*(gauge(f"n{i}", a=long) for i in range(100)))
    assert len(named) == OBSERVED_NAMES_LEFT_OUT_MAX + 1
    assert (named[-1].name, named[-1].is_rest) == ("", True)
    assert len(sink.warnings) == len(named)
    assert sink.take(gauge("x", a=long))[1] == []


def test_what_is_no_number_of_any_source_is_left_out() -> None:
    """Infinite, none, or beyond what is counted: it is not written, its name is told as left out,
    and the next number of the series is there again."""
    for odd in (math.inf, -math.inf, math.nan, 1e300):
        sink = Sink()
        sink.take(gauge("a", 1.0))
        row, named = sink.take(gauge("a", odd), gauge("b", 2.0))
        assert row.values == [2.0]
        assert [(one.name, one.is_rest) for one in named] == [("a", True), ("b", False)]
        assert len(sink.warnings) == 1
        assert sink.take(gauge("a", 3.0))[0].values == [3.0]


def test_buckets_of_a_native_histogram_are_kept_packed_beside_its_count() -> None:
    """It is one series however many buckets it has, apart from a gauge of the same name."""
    buckets = NativeBuckets(3, 0.0, 1, dict.fromkeys(range(SERIES_MAX), 2))
    sink = Sink()
    native = Observed("a", {}, ObservedKind.NATIVE, buckets.total, buckets)
    row, named = sink.take(native, gauge("a", 5.0))
    assert [(one.kind, one.is_rest) for one in named] == [
        (ObservedKind.NATIVE, False),
        (ObservedKind.GAUGE, False),
    ]
    assert row.values == [buckets.total, 5.0]
    assert unpacked(row.natives[row.ids[0]]) == buckets
