"""A record as lines of JSON, as k6's: a `Metric` line before the first `Point` of each metric.

    {"type": "Metric", "metric": "http_req_duration", "data": {"kind": "trend", "unit": "ms"}}
    {"type": "Point", "metric": "http_req_duration", "data": {
        "time": "2026-11-25T14:05:09Z",     start of the second (or of the step), wall clock
        "second": 12,                       the same, since the start of the load; negative before
        "seconds": 1,                       the length of the step
        "tags": {"scenario": "feed", "name": "GET /feed"},
        "count": 50, "failed": 0,           samples, or what a counter adds up to
        "rate": 50.0,                       counters and operations: per second; rates: the share
        "avg": .., "min": .., "med": .., "p(90)": .., "p(95)": .., "p(99)": .., "max": ..,
        "value": ..,                        gauges: the last one, with min and max
        "status": {"200": 50}}}             HTTP requests: how many ended so, 0 without an answer

Unlike k6's there is no line for each sample: a second of a series is one. Dropped iterations are
the metric `dropped_iterations` and in no distribution.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from stormproof.kernel.canonical import canonical_json
from stormproof.model.record import Record
from stormproof.model.series import SeriesKind
from stormproof.report.export_figures import (
    count_of,
    level_of,
    share_of,
    time_text,
    times_of,
)
from stormproof.report.exported import Line, Wanted, lines_of, origin_wall_ns, unit_of, wall_ns_of


class _About(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    unit: str


class _Point(msgspec.Struct, frozen=True, kw_only=True):
    time: str
    second: int
    seconds: int
    tags: dict[str, str]
    count: float
    failed: int
    rate: float | None
    status: dict[str, int]


def json_lines(record: Record, wanted: Wanted) -> Iterator[bytes]:
    """Yield a record as lines of JSON, each with its end of line."""
    origin_ns = origin_wall_ns(record)
    custom = {one.name for one in record.plan.metrics}
    told: set[str] = set()
    for line in lines_of(record, wanted):
        if line.metric not in told:
            told.add(line.metric)
            about = _About(kind=_kind_of(line), unit=unit_of(record, line.metric))
            yield _encoded("Metric", line.metric, msgspec.structs.asdict(about))
        yield _encoded("Point", line.metric, _point(line, origin_ns, line.metric in custom))


def _encoded(kind: str, metric: str, data: dict[str, object]) -> bytes:
    return canonical_json({"type": kind, "metric": metric, "data": data}) + b"\n"


def _kind_of(line: Line) -> str:
    return "trend" if line.has_times else line.kind.name.lower()


def _point(line: Line, origin_ns: int, custom: bool) -> dict[str, object]:
    count = count_of(line, custom=custom)
    per_second = line.kind in (SeriesKind.COUNTER, SeriesKind.OPERATION)
    point = _Point(
        time=time_text(wall_ns_of(line, origin_ns)),
        second=line.from_second,
        seconds=line.seconds,
        tags=dict(line.tags),
        count=count,
        failed=line.cell.failed,
        rate=count / line.seconds if per_second else share_of(line),
        status={str(status): line.status[status] for status in sorted(line.status)},
    )
    figures = times_of(line.times) if line.has_times else level_of(line)
    told = {**msgspec.structs.asdict(point), **figures}
    return {name: value for name, value in told.items() if value not in (None, {})}
