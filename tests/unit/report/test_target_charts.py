"""What the target says over time: beside the load, broken where nothing is known."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from tests.builders import healthy_record
from tests.unit.checks.observed import Said, every_5_s, observed
from tests.unit.checks.test_observed_native import BOTH
from tests.unit.checks.test_observed_native import record as native_record

from stormproof.checks.judge import judge
from stormproof.model.native import Count, NativeBuckets
from stormproof.model.record import Record
from stormproof.report.chart import Chart, Line, draw
from stormproof.report.downsample import step_for
from stormproof.report.html import render_html
from stormproof.report.tally import Tally, tally_of
from stormproof.report.target_charts import SAW, SAYS, target_charts
from stormproof.report.timeline import BUCKETS_MAX
from stormproof.rules.windows import windows_of

START = {
    "requests_total{status:200}": 0.0,
    "requests_total{status:503}": 0.0,
    "request_latency_ms_bucket{le:10}": 0.0,
    "request_latency_ms_bucket{le:+Inf}": 0.0,
    "rate_limit_hits_total": 0.0,
    "async_logger_queue_size": 4.0,
}
STEP = {
    "requests_total{status:200}": 450.0,
    "requests_total{status:503}": 50.0,
    "request_latency_ms_bucket{le:10}": 500.0,
    "request_latency_ms_bucket{le:+Inf}": 500.0,
    "rate_limit_hits_total": 10.0,
}


def charts_of(record: Record) -> dict[str, Chart]:
    charts = target_charts(record, windows_of(record), tally_of(record), range(42))
    return {one.key: one for one in charts}


def lines_of(chart: Chart) -> dict[str, Line]:
    return {one.label: one for one in chart.lines}


def test_each_second_has_what_was_said_of_its_time() -> None:
    """Rate, share of failures, p95, limited requests and the log's queue, each where it was read,
    beside what the load saw in the same second."""
    charts = charts_of(observed(every_5_s(START, STEP)))
    assert list(charts) == ["target-rate", "target-errors", "target-latency", "target-queue"]
    rate = lines_of(charts["target-rate"])
    assert rate[SAYS].values[:40] == pytest.approx([100.0] * 40)
    assert rate[SAYS].values[40:] == [None] * 2
    assert rate[SAW].values == [100] * 42
    assert rate["refused by a rate limit"].values[:40] == pytest.approx([2.0] * 40)
    errors = lines_of(charts["target-errors"])
    assert errors[SAYS].values[:40] == pytest.approx([10.0] * 40)
    assert errors[SAW].values == [0] * 42
    times = lines_of(charts["target-latency"])
    assert times[SAYS].values[7] == pytest.approx(9.5)
    assert times[SAW].values[7] == pytest.approx(20, rel=0.01)
    assert charts["target-latency"].log
    assert [one.label for one in charts["target-queue"].lines] == [SAYS]


@pytest.mark.parametrize("how", ["silent", "missing", "restarted"])
def test_what_is_not_known_is_a_gap(how: str) -> None:
    """A silent reading, readings too far apart, and a counter that began again break the line."""
    said: list[tuple[float, Said]] = list(every_5_s(START, STEP))
    if how == "silent":
        said[4] = (20.0, "no answer")
    elif how == "missing":
        del said[3:6]
    else:
        again = every_5_s(START, STEP)
        said[5:] = [(at_s, again[place][1]) for place, (at_s, _) in enumerate(said[5:])]
    values = lines_of(charts_of(observed(said))["target-rate"])[SAYS].values
    known = [value is not None for value in values]
    gap = {"silent": range(15, 25), "missing": range(10, 30), "restarted": range(20, 25)}[how]
    assert [second for second in range(40) if not known[second]] == list(gap)


def test_native_histograms_are_drawn_like_classic_ones() -> None:
    """The p95 of native histograms of two instances, added up, is that which is judged."""
    chart = charts_of(native_record(BOTH))["target-latency"]
    values = [value for value in lines_of(chart)[SAYS].values if value is not None]
    assert len(values) == 42
    assert all(140 <= value <= 160 for value in values)


def test_a_long_run_is_drawn_in_few_points() -> None:
    """Two hours of readings every five seconds leave the page far below its limit, and a spike of
    one reading is in the shade of its bucket."""
    seconds = range(7_200)
    said = [
        (place * 5.0, {"requests_total": place * 500.0 + (4_500 if place > 700 else 0)})
        for place in range(1_441)
    ]
    record = observed(said)
    (rate,) = target_charts(record, windows_of(record), tally_of(record), seconds)
    panel = draw(rate, 0, step_for(len(seconds), BUCKETS_MAX))
    assert len(panel.strokes[0].buckets) <= BUCKETS_MAX
    assert max(one.high for one in panel.strokes[0].buckets if one) == pytest.approx(1_000)
    assert len(panel.strokes[0].path) + len(panel.strokes[0].envelope) < 50_000


def test_a_target_that_serves_nothing_well_known_has_no_chart() -> None:
    """Without one of the well-known figures, or without a source at all, nothing is drawn; without
    statuses no share of failures."""
    assert charts_of(observed(every_5_s({"other_total": 0.0}, {}))) == {}
    assert charts_of(healthy_record()) == {}
    only_rate = {"requests_total": 0.0}
    assert list(charts_of(observed(every_5_s(only_rate, {"requests_total": 5.0})))) == [
        "target-rate"
    ]


def test_an_idle_target_says_a_rate_of_nothing() -> None:
    """A counter that stands still is a rate of zero, of which no share and no time is known."""
    charts = charts_of(observed(every_5_s(START, {})))
    assert set(lines_of(charts["target-rate"])[SAYS].values[:40]) == {0.0}
    assert "target-errors" not in charts
    assert "target-latency" not in charts


@pytest.mark.parametrize(
    "said",
    [
        [(10.0, START)],
        [(10.0, START), (10.0, START)],
        [(0.0, {"requests_total": 0.0}), (5.0, {"requests_total": 1e308})],
        [(0.0, {"request_latency_ms_bucket{le:x}": 0.0}), (5.0, {"requests_total": 1.0})],
        [(0.0, "no"), (5.0, "no")],
    ],
)
def test_odd_readings_break_no_page(said: Sequence[Any]) -> None:
    """One reading, two of one instant, counters as large as numbers get, buckets without a bound:
    the page is rendered."""
    record = observed(said)
    page = render_html(judge(record, version="1"), record)
    assert b"What the target says of itself" in page


def test_the_page_has_the_charts_without_a_script() -> None:
    """The charts are SVG in the page, in the target's own section."""
    record = observed(every_5_s(START, STEP))
    page = render_html(judge(record, version="1"), record).decode()
    section = page[page.index('id="sources"') :]
    assert section.index('id="chart-target-rate"') < section.index("<table")
    assert section.count("the load saw <output") == 3


@pytest.mark.parametrize("observes", [math.inf, -math.inf, sys.float_info.max, 5e-324])
def test_a_report_is_written_whatever_number_a_target_observes(observes: float) -> None:
    """A native histogram of infinite times, or of the largest or smallest there is, is drawn at the
    edge of its chart or not at all; the report is there all the same."""
    exponent = 1025 if math.isinf(observes) else math.frexp(observes)[1]

    def said(tick: int) -> tuple[float, float, NativeBuckets]:
        counts: dict[int, Count] = {exponent: 100 * tick}
        below, above = (counts, {}) if observes < 0 else ({}, counts)
        return 100.0 * tick, 0.0, NativeBuckets(0, 0.0, 0, above, below)

    record = native_record({"a": said})
    panels = [draw(chart, 0, 1) for chart in charts_of(record).values()]
    assert not any("nan" in stroke.path for panel in panels for stroke in panel.strokes)
    assert b"</html>" in render_html(judge(record, version="1"), record)


@pytest.mark.parametrize("grows", [5e-324, 2.0**64])
def test_the_smallest_and_the_largest_counts_are_drawn(grows: float) -> None:
    """A counter that grows by next to nothing, or by as much as a figure can be, has a chart."""
    said = every_5_s({"requests_total": 0.0}, {"requests_total": grows})
    (rate,) = target_charts(observed(said), windows_of(observed(said)), Tally(), range(42))
    assert draw(rate, 0, 1).ticks
