"""The live view: what it knows and what it prints."""

from __future__ import annotations

import io

import pytest

from stormproof.cli.live import KEPT_SECONDS, LiveState
from stormproof.cli.progress import PlainView, numbers_text
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import (
    DecisionEvent,
    DrainEvent,
    FaultEvent,
    FaultStep,
    OriginEvent,
    PartEvent,
    Phase,
    PhaseEvent,
    ProbeSample,
    WarningEvent,
    WorkerEvent,
)
from stormproof.model.histogram import index_of
from stormproof.model.plan import Plan, Population, ProfileRef
from stormproof.model.series import Counts, Frame, GeneratorHealth, Series, SeriesKind

HEALTH = GeneratorHealth(
    cpu_ns=0,
    wait_ns=0,
    loop_lag_ns_max=0,
    gc_pause_ns=0,
    schedule_lag_index=[],
    schedule_lag_count=[],
    core_idle_share=1.0,
    core_steal_share=0.0,
    users=5,
    users_busy=1,
    sockets=0,
    rss_bytes=0,
    recorded=0,
)
PLAN = Plan(
    trial="demo",
    title="t",
    profile=ProfileRef(name="p", sha256=""),
    scope="full",
    scale=1.0,
    seed=1,
    stack="none",
    population=Population(users=1, channels=1, posts=0),
    workers=2,
    warmup_ns=SECOND_NS,
    duration_ns=60 * SECOND_NS,
    ready_deadline_ns=SECOND_NS,
    drain_deadline_ns=SECOND_NS,
    recovery_bar_ns=SECOND_NS,
    scenarios=(),
    faults=(),
    probes=(),
    checkers=(),
    gate=(),
    objectives=(),
)
SERIES = {
    0: Series(id=0, kind=SeriesKind.OPERATION, metric="http_req", tags={}),
    1: Series(id=1, kind=SeriesKind.TREND, metric="message_delivery", tags={}),
    2: Series(id=2, kind=SeriesKind.COUNTER, metric="dropped_iterations", tags={}),
}


def frame(worker: int, second: int) -> Frame:
    counts = [
        Counts(
            series=0,
            count=10,
            failed=2,
            response_index=[index_of(1000), index_of(200_000)],
            response_count=[9, 1],
        ),
        Counts(series=1, count=1, response_index=[index_of(5000)], response_count=[1]),
        Counts(series=2, count=3),
        Counts(series=9, count=3),
    ]
    return Frame(worker=worker, second=second, at_ns=0, counts=counts, generator=HEALTH)


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def state(lines: list[str]) -> LiveState:
    return LiveState(plan=PLAN, now_ns=lambda: 30 * SECOND_NS, tell=lines.append)


def test_adds_up_the_workers_of_a_second(state: LiveState) -> None:
    """Only a second that all workers have reported is shown, with their sum."""
    state.on_frame(frame(0, 4), SERIES)
    state.on_frame(frame(1, 4), SERIES)
    state.on_frame(frame(0, 5), SERIES)
    second = state.last_whole_second()
    assert second.requests == 20
    assert second.dropped == 6
    assert sum(second.users.values()) == 10
    assert state.failed == 6


def test_keeps_a_bounded_history(state: LiveState) -> None:
    """However long a run lasts, only its last seconds are kept."""
    for second in range(1000):
        state.on_frame(frame(0, second), SERIES)
    assert len(state.seconds) <= KEPT_SECONDS + 1


def test_says_everything_a_person_waits_for(state: LiveState) -> None:
    """One line holds phase, users, rate, errors, drops, percentiles and the faults in force."""
    state.on_event(PhaseEvent(at_ns=0, phase=Phase.LOAD))
    state.on_event(FaultEvent(at_ns=0, fault="cut", step=FaultStep.INJECTED))
    for worker in (0, 1):
        state.on_frame(frame(worker, 4), SERIES)
    text = numbers_text(state)
    for part in ("load", "2 of 10 users", "20/s", "errors 4", "dropped 6", "p95 200 ms", "cut"):
        assert part in text


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (PhaseEvent(at_ns=0, phase=Phase.DRAIN), "phase drain"),
        (
            FaultEvent(at_ns=0, fault="cut", step=FaultStep.NOT_WITNESSED, detail="no bytes"),
            "fault cut does NOT bite: no bytes",
        ),
        (DrainEvent(at_ns=0, caught_up=True), "drain: all arrived"),
        (DrainEvent(at_ns=0, caught_up=False, detail="3 left"), "drain: deadline passed: 3 left"),
        (PartEvent(at_ns=0, part="cache", step="exited", detail="by signal 9"), "cache exited by"),
        (WorkerEvent(at_ns=0, worker=1, step="died", detail="x"), "worker 1 died: x"),
        (WarningEvent(at_ns=0, code="names", text="too many names"), "warning: too many names"),
        (
            DecisionEvent(
                at_ns=0,
                rule="r",
                from_second=1,
                to_second=2,
                status="fail",
                value=None,
                action="skip-faults",
            ),
            "steady state: r is fail, skip-faults",
        ),
    ],
)
def test_tells_events_in_words(
    state: LiveState, lines: list[str], event: PhaseEvent, line: str
) -> None:
    """Each event that matters to a person is told in one line."""
    state.on_event(event)
    assert lines[0].startswith(line)


def test_a_fault_is_in_force_from_injection_to_undo(state: LiveState) -> None:
    """The view shows a fault exactly while it is in force."""
    state.on_event(FaultEvent(at_ns=0, fault="cut", step=FaultStep.INJECTED))
    assert list(state.faults) == ["cut"]
    state.on_event(FaultEvent(at_ns=1, fault="cut", step=FaultStep.UNDONE))
    assert not state.faults


def test_tells_each_change_of_readiness_once(state: LiveState, lines: list[str]) -> None:
    """Readiness is told when it changes under load, not at every answer."""
    state.on_event(OriginEvent(at_ns=SECOND_NS))
    for ok in (True, True, False, False, True):
        state.on_sample(ProbeSample(probe="ready", start_ns=0, end_ns=1, status=200, ok=ok))
        state.on_sample(ProbeSample(probe="other", start_ns=0, end_ns=1, status=0, ok=False))
    assert lines == ["target says not ready", "target says ready"]


def test_the_plain_view_prints_a_line_every_five_seconds() -> None:
    """Without a terminal progress is plain lines, spaced out."""
    stream = io.StringIO()
    view = PlainView(stream)
    now = {"s": 0}

    def clock() -> int:
        return now["s"] * SECOND_NS

    state = LiveState(plan=PLAN, now_ns=clock, tell=view.tell)
    view.refresh(state)
    state.on_event(OriginEvent(at_ns=1))
    for second in range(1, 21):
        now["s"] = second
        view.refresh(state)
    view.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) in (3, 4)
    assert all(line.startswith("[0:") for line in lines)


def test_failures_are_told_apart_by_operation_and_status(state: LiveState) -> None:
    """What failed is counted under its status, or as unanswered; what was expected is not."""
    known = {0: Series(id=0, kind=SeriesKind.OPERATION, metric="http_req", tags={"name": "GET /"})}
    for statuses, numbers in (([0, 200, 503], [1, 4, 4]), ([200, 429, 503], [3, 2, 5]), ([], [])):
        counts = Counts(series=0, count=10, failed=5, status=statuses, status_count=numbers)
        state.on_frame(Frame(worker=0, second=1, at_ns=0, counts=[counts], generator=HEALTH), known)
    assert state.errors == {"503 GET /": 9, "no answer GET /": 1, "failed GET /": 5}
