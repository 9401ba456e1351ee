"""Frames: which second, which series, which health."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from stormproof.clients.tape import ROW, Scope, Tape
from stormproof.kernel.errors import EnvironmentFailure
from stormproof.load.recording import SLACK_NS, UNKNOWN_HEALTH, Recording
from stormproof.model.ledger import ENTRY_BYTES
from stormproof.model.series import Counts, Frame, GeneratorHealth, Series
from stormproof.testing import ScriptedRecorder

SECOND_NS = 1_000_000_000
ORIGIN_NS = 100 * SECOND_NS


class Desk:
    """A recording over a scripted recorder."""

    def __init__(self, *, writes_max: int | None = None) -> None:
        self.tape = Tape(1)
        self.scope = Scope(self.tape, "s")
        self.recorder = ScriptedRecorder(writes_max=writes_max)
        self.asked: list[int] = []
        self.live: list[tuple[Frame, list[str]]] = []
        self.recording = Recording(
            self.tape,
            [self.scope],
            [self.scope],
            self.recorder,
            health=self._health,
            on_frame=self._show,
        )

    def _health(self, seconds: int) -> list[GeneratorHealth]:
        self.asked.append(seconds)
        return [msgspec.structs.replace(UNKNOWN_HEALTH, users=5)] * seconds

    def _show(self, frame: Frame, series: Sequence[Series]) -> None:
        self.live.append((frame, [one.metric for one in series]))

    @property
    def frames(self) -> list[Frame]:
        """Return the frames that were recorded."""
        return self.recorder.recorded.frames

    def row(self, series: int, end_s: float, *, took_ms: int = 1, failed: bool = False) -> None:
        """Put a row on the tape that ended so long after the origin."""
        end_ns = ORIGIN_NS + int(end_s * SECOND_NS)
        start_ns = end_ns - took_ms * 1_000_000
        self.tape.rows += ROW.pack(series, failed, 10, 20, start_ns, start_ns, end_ns)

    def counts(self, second: int) -> dict[str, Counts]:
        """Return what a second holds, by metric."""
        frame = next(one for one in self.frames if one.second == second)
        return {self.tape.series[one.series].metric: one for one in frame.counts}

    def at(self, seconds: float) -> int:
        """Return an instant after the origin."""
        return ORIGIN_NS + int(seconds * SECOND_NS)


def test_frame_is_written_when_its_second_is_over() -> None:
    """The frame of a second waits for its end and a little slack, and comes without fail then."""
    desk = Desk()
    desk.recording.begin(ORIGIN_NS, ORIGIN_NS)
    desk.recording.write_frames(desk.at(1) + SLACK_NS - 1)
    assert desk.frames == []
    desk.recording.write_frames(desk.at(1) + SLACK_NS)
    assert [one.second for one in desk.frames] == [0]
    assert desk.frames[0].counts == []
    assert desk.frames[0].worker == 1


def test_iteration_gives_trend_and_counter() -> None:
    """An iteration counts in its duration and in `iterations`, a failed one as failed in both."""
    desk = Desk()
    desk.recording.begin(ORIGIN_NS, ORIGIN_NS)
    desk.row(desk.scope.iteration, 0.5)
    desk.row(desk.scope.iteration, 0.6, failed=True)
    desk.recording.write_frames(desk.at(1.1))
    counts = desk.counts(0)
    assert (counts["iterations"].count, counts["iterations"].failed) == (2, 1)
    assert counts["iteration_duration"].response_count == [2]
    assert counts["iteration_duration"].service_count == []
    assert desk.frames[0].generator.schedule_lag_count == [2]


def test_traffic_is_added_up() -> None:
    """Bytes of requests and of WebSocket messages are one sum for the scenario."""
    desk = Desk()
    operation = desk.scope.operation("http_req", "GET /")
    desk.recording.begin(ORIGIN_NS, ORIGIN_NS)
    desk.row(operation, 0.5)
    desk.scope.bytes_sent, desk.scope.bytes_received = 5, 7
    desk.recording.write_frames(desk.at(1.1))
    desk.recording.write_frames(desk.at(2.1))
    counts = desk.counts(0)
    assert (counts["data_sent"].count, counts["data_received"].count) == (15, 27)
    assert (counts["http_req"].bytes_sent, counts["http_req"].bytes_received) == (10, 20)
    assert desk.counts(1) == {}


def test_drops_count_when_they_were_due() -> None:
    """A dropped iteration belongs to the second it was intended for and has no time."""
    desk = Desk()
    desk.recording.begin(ORIGIN_NS, ORIGIN_NS)
    due_ns = desk.at(0.25)
    desk.scope.row(desk.scope.dropped, False, due_ns, due_ns, due_ns)
    desk.recording.write_frames(desk.at(1.1))
    dropped = desk.counts(0)["dropped_iterations"]
    assert (dropped.count, dropped.response_count) == (1, [])


def test_checks_are_a_rate() -> None:
    """A check counts where its answer ended, failed where it did not hold."""
    desk = Desk()
    desk.recording.begin(ORIGIN_NS, ORIGIN_NS)
    for passed, end_s in ((True, 0.1), (False, 0.2), (True, 1.5)):
        desk.scope.check("c", passed, desk.at(end_s))
    desk.recording.write_frames(desk.at(2.1))
    first, second = desk.counts(0)["checks"], desk.counts(1)["checks"]
    assert (first.count, first.failed) == (2, 1)
    assert (second.count, second.failed) == (1, 0)


def test_preparation_has_negative_seconds() -> None:
    """What came before the origin was known is written under negative seconds, health unknown."""
    desk = Desk()
    operation = desk.scope.operation("http_req", "GET /")
    desk.row(operation, -2.5)
    desk.recording.drain()
    desk.recording.write_frames(desk.at(-1))
    assert desk.frames == []
    desk.recording.begin(ORIGIN_NS, desk.at(-0.5))
    desk.recording.write_frames(desk.at(0.1))
    assert [one.second for one in desk.frames] == [-3, -2, -1]
    assert desk.counts(-3)["http_req"].count == 1
    assert [one.generator.users for one in desk.frames] == [0, 0, 5]


def test_late_rows_go_to_the_second_under_way() -> None:
    """A row of a second whose frame is written is counted in the next one, never lost."""
    desk = Desk()
    operation = desk.scope.operation("http_req", "GET /")
    desk.recording.begin(ORIGIN_NS, ORIGIN_NS)
    desk.recording.write_frames(desk.at(1.1))
    desk.row(operation, 0.9)
    desk.recording.write_frames(desk.at(2.1))
    assert desk.counts(1)["http_req"].count == 1


def test_stall_leaves_no_gap() -> None:
    """After a stall every second has its frame, and the health is spread over them."""
    desk = Desk()
    desk.recording.begin(ORIGIN_NS, ORIGIN_NS)
    desk.recording.write_frames(desk.at(1.1))
    desk.recording.write_frames(desk.at(4.1))
    assert [one.second for one in desk.frames] == [0, 1, 2, 3]
    assert desk.asked == [1, 3]


def test_finish_writes_the_second_under_way() -> None:
    """The end writes the last whole second and the one under way, each with its own health."""
    desk = Desk()
    operation = desk.scope.operation("http_req", "GET /")
    desk.recording.begin(ORIGIN_NS, ORIGIN_NS)
    desk.row(operation, 1.2)
    desk.tape.ledger += bytes(ENTRY_BYTES)
    desk.recording.finish(desk.at(1.3))
    assert [one.second for one in desk.frames] == [0, 1]
    assert desk.asked == [1, 1]
    assert desk.counts(1)["http_req"].count == 1
    assert len(desk.recorder.recorded.ledger) == ENTRY_BYTES


def test_end_before_any_origin_is_recorded() -> None:
    """A worker that ends before the load has an origin still writes its preparation."""
    desk = Desk()
    desk.row(desk.scope.operation("http_req", "GET /"), -2.5)
    desk.recording.finish(ORIGIN_NS)
    assert [one.second for one in desk.frames] == [-3, -2, -1, 0]


def test_series_are_announced_once() -> None:
    """A series goes with the first frame after it was made, to the record and the live view."""
    desk = Desk()
    desk.recording.begin(ORIGIN_NS, ORIGIN_NS)
    desk.recording.write_frames(desk.at(1.1))
    desk.row(desk.scope.operation("http_req", "GET /late"), 1.5)
    desk.recording.write_frames(desk.at(3.1))
    (_, first), (_, second), (_, third) = desk.live
    assert "http_req" not in first
    assert "http_req" in second
    assert third == []
    assert desk.recorder.recorded.series == desk.tape.series


def test_failures_go_with_the_next_frame() -> None:
    """Kept failures are written once, with the next frame."""
    desk = Desk()
    desk.recording.begin(ORIGIN_NS, ORIGIN_NS)
    desk.tape.fail(series=0, user=1, kind="k", intended_ns=1, start_ns=1, end_ns=1)
    desk.recording.write_frames(desk.at(2.1))
    assert [one.kind for one in desk.recorder.recorded.failures] == ["k"]
    assert desk.tape.failures == []


def test_recorded_counts_operations() -> None:
    """`recorded` counts operations since the start, not iterations or checks."""
    desk = Desk()
    operation = desk.scope.operation("http_req", "GET /")
    desk.recording.begin(ORIGIN_NS, ORIGIN_NS)
    for end_s in (0.1, 0.2, 1.1):
        desk.row(operation, end_s)
        desk.row(desk.scope.iteration, end_s)
    desk.recording.write_frames(desk.at(2.1))
    assert [one.generator.recorded for one in desk.frames] == [2, 3]


def test_full_disk_is_not_hidden() -> None:
    """A recorder that cannot write ends the recording."""
    desk = Desk(writes_max=0)
    desk.recording.begin(ORIGIN_NS, ORIGIN_NS)
    with pytest.raises(EnvironmentFailure, match="the disk is full"):
        desk.recording.write_frames(desk.at(1.1))
