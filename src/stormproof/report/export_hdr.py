"""A record as an HdrHistogram log: interval histograms, compressed (V2) and in base64.

Each line is one second (or step) of one distribution, tagged with its metric and tags; the values
are microseconds, or thousandths of a custom metric's unit. Our counts lie on HdrHistogram's own
buckets (`model.histogram`), so that nothing is lost, and every tool that reads such logs (of Java,
C, Go, Rust, Python) gives the percentiles that a verdict gives. Dropped iterations have no value
and are not in it.

Source: HdrHistogram, `HistogramLogWriter`, log format 1.3, http://hdrhistogram.org
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from stormproof.kernel.errors import EnvironmentFailure
from stormproof.kernel.units import SECOND_NS
from stormproof.model.histogram import VALUE_US_MAX, Histogram, highest_us
from stormproof.model.record import Record
from stormproof.report.export_figures import PARTS, time_text
from stormproof.report.exported import Line, Wanted, lines_of, origin_wall_ns

SIGNIFICANT_DIGITS: Final = 3
_UNTAGGABLE = re.compile(r"[\s,]")  # they end a tag
LEGEND: Final = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'


def hdr_log(record: Record, wanted: Wanted) -> Iterator[bytes]:
    """Yield a record as the lines of a HdrHistogram log, each with its end of line.

    Raises:
        EnvironmentFailure: the library that writes its wire form is not installed.
    """
    base_s = _base_s(record)
    yield from _head(base_s)
    for line in lines_of(record, wanted):
        if line.has_times and line.times.counts:
            yield _interval(line, origin_wall_ns(record) / SECOND_NS - base_s)


def encoded(histogram: Histogram) -> str:
    """Return counts in HdrHistogram's wire form.

    Raises:
        EnvironmentFailure: the library is not installed.
    """
    try:
        from hdrh.histogram import HdrHistogram
    except ImportError as error:
        fix = "install stormproof with its extra `export`, or use --format json or csv"
        raise EnvironmentFailure("the library hdrhistogram is not installed", fix) from error
    wire = HdrHistogram(1, VALUE_US_MAX, SIGNIFICANT_DIGITS)
    for index, count in histogram.counts.items():
        wire.record_value(min(highest_us(index), VALUE_US_MAX), count)
    return str(wire.encode().decode("ascii"))


def _base_s(record: Record) -> float:
    """Return the wall clock (seconds since the epoch) at the first second of the record."""
    first = min((frame.second for frame in record.frames), default=0)
    return origin_wall_ns(record) / SECOND_NS + first


def _head(base_s: float) -> Iterator[bytes]:
    at = time_text(round(base_s * SECOND_NS))
    for text in (
        "#[Histogram log format version 1.3]",
        "#[values: microseconds, or thousandths of the unit of a custom metric; max: 1000 of them]",
        f"#[StartTime: {base_s:.3f} (seconds since epoch), {at}]",
        f"#[BaseTime: {base_s:.3f} (seconds since epoch)]",
        LEGEND,
    ):
        yield f"{text}\n".encode()


def _interval(line: Line, origin_s: float) -> bytes:
    start_s = max(0.0, origin_s + line.from_second)
    highest = highest_us(max(line.times.counts)) / PARTS
    figures = f"{start_s:.3f},{line.seconds:.3f},{highest:.3f}"
    return f"Tag={tag_of(line)},{figures},{encoded(line.times)}\n".encode()


def tag_of(line: Line) -> str:
    """Return a line's metric and tags as one word: `http_req_duration{name:GET_/feed}`."""
    inside = ";".join(f"{key}:{value}" for key, value in line.tags)
    return _UNTAGGABLE.sub("_", f"{line.metric}{{{inside}}}" if inside else line.metric)
