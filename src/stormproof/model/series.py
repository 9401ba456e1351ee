"""Series: a metric with its tags, and the counts of one second of it."""

from __future__ import annotations

from collections.abc import Container, Iterable
from enum import IntEnum
from typing import Final

import msgspec


class SeriesKind(IntEnum):
    """What the counts of a series mean.

    OPERATION  count, failed, response and service histograms, bytes; `metric` is its base name
    TREND      count and one histogram
    COUNTER    count
    RATE       count, failed
    GAUGE      count, level

    Custom metrics keep thousandths of their unit where others keep microseconds: a trend in
    `response_*`, the sum of a counter in `response_sum_us`.
    """

    OPERATION = 1
    TREND = 2
    COUNTER = 3
    RATE = 4
    GAUGE = 5


HTTP_OPERATION = "http_req"  # the metric of the operations that have a status and phases


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """Give an id (unique within one worker's segment) to a metric and its tags.

    Metrics: `http_req` and `ws_connect`, `ws_send`, `ws_receive` (operations),
    `iteration_duration`, `message_delivery`, `group_duration`, `ws_session_duration`, `ws_ping`,
    `http_req_waiting` and the other phases (trends), `iterations`, `dropped_iterations`,
    `data_sent`, `data_received`, `ws_sessions`, `ws_disconnects`, `ws_msgs_sent`,
    `ws_msgs_received` (counters), `checks` (rate). Tags: `scenario`, `name` (the operation's
    template), `check`, ... A custom metric's series carry its name and the tags it declares.
    """

    id: int
    kind: SeriesKind
    metric: str
    tags: dict[str, str]


class Level(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a gauge, or a journey's own trend, was in one second, in thousandths of its unit.

    `last` was set at `at_ns`.
    """

    last: int
    at_ns: int
    low: int
    high: int


class Counts(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What one series saw in one second.

    `response_*` and `service_*` are parallel lists of bucket indices and counts
    (`model.histogram`); service only for operations. Sums are in microseconds. `status` and
    `status_count` are parallel too: how many HTTP requests ended with which status, 0 for those
    without an answer.
    """

    series: int
    count: int
    failed: int = 0
    response_index: list[int] = []
    response_count: list[int] = []
    response_sum_us: int = 0
    service_index: list[int] = []
    service_count: list[int] = []
    service_sum_us: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    status: list[int] = []
    status_count: list[int] = []
    level: Level | None = None


class GeneratorHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How well a worker did its own work in one second."""

    cpu_ns: int  # CPU time used by the process
    wait_ns: int  # time it was runnable and had no CPU (/proc/self/schedstat)
    loop_lag_ns_max: int  # lateness of a periodic timer on its event loop
    gc_pause_ns: int
    schedule_lag_index: list[int]  # actual - intended start of scheduled iterations, buckets
    schedule_lag_count: list[int]
    core_idle_share: float  # idle share of the cores it may run on, 0..1; -1 unknown
    core_steal_share: float
    users: int
    users_busy: int
    sockets: int
    rss_bytes: int
    recorded: int  # operations recorded since the start
    loop_lag_index: list[int] = []  # lateness of that timer, each time it fired, buckets
    loop_lag_count: list[int] = []


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """The deltas of one worker in the second [origin + second, origin + second + 1).

    A sample belongs to the second in which it ended, a drop to the second it was intended for.
    Seconds before the origin (the preparation) are negative.
    """

    worker: int
    second: int
    at_ns: int  # when it was written
    counts: list[Counts]
    generator: GeneratorHealth

    def counts_of(self, wanted: Container[int]) -> Iterable[Counts]:
        """Return the counts of some series, by id."""
        return (one for one in self.counts if one.series in wanted)

    def series_ids(self) -> Iterable[int]:
        """Return the ids of the series that it counts."""
        return (one.series for one in self.counts)

    def unpacked(self) -> Frame:
        """Return the frame itself."""
        return self


class StoredFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame as it was read: packed as it was written, and unpacked anew by whoever looks.

    Unpacked, a second of 5,000 requests is a hundred kilobytes of numbers; packed it is a tenth.
    """

    worker: int
    second: int
    at_ns: int
    packed_counts: msgspec.Raw = msgspec.field(name="counts")
    packed_generator: msgspec.Raw = msgspec.field(name="generator")

    @property
    def counts(self) -> list[Counts]:
        """Return what each series saw."""
        return _ALL_COUNTS.decode(self.packed_counts)

    @property
    def generator(self) -> GeneratorHealth:
        """Return how well the worker did its own work."""
        return _HEALTH.decode(self.packed_generator)

    def counts_of(self, wanted: Container[int]) -> Iterable[Counts]:
        """Return the counts of some series, by id; only these are unpacked."""
        for packed in _EACH.decode(self.packed_counts):
            if _ID.decode(packed).series in wanted:
                yield _ONE.decode(packed)

    def series_ids(self) -> Iterable[int]:
        """Return the ids of the series that it counts."""
        return (one.series for one in _IDS.decode(self.packed_counts))

    def unpacked(self) -> Frame:
        """Return the frame as the worker had it."""
        return Frame(
            worker=self.worker,
            second=self.second,
            at_ns=self.at_ns,
            counts=self.counts,
            generator=self.generator,
        )


class _Id(msgspec.Struct, array_like=True):
    """The first field of `Counts`; the others are passed over."""

    series: int


AnyFrame = Frame | StoredFrame
_ID: Final = msgspec.msgpack.Decoder(_Id)
_IDS: Final = msgspec.msgpack.Decoder(list[_Id])
_EACH: Final = msgspec.msgpack.Decoder(list[msgspec.Raw])
_ONE: Final = msgspec.msgpack.Decoder(Counts)
_ALL_COUNTS: Final = msgspec.msgpack.Decoder(list[Counts])
_HEALTH: Final = msgspec.msgpack.Decoder(GeneratorHealth)
