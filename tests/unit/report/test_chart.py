"""Charts: buckets keep spikes, axes have round ends, lines break where nothing is known."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from stormproof.report.axis import linear_scale, log_scale, tick_text, time_ticks
from stormproof.report.chart import Chart, Line, Reference, draw
from stormproof.report.downsample import Bucket, buckets_of, step_for


def test_buckets_keep_extremes() -> None:
    """A spike of one second survives downsampling, and so does a dip."""
    values: list[float | None] = [5.0] * 100
    values[37], values[71] = 900.0, 0.0
    buckets = buckets_of(values, 10)
    assert buckets[3] == Bucket(5.0, 5.0, 900.0)
    assert buckets[7] == Bucket(0.0, 5.0, 5.0)


def test_buckets_of_gaps() -> None:
    """A bucket is unknown only when all of its seconds are."""
    assert buckets_of([None, None, None, 4.0], 2) == [None, Bucket(4.0, 4.0, 4.0)]


@pytest.mark.parametrize("length", [1, 150, 400, 401, 7_200, 86_400, 1_000_000])
def test_step_bounds_the_buckets(length: int) -> None:
    """However long a run is, it needs no more buckets than the limit."""
    assert -(-length // step_for(length, 400)) <= 400


@pytest.mark.parametrize("largest", [0.003, 0.7, 1.0, 7.3, 99.0, 101.0, 48_211.0])
def test_linear_scale(largest: float) -> None:
    """A linear scale starts at zero, holds the largest value, and wastes less than half."""
    scale = linear_scale(largest)
    assert scale.low == 0
    assert largest <= scale.high <= 2 * largest
    assert 3 <= len(scale.ticks()) <= 6
    assert scale.ticks()[-1] == pytest.approx(scale.high)


@pytest.mark.parametrize(
    ("smallest", "largest"), [(5.0, 5.0), (1.0, 10.0), (4.2, 380.0), (0.3, 9_000.0), (0.001, 1e7)]
)
def test_log_scale(smallest: float, largest: float) -> None:
    """A logarithmic scale holds both ends, has two to six ticks, and keeps order."""
    scale = log_scale(smallest, largest)
    assert scale.low <= smallest
    assert scale.high >= largest
    assert 2 <= len(scale.ticks()) <= 6
    assert scale.place(smallest) >= scale.place(largest)
    assert scale.place(0.0) == 100
    assert scale.place(float("inf")) == 0


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.25, "0.25"), (500, "500"), (1_500, "1.5 k"), (3e6, "3 M")]
)
def test_tick_text(value: float, text: str) -> None:
    """Ticks are short."""
    assert tick_text(value) == text


@pytest.mark.parametrize(
    ("from_s", "to_s"), [(0, 1), (-8, 156), (0, 7_200), (0, 86_400), (0, 10_000_000)]
)
def test_time_ticks(from_s: int, to_s: int) -> None:
    """Instants on the clock are round, inside it, and at most ten steps apart."""
    ticks = time_ticks(from_s, to_s)
    assert all(from_s <= tick <= to_s for tick in ticks)
    assert 1 <= len(ticks) <= 11
    assert len({b - a for a, b in pairwise(ticks)}) <= 1


def line_of(values: list[float | None], **changes: bool) -> Line:
    """Return a line over values."""
    return Line(label="p50", values=values, style=1, **changes)


def test_a_gap_breaks_the_line() -> None:
    """Where nothing was seen the line is broken and not drawn through."""
    chart = Chart(key="k", title="t", unit="", lines=[line_of([1.0, 2.0, None, 3.0, None, 1.0])])
    path = draw(chart, 0, 1).strokes[0].path
    assert path.count("M") == 3
    assert path.endswith("h0")  # a lonely second is a dot


def test_points_stand_in_the_middle_of_their_second() -> None:
    """The value of second s, which lasts until s + 1, stands at s + 0.5."""
    panel = draw(Chart(key="k", title="t", unit="", lines=[line_of([0.0, 1.0])]), -3, 1)
    assert panel.strokes[0].path == "M-2.5 100L-1.5 0"


def test_long_runs_are_drawn_with_an_envelope() -> None:
    """With several seconds a bucket the line is their median and the shade their extremes."""
    values: list[float | None] = [1.0, 1.0, 9.0, 1.0, 1.0, 1.0]
    stroke = draw(Chart(key="k", title="t", unit="", lines=[line_of(values, area=True)]), 0, 3)
    assert stroke.strokes[0].envelope
    assert not stroke.strokes[0].area
    assert "10" not in stroke.strokes[0].path  # the spike is not in the line


def test_a_reference_is_always_on_the_scale() -> None:
    """The bar of an objective is visible even when every value is far from it."""
    reference = Reference(value=500.0, label="bar p95 < 500")
    lines = [line_of([2.0, 3.0])]
    chart = Chart(key="k", title="t", unit="ms", lines=lines, log=True, references=[reference])
    assert 0 <= draw(chart, 0, 1).references[0].y < 50


@pytest.mark.parametrize("log", [False, True])
def test_a_chart_without_values(log: bool) -> None:
    """A chart without a single value is drawn, and says so."""
    panel = draw(Chart(key="k", title="t", unit="", lines=[line_of([None, None])], log=log), 0, 1)
    assert panel.empty
    assert panel.ticks


def test_paths_hold_numbers_only() -> None:
    """A path holds commands and plain numbers: no exponent that SVG might misread, no nan."""
    values: list[float | None] = [0.0001, float("inf"), 7.0, 1e12]
    for log in (False, True):
        chart = Chart(key="k", title="t", unit="", lines=[line_of(values)], log=log)
        path = draw(chart, 0, 1).strokes[0].path
        assert re.fullmatch(r"[MLh0-9. -]+", path)
