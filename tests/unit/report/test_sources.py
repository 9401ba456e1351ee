"""What the target said of itself, as a table for a terminal and for the page."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from tests.builders import healthy_record
from tests.unit.checks.judging import judge_one
from tests.unit.checks.observed import every_5_s, observed

from stormproof.checks.judge import judge
from stormproof.model.record import Record
from stormproof.report.html import render_html
from stormproof.report.sources import ROWS_PRINTED, SourceRow, source_lines, source_tables
from stormproof.rules.grammar import objective

START = {
    "requests_total{status:200}": 0.0,
    "requests_total{status:503}": 0.0,
    "latency_ms_bucket{le:10}": 0.0,
    "latency_ms_bucket{le:+Inf}": 0.0,
    "latency_ms_count": 0.0,
    "latency_ms_sum": 0.0,
    "queue": 2.0,
    "pools{pool:a}": 1.0,
    "pools{pool:b}": 5.0,
}
STEP = {
    "requests_total{status:200}": 90.0,
    "requests_total{status:503}": 10.0,
    "latency_ms_bucket{le:10}": 100.0,
    "latency_ms_bucket{le:+Inf}": 100.0,
    "queue": 1.0,
}


def rows_of(record: Record) -> dict[str, SourceRow]:
    (table,) = source_tables(record)
    return {row.name: row for row in table.rows}


def test_each_figure_has_its_extremes_its_whole_and_its_last() -> None:
    """Counters as rates with their total, histograms as a percentile, gauges as they were; from
    the start of the load to its end, all series of a name together."""
    rows = rows_of(observed(every_5_s(START, STEP)))
    requests, latency = rows["requests_total"], rows["latency_ms"]
    assert (requests.what, requests.series) == ("per second", 2)
    assert (requests.low, requests.whole, requests.last) == pytest.approx((20, 20, 20))
    assert requests.total == 800
    assert rows["requests_failed"].whole == pytest.approx(0.1)
    assert (latency.what, latency.total) == ("p95", 800)
    assert latency.whole == pytest.approx(9.5)
    queue = rows["queue"]
    assert (queue.low, queue.whole, queue.high, queue.last) == (2, 5.5, 9, 9)
    assert (requests.least, requests.most) == (800, 800)
    assert (rows["pools"].low, rows["pools"].high, rows["pools"].last) == (1, 5, None)
    assert "latency_ms_sum" not in rows
    assert "latency_ms_count" not in rows


def test_what_was_asked_comes_first_and_the_rest_is_bounded() -> None:
    """A terminal shows the figures of objectives, then the well-known ones, then some of others."""
    start = START | {f"a{place:02}": 1.0 for place in range(30)}
    record = observed(every_5_s(start, STEP))
    asked = (objective("target:queue", "max<5"),)
    record = replace(record, plan=msgspec.structs.replace(record.plan, objectives=asked))
    lines = source_lines(record)
    assert lines[1] == "TARGET (9 readings)"
    names = [line.split()[0] for line in lines[3:]]
    assert names[:4] == ["requests_failed", "queue", "requests_total", "a00"]
    assert len(names) == ROWS_PRINTED + 1
    assert lines[-1].endswith("more figures; see report.html")


def test_silences_are_counted_with_the_last_reason() -> None:
    """How often a source gave nothing stands beside how often it was read, escaped."""
    said = every_5_s({"queue": 1.0}, {})
    said[3] = (15.0, "gone \x1b[31m")
    assert source_lines(observed(said))[1] == (
        "TARGET (9 readings, 1 without figures: gone \\x1b[31m)"
    )
    assert source_lines(observed([(0.0, "/metrics answers 404")]))[2:] == []
    assert source_lines(healthy_record()) == []


def test_the_page_shows_the_table_and_stays_harmless() -> None:
    """Names and tags are the target's: they arrive as text, never as markup."""
    said = every_5_s(START | {"evil_total{a:b}": 0.0}, STEP)
    said[2] = (10.0, "<script>alert(1)</script>")
    record = observed(said)
    page = render_html(judge(record, version="1"), record).decode()
    assert "What the target says of itself" in page
    assert "requests_<wbr>failed" in page
    assert "<script>alert(1)" not in page
    bare = healthy_record()
    assert 'id="sources"' not in render_html(judge(bare, version="1"), bare).decode()


@pytest.mark.parametrize("shift_s", [0.0, 1.0, 2.5, 4.0])
def test_the_table_says_what_an_objective_on_it_says(shift_s: float) -> None:
    """Wherever the readings lie beside the ends of the load, the table takes the same ones as the
    judge, and tells how much more or less it can have been."""
    said = [(at_s + shift_s, one) for at_s, one in every_5_s(START, STEP)]
    record = observed(said)
    record = replace(record, plan=msgspec.structs.replace(record.plan, warmup_ns=0))
    rows = rows_of(record)
    for metric, threshold, shown in (
        ("target:requests_total", "count>=0", rows["requests_total"].total),
        ("target:requests_total", "rate>=0", rows["requests_total"].whole),
        ("target:latency_ms", "p(95)<1000", rows["latency_ms"].whole),
        ("target:requests_failed", "rate<1", rows["requests_failed"].whole),
        ("target:queue", "max<1000", rows["queue"].high),
        ("target:queue", "avg<1000", rows["queue"].whole),
    ):
        assert judge_one(metric, threshold, record).value == pytest.approx(shown), metric
    requests = rows["requests_total"]
    assert requests.least is not None
    assert requests.most is not None
    assert requests.least <= (requests.total or 0) <= requests.most
    assert (requests.least < requests.most) == bool(shift_s)


def test_sizes_and_shares_read_as_such() -> None:
    """Bytes are told in binary units, shares as percentages, other long numbers with a letter."""
    start = START | {"memory_bytes": 117_645_312.0, "sent_bytes_total": 0.0}
    rows = rows_of(observed(every_5_s(start, STEP | {"sent_bytes_total": 5e6})))
    assert rows["memory_bytes"].text(rows["memory_bytes"].high) == "112 MiB"
    assert rows["requests_failed"].text(rows["requests_failed"].whole) == "10 %"
    assert rows["sent_bytes_total"].text(rows["sent_bytes_total"].whole) == "1 M"
    assert rows["memory_bytes"].text(None) == "—"
