"""Fold frames into one cell a second, merged over workers and series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import ProbeSample
from stormproof.model.histogram import Histogram
from stormproof.model.record import Record
from stormproof.model.series import AnyFrame, Counts, Level, Series

STATUS = "status"  # no tag of a series: its counts by status are within its cells
THOUSANDTHS = 1_000  # what custom metrics and gauges are kept in
SeriesById = Mapping[int, Mapping[int, Series]]  # worker -> id -> series


@dataclass(slots=True, kw_only=True)
class Cell:
    """What all matching series saw together; a trend has its samples in `response`.

    Custom metrics are in thousandths: a counter's sum in `response.sum_us`, a gauge in `level`.
    """

    count: int = 0
    failed: int = 0
    response: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)
    bytes_sent: int = 0
    bytes_received: int = 0
    level: Level | None = None

    def add(self, counts: Counts) -> None:
        """Count what one series saw in one second."""
        self.count += counts.count
        self.failed += counts.failed
        self.response.add(counts.response_index, counts.response_count)
        self.response.sum_us += counts.response_sum_us
        self.service.add(counts.service_index, counts.service_count)
        self.service.sum_us += counts.service_sum_us
        self.bytes_sent += counts.bytes_sent
        self.bytes_received += counts.bytes_received
        self.level = merge_levels(self.level, counts.level)

    def add_status(self, counts: Counts, status: int) -> None:
        """Count only what ended with a status; of these nothing but their number is known."""
        for known, count in zip(counts.status, counts.status_count, strict=True):
            if known == status:
                self.count += count

    def merge(self, other: Cell) -> None:
        """Count everything that `other` counts."""
        self.count += other.count
        self.failed += other.failed
        self.response.merge(other.response)
        self.service.merge(other.service)
        self.bytes_sent += other.bytes_sent
        self.bytes_received += other.bytes_received
        self.level = merge_levels(self.level, other.level)

    def remove(self, other: Cell) -> None:
        """Take back a cell that was merged; what a gauge was cannot be taken back."""
        self.count -= other.count
        self.failed -= other.failed
        self.response.remove(other.response)
        self.service.remove(other.service)
        self.bytes_sent -= other.bytes_sent
        self.bytes_received -= other.bytes_received


def merge_levels(one: Level | None, other: Level | None) -> Level | None:
    """Return what two gauges were together: the later value, the lowest and the highest."""
    if one is None or other is None:
        return other if one is None else one
    last_ns, last = max((one.at_ns, one.last), (other.at_ns, other.last))
    low, high = min(one.low, other.low), max(one.high, other.high)
    return Level(last=last, at_ns=last_ns, low=low, high=high)


def matching_ids(series: SeriesById, metric: str, tags: Mapping[str, str]) -> dict[int, set[int]]:
    """Return, for each worker, the ids of the series of `metric` that carry all of `tags`."""
    wanted = tags.items()
    return {
        worker: {
            one.id for one in known.values() if one.metric == metric and wanted <= one.tags.items()
        }
        for worker, known in series.items()
    }


def fold_frames(
    frames: Iterable[AnyFrame], series: SeriesById, metric: str, tags: Mapping[str, str]
) -> dict[int, Cell]:
    """Return second -> cell over all series of `metric` that carry all of `tags`.

    A second in which none of them saw anything is absent.
    """
    tags = dict(tags)
    status = tags.pop(STATUS, None)
    ids = matching_ids(series, metric, tags)
    cells: dict[int, Cell] = {}
    for frame in frames:
        wanted = ids.get(frame.worker)
        if not wanted:
            continue
        for counts in frame.counts_of(wanted):
            cell = cells.setdefault(frame.second, Cell())
            if status is None:
                cell.add(counts)
            else:
                cell.add_status(counts, int(status))
    return cells


def counted_series(frames: Iterable[AnyFrame], series: SeriesById) -> dict[int, dict[int, Series]]:
    """Return the series that count in `frames`, by worker and id."""
    found: dict[int, dict[int, Series]] = {}
    for frame in frames:
        known, mine = series.get(frame.worker, {}), found.setdefault(frame.worker, {})
        for counted in frame.series_ids():
            if counted not in mine and counted in known:
                mine[counted] = known[counted]
    return found


def fold_users(frames: Iterable[AnyFrame], *, busy: bool) -> dict[int, Cell]:
    """Return second -> cell whose level is how many users there were, all workers together.

    Args:
        frames: of whole seconds.
        busy: count only the users that were inside an iteration.
    """
    users: dict[int, int] = {}
    for frame in frames:
        seen = frame.generator.users_busy if busy else frame.generator.users
        users[frame.second] = users.get(frame.second, 0) + seen
    return {second: _level_cell(second, count * THOUSANDTHS) for second, count in users.items()}


def _level_cell(second: int, value: int) -> Cell:
    return Cell(count=1, level=Level(last=value, at_ns=second * SECOND_NS, low=value, high=value))


def per_second(record: Record, metric_base: str, tags: Mapping[str, str]) -> dict[int, Cell]:
    """Return second -> cell of a series' metric (`http_req`, `message_delivery`, ...).

    Args:
        record: the run.
        metric_base: the name that series carry, see `model.series.Series`.
        tags: a series counts when its tags include all of these.
    """
    return fold_frames(record.frames, record.series, metric_base, tags)


def fold_probes(samples: Iterable[ProbeSample], probe: str, origin_ns: int) -> dict[int, Cell]:
    """Return second -> cell of the answers of a probe, in the second in which each was known."""
    cells: dict[int, Cell] = {}
    for sample in samples:
        if sample.probe == probe:
            cell = cells.setdefault((sample.end_ns - origin_ns) // SECOND_NS, Cell())
            cell.count += 1
            cell.failed += not sample.ok
    return cells


def merge_cells(cells: Iterable[Cell]) -> Cell:
    """Return one cell that counts everything in `cells`."""
    whole = Cell()
    for cell in cells:
        whole.merge(cell)
    return whole
