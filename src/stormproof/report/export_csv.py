"""A record as a table of comma-separated values: one row a second (or step) and series.

Columns: `time` (wall clock), `second` (since the start of the load), `seconds` (length of the
step), `metric`, `tags` (`name=GET /feed;scenario=feed`), `count`, `failed`, `rate` (per second, of
rates the share), `min`, `avg`, `p50`, `p95`, `p99`, `max`, `value` (of gauges), `unit`. What a
metric does not have is empty.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

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

HEADER = (
    "time second seconds metric tags count failed rate min avg p50 p95 p99 max value unit".split()
)
FIGURES = ("min", "avg", "med", "p(95)", "p(99)", "max", "value")


def csv_rows(record: Record, wanted: Wanted) -> Iterator[bytes]:
    """Yield a record as rows of a table, the header first, each with its end of line."""
    origin_ns = origin_wall_ns(record)
    custom = {one.name for one in record.plan.metrics}
    yield _row(HEADER)
    for line in lines_of(record, wanted):
        yield _row(_cells(line, origin_ns, line.metric in custom, unit_of(record, line.metric)))


def _cells(line: Line, origin_ns: int, custom: bool, unit: str) -> list[str]:
    count = count_of(line, custom=custom)
    per_second = line.kind in (SeriesKind.COUNTER, SeriesKind.OPERATION)
    rate = count / line.seconds if per_second else share_of(line)
    figures = times_of(line.times) if line.has_times else level_of(line)
    return [
        time_text(wall_ns_of(line, origin_ns)),
        str(line.from_second),
        str(line.seconds),
        line.metric,
        ";".join(f"{key}={value}" for key, value in line.tags),
        f"{count:g}" if custom else str(count),
        str(line.cell.failed),
        _text(rate),
        *(_text(figures.get(name)) for name in FIGURES),
        unit,
    ]


def _text(number: float | None) -> str:
    return "" if number is None else f"{number:.10g}"


def _row(cells: Sequence[str]) -> bytes:
    sheet = io.StringIO()
    csv.writer(sheet, lineterminator="\n").writerow(cells)
    return sheet.getvalue().encode("utf-8", "backslashreplace")
