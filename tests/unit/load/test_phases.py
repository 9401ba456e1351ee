"""The phases of HTTP requests and their statuses, from rows to what an objective reads."""

from __future__ import annotations

import pytest
from tests.unit.load.test_recording import ORIGIN_NS, Desk

from stormproof.clients.tape import PHASED_ROW
from stormproof.model.histogram import index_of
from stormproof.model.series import Counts
from stormproof.rules.fold import fold_frames

MS = 1_000_000
PHASES = ("blocked", "connecting", "tls_handshaking", "sending", "waiting", "receiving")


class Phased(Desk):
    """A recording of one HTTP operation."""

    def __init__(self) -> None:
        super().__init__()
        self.operation = self.scope.operation("http_req", "GET /")
        self.recording.begin(ORIGIN_NS, ORIGIN_NS)

    def request(
        self, took_ms: int, *, status: int = 200, written_ms: int = 0, first_ms: int = 0
    ) -> int:
        """Put a request on the tape; return when it ended."""
        end_ns = self.at(0.5)
        start_ns = end_ns - took_ms * MS
        outcome = status << 1 | (status == 0 or status >= 400)
        phases = (written_ms * 1_000, first_ms * 1_000)
        self.tape.rows += PHASED_ROW.pack(
            self.operation, outcome, 1, 1, *phases, start_ns, start_ns, end_ns
        )
        return end_ns

    def written(self) -> dict[str, Counts]:
        """Write the second; return its counts by metric."""
        self.recording.write_frames(self.at(1.1))
        return self.counts(0)


def milliseconds(counts: Counts) -> float:
    """Return what a trend adds up to."""
    return counts.response_sum_us / 1_000


def test_reused_connections_take_no_time() -> None:
    """A request on an open connection counts 0 in each phase but its wait, which is all of it."""
    desk = Phased()
    for _ in range(3):
        desk.request(20)
    counts = desk.written()
    for phase in ("blocked", "connecting", "tls_handshaking", "sending", "receiving"):
        one = counts[f"http_req_{phase}"]
        assert (one.count, one.response_index, one.response_count) == (3, [0], [3])
    assert milliseconds(counts["http_req_waiting"]) == 60
    assert counts["http_req_waiting"].count == 3


def test_phases_add_up_to_the_service_time() -> None:
    """Of a request on a new connection the parts sum up to the whole, each known by itself."""
    desk = Phased()
    end_ns = desk.request(100, written_ms=30, first_ms=70)
    for phase, took_ms in (("blocked", 10), ("connecting", 12), ("tls_handshaking", 8)):
        desk.scope.phase(f"http_req_{phase}", took_ms * MS, end_ns)
    desk.request(50)
    counts = desk.written()
    spent = {phase: milliseconds(counts[f"http_req_{phase}"]) for phase in PHASES}
    assert spent == {
        "blocked": 10,
        "connecting": 12,
        "tls_handshaking": 8,
        "sending": 0,
        "waiting": 40 + 50,
        "receiving": 30,
    }
    assert {counts[f"http_req_{phase}"].count for phase in PHASES} == {2}
    assert sum(counts["http_req_waiting"].response_count) == 2


def test_coarse_buckets_never_shorten() -> None:
    """The bucket of a wait reports at least what was waited and at most 1.6 % more."""
    desk = Phased()
    desk.request(77)
    (index,) = desk.written()["http_req_waiting"].response_index
    exact = index_of(77_000)
    assert exact <= index < exact + 16


def test_no_requests_no_phases() -> None:
    """A second without HTTP requests has no phases, and one of a WebSocket alone has none ever."""
    desk = Desk()
    connect = desk.scope.operation("ws_connect", "WS /")
    desk.recording.begin(ORIGIN_NS, ORIGIN_NS)
    desk.row(connect, 0.5)
    desk.recording.write_frames(desk.at(1.1))
    assert not [one for one in desk.tape.series if one.metric.startswith("http_req_")]


def test_statuses_are_counted_by_operation() -> None:
    """Each status has its count, 0 that of requests without an answer."""
    desk = Phased()
    for status in (200, 429, 200, 0, 503, 429, 200):
        desk.request(5, status=status)
    http = desk.written()["http_req"]
    assert (http.count, http.failed) == (7, 4)
    assert dict(zip(http.status, http.status_count, strict=True)) == {0: 1, 200: 3, 429: 2, 503: 1}


@pytest.mark.parametrize(("status", "count"), [("429", 2), ("200", 1), ("404", 0)])
def test_a_status_is_asked_for_like_a_tag(status: str, count: int) -> None:
    """`http_reqs{status:429}` counts what ended with it, together with other tags."""
    desk = Phased()
    for one in (200, 429, 429):
        desk.request(5, status=one)
    desk.recording.write_frames(desk.at(1.1))
    series = {1: {one.id: one for one in desk.tape.series}}
    tags = {"scenario": "s", "status": status}
    cells = fold_frames(desk.frames, series, "http_req", tags)
    assert sum(cell.count for cell in cells.values()) == count
