"""Exports out of the record: the same figures in three forms."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from tests.builders import ITERATIONS, counted, frame, frames, healthy_record, operations
from tests.unit.checks.test_custom_metrics import _record as record_with_metrics

from stormproof.kernel.errors import EnvironmentFailure
from stormproof.model.histogram import VALUE_US_MAX, Histogram, index_of
from stormproof.model.record import Record
from stormproof.report.export_csv import HEADER, csv_rows
from stormproof.report.export_hdr import encoded, hdr_log
from stormproof.report.export_json import json_lines
from stormproof.report.exported import Wanted

FEED = Wanted(metric="http_req_duration", tags={"scenario": "feed"})


def _points(record: Record, wanted: Wanted) -> list[dict[str, Any]]:
    told = [json.loads(line) for line in json_lines(record, wanted)]
    return [one["data"] | {"metric": one["metric"]} for one in told if one["type"] == "Point"]


def test_a_second_of_a_series_is_one_point() -> None:
    """Workers are added up; time, tags, counts, rate and percentiles stand as documented."""
    points = _points(healthy_record(), FEED)
    assert [one["second"] for one in points] == list(range(42))
    point = points[20]
    assert point["tags"] == {"name": "GET /feed", "scenario": "feed"}
    assert (point["count"], point["failed"], point["rate"], point["seconds"]) == (100, 0, 100.0, 1)
    assert point["p(95)"] == pytest.approx(20.0, rel=1e-3)
    assert point["time"] == "1970-01-01T00:00:20Z"


def test_a_metric_is_introduced_once() -> None:
    """Each metric's kind and unit come before its first point, and only then."""
    told = [json.loads(line) for line in json_lines(healthy_record(), Wanted())]
    first: dict[str, str] = {}
    for one in told:
        first.setdefault(one["metric"], one["type"])
        if one["type"] == "Metric":
            assert first[one["metric"]] == "Metric"
    assert set(first.values()) == {"Metric"}
    about = {one["metric"]: one["data"] for one in told if one["type"] == "Metric"}
    assert about["http_req_service"] == {"kind": "trend", "unit": "ms"}
    assert about["iterations"] == {"kind": "counter", "unit": ""}
    assert about["vus"] == {"kind": "gauge", "unit": ""}
    assert sum(one["type"] == "Metric" for one in told) == len(about)


def test_steps_add_seconds_up() -> None:
    """Ten seconds are one point with ten times the count and the same rate."""
    step = Wanted(metric="http_req_duration", step_s=10)
    points = _points(healthy_record(), step)
    assert [one["second"] for one in points] == [0, 10, 20, 30, 40]
    assert (points[1]["count"], points[1]["rate"], points[1]["seconds"]) == (1_000, 100.0, 10)


def test_custom_metrics_are_in_their_own_unit() -> None:
    """Sums, levels, shares and distributions come back as they were added."""
    record = record_with_metrics()
    last = {one["metric"]: one for one in _points(record, Wanted()) if one["second"] == 20}
    assert last["basket"]["avg"] == 12.5
    assert (last["orders"]["count"], last["orders"]["rate"]) == (5.0, 5.0)
    assert (last["queue"]["value"], last["queue"]["min"], last["queue"]["max"]) == (20, 19.5, 20.5)
    assert last["won"]["rate"] == 0.75


def test_the_table_says_the_same() -> None:
    """The CSV form has a header and the figures of the JSON form, one row for each point."""
    record = record_with_metrics()
    data = b"".join(csv_rows(record, Wanted())).decode()
    rows = list(csv.DictReader(io.StringIO(data)))
    assert tuple(rows[0]) == tuple(HEADER)
    points = _points(record, Wanted())
    assert len(rows) == len(points)
    for row, point in zip(rows, points, strict=True):
        assert (row["metric"], int(row["second"])) == (point["metric"], point["second"])
        assert float(row["count"]) == point["count"]
        for column, figure in (("p95", "p(95)"), ("max", "max"), ("value", "value")):
            assert (row[column] == "") is (figure not in point)
            if row[column]:
                assert float(row[column]) == pytest.approx(point[figure])
    assert {row["unit"] for row in rows if row["metric"] == "basket"} == {"EUR"}


def test_names_that_would_break_a_table_are_quoted() -> None:
    """Commas, quotes and newlines of an operation's name survive the table."""
    record = healthy_record()
    odd = 'GET /a,"b"\n;c'
    for mine in record.series.values():
        mine[0].tags["name"] = odd
    data = b"".join(csv_rows(record, FEED)).decode()
    assert f"name={odd}" in {row["tags"].split(";scenario")[0] for row in
                             csv.DictReader(io.StringIO(data, newline=""))}  # fmt: skip


def _read_log(path: Path) -> list[HdrHistogram]:
    reader = HistogramLogReader(str(path), HdrHistogram(1, VALUE_US_MAX, 3))
    found = []
    while (one := reader.get_next_interval_histogram()) is not None:
        found.append(one)
    reader.close()
    return found


def test_the_log_is_read_by_the_library(tmp_path: Path) -> None:
    """Every interval comes back with its tag, its instants, and exactly our counts."""
    slow = [operations([1.0, 20.0, 900.0, 3_000_000.0]), counted(ITERATIONS, 4)]
    mixed = [frame(one.worker, one.second, slow) if one.second == 20 else one for one in frames()]
    path = tmp_path / "run.hlog"
    path.write_bytes(b"".join(hdr_log(healthy_record(frames=tuple(mixed)), FEED)))
    found = _read_log(path)
    assert len(found) == 42
    one = found[20]
    assert one.get_tag() == "http_req_duration{name:GET_/feed;scenario:feed}"
    assert (one.get_start_time_stamp(), one.get_end_time_stamp()) == (20_000.0, 21_000.0)
    assert one.get_total_count() == 8
    assert one.get_count_at_value(900_000) == 2
    ours = Histogram()
    ours.add([index_of(value) for value in (1_000, 20_000, 900_000, 3_000_000_000)], [2] * 4)
    for percentile in (25.0, 50.0, 75.0, 95.0, 100.0):
        assert one.get_value_at_percentile(percentile) == ours.percentile_us(percentile)


def test_a_missing_library_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra `export` the environment is to blame, and the cure is named."""
    monkeypatch.setitem(sys.modules, "hdrh.histogram", None)
    with pytest.raises(EnvironmentFailure, match="extra `export`"):
        encoded(Histogram(counts={5: 1}))


def test_what_has_no_distribution_is_not_in_the_log() -> None:
    """Counters, rates and gauges have no interval; a record of nothing has only a head."""
    log = b"".join(hdr_log(record_with_metrics(), Wanted())).decode()
    tags = {line.partition(",")[0] for line in log.splitlines() if line.startswith("Tag=")}
    assert tags == {
        "Tag=http_req_duration{name:GET_/feed;scenario:feed}",
        "Tag=http_req_service{name:GET_/feed;scenario:feed}",
        "Tag=basket{currency:EUR;scenario:feed}",
    }
    empty = b"".join(hdr_log(healthy_record(frames=()), Wanted())).decode()
    assert all(line.startswith(("#", '"')) for line in empty.splitlines())
