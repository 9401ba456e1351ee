"""Turn the tape into frames, one a second, and hand them to the recorder.

A row belongs to the second it ended in, counted from the origin of the load. What was observed
before the origin is known waits on the tape and becomes frames of negative seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from stormproof.clients.tape import Scope, Tape
from stormproof.kernel.limits import SEGMENT_FRAME_BYTES_MAX
from stormproof.kernel.units import SECOND_NS
from stormproof.load.binning import Columns, Ints, SecondBins, as_ints, rows_of, seconds_of
from stormproof.load.metric_bins import MetricBins, measures_of
from stormproof.load.phases import PhaseTrends
from stormproof.model.event import Failure
from stormproof.model.ledger import ENTRY_BYTES
from stormproof.model.series import Counts, Frame, GeneratorHealth, Series, SeriesKind
from stormproof.seams import Recorder

LEDGER_AT_ONCE_BYTES = SEGMENT_FRAME_BYTES_MAX // ENTRY_BYTES * ENTRY_BYTES
SLACK_NS = 50_000_000  # after a second's end, before its frame is written
HealthOf = Callable[[int], Sequence[GeneratorHealth]]  # for that many seconds at once
OnFrame = Callable[[Frame, Sequence[Series]], None]

_NO_SECOND = -(1 << 40)
UNKNOWN_HEALTH = GeneratorHealth(
    cpu_ns=0,
    wait_ns=0,
    loop_lag_ns_max=0,
    gc_pause_ns=0,
    schedule_lag_index=[],
    schedule_lag_count=[],
    core_idle_share=-1.0,
    core_steal_share=-1.0,
    users=0,
    users_busy=0,
    sockets=0,
    rss_bytes=0,
    recorded=0,
)


class Recording:
    """Drain one worker's tape into its recorder."""

    def __init__(
        self,
        tape: Tape,
        scopes: Sequence[Scope],
        scheduled: Sequence[Scope],
        recorder: Recorder,
        *,
        health: HealthOf,
        on_frame: OnFrame,
    ) -> None:
        self._tape = tape
        self._scopes = scopes
        self._recorder = recorder
        self._health = health
        self._on_frame = on_frame
        self._origin_ns: int | None = None
        self._next = _NO_SECOND  # the second whose frame is written next
        self._bins: dict[int, SecondBins] = {}
        self._metrics = MetricBins()
        self._written = 0  # series that the recorder knows
        self._traffic = {
            scope.scenario: (
                tape.intern(SeriesKind.COUNTER, "data_sent", scope.tags),
                tape.intern(SeriesKind.COUNTER, "data_received", scope.tags),
            )
            for scope in scopes
        }
        self._known = 0  # series that what follows covers
        self._operations: dict[str, list[int]] = {}  # by scenario
        self._columns = Columns.of_nothing()
        self._columns.scheduled[[scope.iteration for scope in scheduled]] = True
        self._phases = PhaseTrends(scopes, self._columns)

    def begin(self, origin_ns: int, now_ns: int) -> None:
        """Set the origin of the load; until then nothing is written but the ledger."""
        self._origin_ns = origin_ns
        self.drain()
        self._next = min([*self._bins, *self._metrics.seconds, (now_ns - origin_ns) // SECOND_NS])

    def drain(self) -> None:
        """Bin what is on the tape."""
        tape, origin_ns = self._tape, self._origin_ns
        if origin_ns is None:
            return
        if tape.rows:
            packed, tape.rows = tape.rows, bytearray()
            self._bin_rows(rows_of(packed), origin_ns)
        if tape.check_slots:
            slots, ends_ns = as_ints(tape.check_slots), as_ints(tape.check_ends)
            del tape.check_slots[:], tape.check_ends[:]
            for second, mine in self._by_second(ends_ns, origin_ns):
                self._at(second).add_checks(slots[mine])
        if tape.measures:
            packed, tape.measures = tape.measures, bytearray()
            values = measures_of(packed)
            for second, mine in self._by_second(values["at_ns"], origin_ns):
                self._metrics.add(second, values[mine], tape.series)

    def write_ledger(self) -> None:
        """Hand over the ledger entries so far, no more at once than a frame holds."""
        if self._tape.ledger:
            entries, self._tape.ledger = bytes(self._tape.ledger), bytearray()
            for start in range(0, len(entries), LEDGER_AT_ONCE_BYTES):
                self._recorder.ledger(entries[start : start + LEDGER_AT_ONCE_BYTES])

    def write_frames(self, now_ns: int) -> None:
        """Write the frame of every second that is over."""
        if self._origin_ns is None:
            return
        over = (now_ns - SLACK_NS - self._origin_ns) // SECOND_NS
        if over > self._next:
            self._write_until(over, now_ns)

    def finish(self, now_ns: int) -> None:
        """Write all that is left, the second under way included."""
        self.write_ledger()
        if self._origin_ns is None:
            self.begin(now_ns, now_ns)
        assert self._origin_ns is not None
        self.drain()
        under_way = (now_ns - self._origin_ns) // SECOND_NS
        self._write_until(under_way, now_ns)
        self._write_until(under_way + 1, now_ns)

    def _write_until(self, end: int, now_ns: int) -> None:
        self.drain()
        seconds = range(self._next, end)
        past = [second for second in seconds if second < min(0, end - 1)]
        healths = [UNKNOWN_HEALTH] * len(past)
        healths += self._health(len(seconds) - len(past))
        for second, health in zip(seconds, healths, strict=True):
            self._next = second + 1
            self._write(second, now_ns, health)

    def _write(self, second: int, now_ns: int, health: GeneratorHealth) -> None:
        tape = self._tape
        bins = self._bins.pop(second, None) or SecondBins()
        lag_index, lag_count = bins.lag.by_series().get(0, ([], []))
        counts = self._counts(bins) + self._metrics.take(second)
        tape.recorded += sum(
            one.count for one in counts if tape.series[one.series].kind is SeriesKind.OPERATION
        )
        frame = Frame(
            worker=tape.worker,
            second=second,
            at_ns=now_ns,
            counts=counts,
            generator=msgspec.structs.replace(
                health,
                schedule_lag_index=lag_index,
                schedule_lag_count=lag_count,
                recorded=tape.recorded,
            ),
        )
        new, self._written = tape.series[self._written :], len(tape.series)
        failures: list[Failure]
        failures, tape.failures = tape.failures, []
        self._recorder.frame(frame, new, failures)
        self._on_frame(frame, new)

    def _counts(self, bins: SecondBins) -> list[Counts]:
        response, service = bins.response.by_series(), bins.service.by_series()
        statuses = bins.statuses()
        counts = []
        for series in np.flatnonzero(bins.count).tolist():
            index, count = response.get(series, ([], []))
            service_index, service_count = service.get(series, ([], []))
            status = statuses[series] if self._columns.waiting[series] >= 0 else {}
            counts.append(
                Counts(
                    series=series,
                    count=int(bins.count[series]),
                    failed=int(bins.failed[series]),
                    response_index=index,
                    response_count=count,
                    response_sum_us=int(bins.response_us[series]),
                    service_index=service_index,
                    service_count=service_count,
                    service_sum_us=int(bins.service_us[series]),
                    bytes_sent=int(bins.sent[series]),
                    bytes_received=int(bins.received[series]),
                    status=list(status.keys()),
                    status_count=list(status.values()),
                )
            )
        for scope in self._scopes:
            counts += self._derived(scope, bins)
            counts += self._messages(scope)
        return self._phases.completed(counts, bins)

    def _derived(self, scope: Scope, bins: SecondBins) -> list[Counts]:
        """Return the counters that follow from other series: iterations and traffic."""
        iterations = int(bins.count[scope.iteration])
        failed = int(bins.failed[scope.iteration])
        own = self._operations.get(scope.scenario, [])
        sent = int(bins.sent[own].sum()) + scope.bytes_sent
        received = int(bins.received[own].sum()) + scope.bytes_received
        scope.bytes_sent = scope.bytes_received = 0
        sent_id, received_id = self._traffic[scope.scenario]
        unbegun, scope.unbegun = scope.unbegun, 0
        counters = (
            Counts(series=scope.dropped, count=unbegun),
            Counts(series=scope.iterations, count=iterations, failed=failed),
            Counts(series=sent_id, count=sent),
            Counts(series=received_id, count=received),
        )
        return [one for one in counters if one.count]

    def _messages(self, scope: Scope) -> list[Counts]:
        """Return how many messages went over WebSockets since the last time, where any did."""
        counted = {"ws_msgs_sent": scope.messages_sent, "ws_msgs_received": scope.messages_received}
        scope.messages_sent = scope.messages_received = 0
        return [
            Counts(series=self._tape.intern(SeriesKind.COUNTER, metric, scope.tags), count=count)
            for metric, count in counted.items()
            if count
        ]

    def _bin_rows(self, rows: NDArray[np.void], origin_ns: int) -> None:
        self._learn_series()
        for second, mine in self._by_second(rows["end_ns"], origin_ns):
            self._at(second).add(rows[mine], self._columns)

    def _by_second(
        self, ends_ns: Ints, origin_ns: int
    ) -> list[tuple[int, NDArray[np.bool_] | slice]]:
        """Split rows by second; what comes late goes to the second under way."""
        seconds = seconds_of(ends_ns, origin_ns)
        seconds = np.maximum(seconds, self._next)
        first, last = int(seconds.min()), int(seconds.max())
        if first == last:
            return [(first, slice(None))]
        return [(int(second), seconds == second) for second in np.unique(seconds)]

    def _at(self, second: int) -> SecondBins:
        bins = self._bins.get(second)
        if bins is None:
            bins = self._bins[second] = SecondBins()
        return bins

    def _learn_series(self) -> None:
        """Keep up with the series that were made since the last time."""
        series, columns = self._tape.series, self._columns
        for one in series[self._known :]:
            columns.timed[one.id] = one.kind in (SeriesKind.OPERATION, SeriesKind.TREND)
            columns.served[one.id] = one.kind is SeriesKind.OPERATION
            if one.kind is SeriesKind.OPERATION:
                self._operations.setdefault(one.tags.get("scenario", ""), []).append(one.id)
                self._phases.learn(one)
        self._known = len(series)
