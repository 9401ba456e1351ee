"""One pass over the frames: what a reader wants to see of each second and of each operation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

from stormproof.kernel.units import SECOND_NS
from stormproof.model.histogram import Histogram
from stormproof.model.record import Record
from stormproof.model.series import AnyFrame, GeneratorHealth, SeriesKind
from stormproof.rules.fold import Cell

MICROSECONDS_PER_MS = 1_000
OPERATIONS_MAX = 1_000  # series of a run are bounded too; this bounds the report by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSecond:
    """One second of one metric over all workers; times in milliseconds, None without samples."""

    count: int
    failed: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorSecond:
    """One second of the load generator; shares are of one core each, the worst worker counts."""

    users: int
    users_busy: int
    sockets: int
    cpu_share_max: float
    cpu_share_mean: float
    wait_share_max: float
    idle_share_min: float | None
    schedule_lag_p99_ms: float | None
    loop_lag_ms_max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What all seconds of one operation say together."""

    metric: str
    name: str
    cell: Cell


@dataclass(slots=True, kw_only=True)
class Tally:
    """Everything of the frames that the report shows."""

    metrics: dict[str, dict[int, MetricSecond]] = field(default_factory=dict)
    generator: dict[int, GeneratorSecond] = field(default_factory=dict)
    operations: dict[tuple[str, str], Cell] = field(default_factory=dict)

    def of(self, metric: str) -> dict[int, MetricSecond]:
        """Return the seconds in which `metric` saw anything."""
        return self.metrics.get(metric, {})

    def sorted_operations(self) -> list[Operation]:
        """Return all operations, the most frequent first."""
        rows = sorted(self.operations.items(), key=lambda row: (-row[1].count, row[0]))
        return [Operation(metric=key[0], name=key[1], cell=cell) for key, cell in rows]


def tally_of(record: Record) -> Tally:
    """Return the tally of a record; histograms of a second are dropped once they are read."""
    tally = Tally()
    frames = sorted(record.frames, key=attrgetter("second"))
    for second, group in groupby(frames, key=attrgetter("second")):
        together = list(group)
        for metric, cell in _cells_of(record, together, tally).items():
            tally.metrics.setdefault(metric, {})[second] = _metric_second(cell)
        tally.generator[second] = _generator_second([frame.generator for frame in together])
    return tally


def _cells_of(record: Record, frames: Iterable[AnyFrame], tally: Tally) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    for frame in frames:
        known = record.series.get(frame.worker, {})
        for counts in frame.counts:
            series = known.get(counts.series)
            if series is None:
                continue
            cells.setdefault(series.metric, Cell()).add(counts)
            if series.kind is SeriesKind.OPERATION:
                key = (series.metric, series.tags.get("name", series.metric))
                if key in tally.operations or len(tally.operations) < OPERATIONS_MAX:
                    tally.operations.setdefault(key, Cell()).add(counts)
    return cells


def milliseconds(value_us: float | None) -> float | None:
    """Return microseconds as milliseconds; None stays None."""
    return None if value_us is None else value_us / MICROSECONDS_PER_MS


def _metric_second(cell: Cell) -> MetricSecond:
    return MetricSecond(
        count=cell.count,
        failed=cell.failed,
        p50_ms=milliseconds(cell.response.percentile_us(50)),
        p95_ms=milliseconds(cell.response.percentile_us(95)),
        p99_ms=milliseconds(cell.response.percentile_us(99)),
    )


def _generator_second(workers: list[GeneratorHealth]) -> GeneratorSecond:
    cpu = [one.cpu_ns / SECOND_NS for one in workers]
    idle = [one.core_idle_share for one in workers if one.core_idle_share >= 0]
    lag = Histogram()
    for one in workers:
        lag.add(one.schedule_lag_index, one.schedule_lag_count)
    return GeneratorSecond(
        users=sum(one.users for one in workers),
        users_busy=sum(one.users_busy for one in workers),
        sockets=sum(one.sockets for one in workers),
        cpu_share_max=max(cpu),
        cpu_share_mean=sum(cpu) / len(cpu),
        wait_share_max=max(one.wait_ns for one in workers) / SECOND_NS,
        idle_share_min=min(idle, default=None),
        schedule_lag_p99_ms=milliseconds(lag.percentile_us(99)),
        loop_lag_ms_max=max(one.loop_lag_ns_max for one in workers) / 1_000_000,
    )
