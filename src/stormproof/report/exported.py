"""A record as lines: what each metric was under each tag set, second by second.

An operation's series is two lines, its response times (`http_req_duration`) and its service times
(`http_req_service`), both with its counts; every other series is one. Workers are added up, and
seconds to steps where asked. Nothing is judged here, and nothing is read but the record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import OriginEvent
from stormproof.model.histogram import Histogram
from stormproof.model.record import Record
from stormproof.model.series import AnyFrame, Counts, Series, SeriesKind
from stormproof.rules.catalog import CATALOG, USERS, USERS_BUSY, custom_metric
from stormproof.rules.fold import Cell, fold_users

DURATION, SERVICE = "_duration", "_service"
USER_GAUGES: Final = (USERS_BUSY, USERS)
TagSet = tuple[tuple[str, str], ...]
_NO_TAGS: TagSet = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to export: one metric under some tags, or everything; in steps of so many seconds."""

    metric: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    step_s: int = 1

    def takes(self, metric: str, series: str, tags: TagSet) -> bool:
        """Tell whether a line is wanted; an operation's series stands for both of its lines."""
        named = self.metric in ("", metric, series)
        return named and self.tags.items() <= dict(tags).items()


@dataclass(slots=True, kw_only=True)
class Line:
    """One metric under one tag set from one second on.

    `times` are microseconds, or thousandths of a custom metric's unit; `status` counts the answers
    to HTTP requests by status.
    """

    metric: str
    tags: TagSet
    kind: SeriesKind
    from_second: int
    seconds: int
    cell: Cell = field(default_factory=Cell)
    status: Counter[int] = field(default_factory=Counter)

    @property
    def times(self) -> Histogram:
        """The distribution that the line is about."""
        served = self.kind is SeriesKind.OPERATION and self.metric.endswith(SERVICE)
        return self.cell.service if served else self.cell.response

    @property
    def has_times(self) -> bool:
        """Whether the line is about a distribution."""
        return self.kind in (SeriesKind.OPERATION, SeriesKind.TREND)


Lines = dict[tuple[str, TagSet], Line]


def origin_wall_ns(record: Record) -> int:
    """Return the wall clock's nanoseconds since the epoch at the start of the load."""
    manifest = record.manifest
    origins = (one.at_ns for one in record.events if isinstance(one, OriginEvent))
    origin_ns = next(origins, manifest.started_monotonic_ns)
    return manifest.started_wall_ns + origin_ns - manifest.started_monotonic_ns


def unit_of(record: Record, metric: str) -> str:
    """Return the unit of a line's values."""
    known = CATALOG.get(metric)
    if known is not None:
        return known.unit
    custom = {one.name: one for one in record.plan.metrics}.get(metric)
    return custom_metric(custom).unit if custom is not None else ""


def names_in(record: Record) -> set[str]:
    """Return the metrics that a record has lines of."""
    every = (one for mine in record.series.values() for one in mine.values())
    return {name for one in every for name in _names_of(one)} | set(USER_GAUGES)


def _names_of(series: Series) -> tuple[str, ...]:
    if series.kind is SeriesKind.OPERATION:
        return (f"{series.metric}{DURATION}", f"{series.metric}{SERVICE}")
    return (series.metric,)


def lines_of(record: Record, wanted: Wanted) -> Iterator[Line]:
    """Yield the lines of a record by second, then by metric and tags; quiet seconds have none."""
    step_s = wanted.step_s
    for start, frames in groupby(record.frames, lambda one: one.second // step_s * step_s):
        mine = list(frames)
        lines = [*_series_lines(record, mine, wanted, start), *_user_lines(mine, wanted, start)]
        yield from sorted(lines, key=lambda one: (one.metric, one.tags))


def _series_lines(
    record: Record, frames: Iterable[AnyFrame], wanted: Wanted, start: int
) -> Iterable[Line]:
    lines: Lines = {}
    for frame in frames:
        known = record.series.get(frame.worker, {})
        for counts in frame.counts:
            if counts.series in known:
                _add(lines, known[counts.series], counts, wanted, start)
    return lines.values()


def _add(lines: Lines, series: Series, counts: Counts, wanted: Wanted, start: int) -> None:
    tags = tuple(sorted(series.tags.items()))
    for name in _names_of(series):
        if not wanted.takes(name, series.metric, tags):
            continue
        line = lines.get((name, tags))
        if line is None:
            line = lines[name, tags] = Line(
                metric=name,
                tags=tags,
                kind=series.kind,
                from_second=start,
                seconds=wanted.step_s,
            )
        line.cell.add(counts)
        for status, count in zip(counts.status, counts.status_count, strict=True):
            line.status[status] += count


def _user_lines(frames: list[AnyFrame], wanted: Wanted, start: int) -> Iterator[Line]:
    for name in USER_GAUGES:
        if not wanted.takes(name, name, _NO_TAGS):
            continue
        whole = Cell()
        for cell in fold_users(frames, busy=name == USERS_BUSY).values():
            whole.merge(cell)
        yield Line(
            metric=name,
            tags=_NO_TAGS,
            kind=SeriesKind.GAUGE,
            from_second=start,
            seconds=wanted.step_s,
            cell=whole,
        )


def wall_ns_of(line: Line, origin_ns: int) -> int:
    """Return the wall clock (nanoseconds since the epoch) at the start of a line."""
    return origin_ns + line.from_second * SECOND_NS
