"""Slopes of what the load saw: passed, failed, and too short to say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec
import pytest
from tests.builders import (
    DURATION_S,
    ITERATIONS,
    at,
    counted,
    fault_events,
    frame,
    healthy_record,
    operations,
    plan,
    probe,
)
from tests.unit.checks.judging import judge_one
from tests.unit.checks.observed import TARGET

from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import DrainEvent, EndEvent, OriginEvent, Phase, PhaseEvent, WorkerEvent
from stormproof.model.objective import Abort, Status
from stormproof.model.observed import UNREAD, ObservedKind
from stormproof.model.reading import ObservedSeries, SourceReading
from stormproof.model.record import Record
from stormproof.rules.evidence import decide_not_judged
from stormproof.rules.grammar import objective
from stormproof.rules.questions import problems_of

MINUTES = 20
FEED = "http_req_duration{scenario:feed}"


def _run(
    latency_ms: Callable[[int], float],
    *,
    failed: Callable[[int], int] = lambda _second: 0,
    seconds: int = MINUTES * 60,
) -> Record:
    """Return the record of a run of many minutes without faults: ten operations a second."""
    base = plan(faults=(), duration_ns=seconds * SECOND_NS)
    every = [
        frame(
            worker,
            second,
            [
                operations([latency_ms(second) + (second * 7 + one) % 5 for one in range(5)],
                           failed=failed(second)),
                counted(ITERATIONS, 5),
            ],
            recorded=5 * (second + 1),
        )
        for second in range(seconds + 2)
        for worker in range(2)
    ]  # fmt: skip
    phases = ((-2.0, Phase.PREPARE), (0.0, Phase.WARMUP), (4.1, Phase.LOAD), (seconds, Phase.DRAIN))
    events = [
        *(PhaseEvent(at_ns=at(at_s), phase=phase) for at_s, phase in phases),
        OriginEvent(at_ns=at(0)),
        *(WorkerEvent(at_ns=at(seconds), worker=one, step="finished") for one in range(2)),
        DrainEvent(at_ns=at(seconds + 1), caught_up=True),
        PhaseEvent(at_ns=at(seconds + 2), phase=Phase.STOP),
        EndEvent(at_ns=at(seconds + 3), how="completed"),
    ]
    return healthy_record(
        base,
        frames=tuple(every),
        events=tuple(sorted(events, key=lambda one: one.at_ns)),
        probes=tuple(probe("ready", to_s=seconds + 2)),
    )


LEVEL = _run(lambda _second: 20.0)
RISING = _run(lambda second: 20.0 + second / 60)  # 60 ms an hour


def test_level_latency_passes() -> None:
    """Twenty level minutes show that the median does not creep up by 5 ms an hour."""
    judged = judge_one(FEED, "slope<5", LEVEL)
    assert judged.status is Status.PASS
    assert judged.unit == "ms/h"
    assert judged.value == pytest.approx(0, abs=1)
    assert judged.interval is not None
    assert judged.interval[1] < 5


def test_creeping_latency_fails_by_the_hour_and_by_the_operation() -> None:
    """60 ms an hour at ten operations a second is 1.67 ms per 1,000 operations."""
    judged = judge_one(FEED, "slope<5", RISING)
    assert judged.status is Status.FAIL
    assert judged.value == pytest.approx(60, rel=0.05)
    assert judged.why.startswith("60")
    assert "wanted < 5 ms/h" in judged.why
    assert judged.why.endswith("ms per 1,000 operations")
    assert float(judged.why.split(": ")[1].split()[0]) == pytest.approx(60 / 36, rel=0.05)


def test_failures_that_become_more_frequent_fail() -> None:
    """A share of failures that rises by 0.3 an hour is above a bar of 0.05."""
    record = _run(lambda _second: 20.0, failed=lambda second: int(second * 37 % 100 < second / 24))
    judged = judge_one("http_req_failed{scenario:feed}", "slope<0.05", record)
    assert judged.status is Status.FAIL
    assert judged.unit == "/h"
    assert judge_one("http_req_failed{scenario:feed}", "slope<0.05", LEVEL).status is Status.PASS


def test_a_short_run_is_inconclusive_and_says_how_long_it_needs() -> None:
    """Five minutes that rise are no answer: the rest of the ten is asked for."""
    judged = judge_one(FEED, "slope<5", _run(lambda second: 20.0 + second, seconds=300))
    assert judged.status is Status.INCONCLUSIVE
    assert judged.why.startswith("too short to say: ")
    assert judged.remedy.startswith("run 5m")


def test_growth_in_faults_does_not_count() -> None:
    """A metric that is slow in faults alone is level."""
    record = _run(lambda second: 500.0 if 700 <= second < 760 else 20.0)
    events = [*record.events, *fault_events("cache-cut", 700.0, 760.0)]
    faulted = replace(record, events=tuple(sorted(events, key=lambda one: one.at_ns)))
    judged = judge_one(FEED, "slope<5", faulted)
    assert judged.status is Status.PASS
    assert judged.evidence.seconds < MINUTES * 60 - 4


def test_steps_in_which_most_was_dropped_leave_it_undecided() -> None:
    """A median that is beyond every bar must not vanish from its own slope."""
    record = _run(lambda _second: 20.0)
    dropped = [
        msgspec.structs.replace(one, counts=[*one.counts, counted(3, 50)])
        if one.second >= 1_100
        else one
        for one in record.frames
    ]
    judged = judge_one(FEED, "slope<5", replace(record, frames=tuple(dropped)))
    assert judged.status is Status.INCONCLUSIVE
    assert "iterations were dropped" in judged.why


def test_a_metric_that_was_never_seen_has_no_slope() -> None:
    """No samples are no level line."""
    judged = judge_one("ws_send_duration", "slope<5", LEVEL)
    assert judged.status is Status.INCONCLUSIVE
    assert "never seen" in judged.why


@pytest.mark.parametrize(
    ("metric", "threshold", "hint"),
    [
        (FEED, "slope>5", "has a bar above it"),
        ("http_req_duration{window:fault}", "slope<5", "time without faults"),
        ("http_req_duration{over:30s}", "slope<5", "leave out `over`"),
        ("http_reqs", "slope<5", "cannot be asked for 'slope'"),
        ("delivery_lost", "slope<5", "cannot be asked for 'slope'"),
    ],
)
def test_what_a_slope_cannot_be_is_refused(metric: str, threshold: str, hint: str) -> None:
    """A slope has an upper bar, fault-free time, and a metric that has a level."""
    with pytest.raises(ValueError, match=hint):
        objective(metric, threshold)


def test_a_slope_ends_no_run_and_opens_no_gate() -> None:
    """Neither is decided on a few seconds."""
    made = objective(FEED, "slope<5")
    (told,) = problems_of(msgspec.structs.replace(made, abort=Abort()), plan())
    assert "before its time is over" in told
    (told,) = problems_of(made, plan(gate=(made,)))
    assert "too little time" in told


def test_a_plan_of_seconds_does_not_judge_slopes() -> None:
    """What a plan cannot decide is said before the run."""
    made = objective(FEED, "slope<5")
    kept, (left,) = decide_not_judged(plan(), [made])
    assert kept == []
    assert "a slope needs 720 s" in left.why
    long = plan(duration_ns=1_800 * SECOND_NS, faults=())
    assert decide_not_judged(long, [made]) == ([made], [])
    assert DURATION_S < 600


def _said(grows: float) -> Record:
    """Return a run of 20 minutes whose target's two processes grow by megabytes an hour each."""
    seconds = range(0, MINUTES * 60, 5)
    figures = [
        ObservedSeries(
            id=key,
            source="target",
            name="anonymous_bytes",
            tags={"part": part},
            kind=ObservedKind.GAUGE,
        )
        for key, part in enumerate(("app", "job"))
    ]
    readings = [
        SourceReading(
            source="target",
            start_ns=at(second),
            end_ns=at(second) + 1_000,
            ids=[one.id for one in figures],
            values=[2e8 + grows * 1e6 * second / 3_600 + second * 7_919 % 100_003] * len(figures),
        )
        for second in seconds
    ]
    return replace(
        LEVEL,
        plan=msgspec.structs.replace(LEVEL.plan, sources=(TARGET,)),
        observed={one.id: one for one in figures},
        readings=tuple(readings),
    )


def test_memory_that_a_source_tells_of_is_judged_by_its_slope() -> None:
    """One process that grows by 30 MB an hour breaks 20MB, one that stays level does not."""
    asked = "target:anonymous_bytes{part:app}"
    leaking = judge_one(asked, "slope<20MB", _said(30))
    assert leaking.status is Status.FAIL
    assert (leaking.unit, leaking.bar) == ("B/h", 20e6)
    assert leaking.value == pytest.approx(30e6, rel=0.05)
    assert judge_one(asked, "slope<20MB", _said(0)).status is Status.PASS


def test_processes_that_fit_are_added_up() -> None:
    """Two that grow by 15 MB an hour each are 30 together."""
    judged = judge_one("target:anonymous_bytes", "slope<20MB", _said(15))
    assert judged.status is Status.FAIL
    assert judge_one("target:anonymous_bytes", "slope<40MiB", _said(15)).status is Status.PASS


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("target:anonymous_byte", "was never seen"),
        ("target:anonymous_bytes{part:web}", "with these tags"),
        ("process:anonymous_bytes", "read no figures of process"),
    ],
)
def test_a_gauge_that_nobody_told_of_is_undecided(asked: str, hint: str) -> None:
    """A name, tags or a source that are not there prove nothing about memory."""
    judged = judge_one(asked, "slope<20", _said(0))
    assert judged.status is Status.INCONCLUSIVE
    assert hint in judged.why


@pytest.mark.parametrize(
    "seen_s", [range(660), range(600, 1_200), (*range(400), *range(800, 1_200))]
)
def test_a_gauge_that_is_read_in_a_part_of_the_calm_has_no_slope_of_it(
    seen_s: Sequence[int],
) -> None:
    """Ten minutes are enough of a run of ten, and none of the start, the end or the middle of one
    of twenty may be missing."""
    record = _said(0)
    there = [one for one in record.readings if (one.at_ns - at(0)) // SECOND_NS in seen_s]
    asked = "target:anonymous_bytes{part:app}"
    judged = judge_one(asked, "slope<20MB", replace(record, readings=tuple(there)))
    assert judged.status is Status.INCONCLUSIVE
    assert judged.why.startswith("it was not read for")


def test_left_out_series_and_unread_lines_leave_a_slope_undecided() -> None:
    """The one that leaks may be among them."""
    record, asked = _said(0), "target:anonymous_bytes"
    rest = ObservedSeries(
        id=9, source="target", name="anonymous_bytes", tags={}, kind=ObservedKind.GAUGE,
        is_rest=True,
    )  # fmt: skip
    unread = msgspec.structs.replace(rest, name=UNREAD, is_rest=False)
    lines = [
        msgspec.structs.replace(one, ids=[*one.ids, 9], values=[*one.values, 1.0])
        for one in record.readings
    ]
    left_out = replace(record, observed={**record.observed, 9: rest})
    partial = replace(record, observed={**record.observed, 9: unread}, readings=tuple(lines))
    for one in (left_out, partial):
        assert judge_one(asked, "slope<40MB", one).status is Status.INCONCLUSIVE
    assert judge_one(asked, "slope<40MB", record).status is Status.PASS


def test_a_counter_has_no_slope() -> None:
    """What only ever grows is asked for its rate."""
    record = _said(0)
    figures = {
        key: msgspec.structs.replace(one, kind=ObservedKind.COUNTER)
        for key, one in record.observed.items()
    }
    judged = judge_one("target:anonymous_bytes", "slope<20MB", replace(record, observed=figures))
    assert judged.status is Status.INCONCLUSIVE
    assert judged.why.endswith("is a counter")


@pytest.mark.parametrize("threshold", ["p(95)<300MB", "slope<5kB"])
def test_only_sizes_have_bars_of_bytes(threshold: str) -> None:
    """A time has no megabytes."""
    with pytest.raises(ValueError, match="is no size"):
        objective(FEED, threshold)
