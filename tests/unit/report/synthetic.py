"""A made-up run that looks like a real one: two workers, a warm-up, two faults, a recovery each."""

from __future__ import annotations

import numpy as np

from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import (
    ClockEvent,
    DrainEvent,
    EndEvent,
    Event,
    Failure,
    FaultEvent,
    FaultStep,
    OriginEvent,
    Phase,
    PhaseEvent,
    ProbeSample,
    WarningEvent,
)
from stormproof.model.histogram import index_of
from stormproof.model.plan import (
    Plan,
    PlannedFault,
    PlannedProbe,
    Population,
    ProfileRef,
    Scenario,
    Source,
)
from stormproof.model.record import Manifest, Record
from stormproof.model.series import Counts, Frame, GeneratorHealth, Series, SeriesKind

ORIGIN_NS = 7_000 * SECOND_NS
CUT_S, CUT_END_S, CUT_BACK_S = 62.3, 68.5, 69.4
RESTART_S, RESTART_END_S, RESTART_BACK_S = 104.1, 105.6, 107.2
SERIES = (
    Series(
        id=0,
        kind=SeriesKind.OPERATION,
        metric="http_req",
        tags={"scenario": "feed", "name": "GET /api/feed"},
    ),
    Series(
        id=1,
        kind=SeriesKind.OPERATION,
        metric="http_req",
        tags={"scenario": "feed", "name": "POST /api/posts"},
    ),
    Series(
        id=2,
        kind=SeriesKind.OPERATION,
        metric="http_req",
        tags={"scenario": "chat", "name": "POST /api/chat/ticket"},
    ),
    Series(
        id=3,
        kind=SeriesKind.OPERATION,
        metric="ws_send",
        tags={"scenario": "chat", "name": "chat send"},
    ),
    Series(id=4, kind=SeriesKind.TREND, metric="message_delivery", tags={"scenario": "chat"}),
    Series(id=5, kind=SeriesKind.COUNTER, metric="dropped_iterations", tags={"scenario": "feed"}),
)


def at_ns(second: float) -> int:
    """Return an instant of the run from seconds since the start of the load."""
    return ORIGIN_NS + round(second * SECOND_NS)


def make_plan(duration_s: int = 150) -> Plan:
    """Return the plan of the made-up run."""
    source = Source(file="journeys.py", function="read_feed", sha256="5" * 64)
    chat = Source(file="journeys.py", function="talk", sha256="5" * 64)
    length_ns = duration_s * SECOND_NS
    return Plan(
        trial="demonstration",
        title="The embedded service under load, its cache cut off and restarted",
        profile=ProfileRef(name="demonstration", sha256="b" * 64),
        scope="full",
        scale=1.0,
        seed=7,
        stack="embedded",
        population=Population(users=400, channels=12, posts=2_000),
        workers=2,
        warmup_ns=10 * SECOND_NS,
        duration_ns=length_ns,
        ready_deadline_ns=60 * SECOND_NS,
        drain_deadline_ns=20 * SECOND_NS,
        recovery_bar_ns=10 * SECOND_NS,
        scenarios=(
            Scenario(
                name="feed",
                journey=source,
                executor="constant-arrival-rate",
                duration_ns=length_ns,
                vus=60,
                max_vus=120,
                rate=220.0,
            ),
            Scenario(
                name="chat",
                journey=chat,
                executor="constant-vus",
                duration_ns=length_ns,
                vus=48,
                max_vus=48,
                env={"token": "never-shown"},
            ),
        ),
        faults=(
            PlannedFault(
                name="cache link cut",
                kind="link-partition",
                part="cache-link",
                at_ns=62 * SECOND_NS,
                for_ns=6 * SECOND_NS,
            ),
            PlannedFault(
                name="cache restarted", kind="process-restart", part="cache", at_ns=104 * SECOND_NS
            ),
        ),
        probes=(
            PlannedProbe(
                name="ready",
                path="/health/ready",
                interval_ns=SECOND_NS // 5,
                timeout_ns=SECOND_NS,
            ),
            PlannedProbe(
                name="canary",
                path="/api/chat/ticket",
                interval_ns=SECOND_NS // 4,
                timeout_ns=SECOND_NS,
            ),
        ),
        checkers=("delivery", "faults", "recovery", "health"),
        gate=(),
        objectives=(),
    )


def make_manifest() -> Manifest:
    """Return the manifest of the made-up run."""
    return Manifest(
        run_id="20260301-093012-4f2c",
        stormproof="0.1.0",
        python="3.12.9",
        machine="x86_64",
        cores=2,
        memory_bytes=8 << 30,
        kernel="6.8.0",
        boot_id="3f0c2a9e-7d0b-4b7e-9f35-1a2b3c4d5e6f",
        started_monotonic_ns=ORIGIN_NS - 14 * SECOND_NS,
        started_wall_ns=1_772_357_412 * SECOND_NS,
        plan_sha256="9c1f" * 16,
        worker_cores=[1],
        stack_cores=[0, 1],
        versions={"postgresql": "18.1", "valkey": "8.1.4", "uvloop": "0.21.0"},
    )


def make_record(duration_s: int = 150, *, seed: int = 1, detail: int = 40) -> Record:
    """Return a sealed record of a run of `duration_s` seconds; `detail` samples a histogram."""
    random = np.random.default_rng(seed)
    frames = [
        _frame(random, worker, second, duration_s, detail)
        for second in range(-8, duration_s + 6)
        for worker in (0, 1)
    ]
    return Record(
        plan=make_plan(duration_s),
        manifest=make_manifest(),
        series={worker: {one.id: one for one in SERIES} for worker in (0, 1)},
        frames=tuple(frames),
        events=_events(duration_s),
        probes=tuple(_probes(random, duration_s)),
        failures=tuple(_failures(random)),
        ledger=(),
        sealed=True,
        problems=(),
    )


def _in_fault(second: float) -> bool:
    return CUT_S <= second < CUT_BACK_S or RESTART_S <= second < RESTART_BACK_S


def _counts(
    random: np.random.Generator,
    series: int,
    count: int,
    failed: int,
    median_us: float,
    spread: float,
    detail: int,
) -> Counts:
    drawn = random.lognormal(np.log(median_us), spread, min(count, detail)).astype(int)
    indices, counts = np.unique([index_of(int(value)) for value in drawn], return_counts=True)
    scale = count / max(1, len(drawn))
    weights = [max(1, round(int(one) * scale)) for one in counts]
    sum_us = int(drawn.sum() * scale)
    return Counts(
        series=series,
        count=count,
        failed=failed,
        response_index=[int(one) for one in indices],
        response_count=weights,
        response_sum_us=sum_us,
        service_index=[int(one) for one in indices],
        service_count=weights,
        service_sum_us=sum_us,
        bytes_sent=count * 310,
        bytes_received=count * 4_200,
    )


def _frame(
    random: np.random.Generator, worker: int, second: int, duration_s: int, detail: int
) -> Frame:
    loaded = 0 <= second < duration_s
    fault = _in_fault(second + 0.5)
    ramp = 1.0 if second >= 3 else (second + 1) / 4
    reads = int(random.poisson(88 * ramp)) if loaded else 0
    writes = int(random.poisson(21 * ramp)) if loaded else 0
    sends = int(random.poisson(15 * ramp)) if loaded else 0
    tickets = int(random.poisson(2)) if loaded and fault else 0
    slow = 5.0 if fault else 1.0
    counts = []
    if loaded:
        slips = int(random.poisson(0.5)) if fault else int(random.random() < 0.01)
        counts += [
            _counts(random, 0, reads, min(reads, slips), 5_200 * slow, 0.5, detail),
            _counts(random, 1, writes, 0, 8_900 * slow, 0.45, detail),
            _counts(random, 3, sends, 0, 6_100, 0.4, detail),
        ]
        if tickets:
            counts.append(_counts(random, 2, tickets, tickets, 2_100, 0.3, detail))
        late_us = 2_400_000 if fault else 9_800
        counts.append(_counts(random, 4, sends * 6, 0, late_us, 0.5, detail))
        if fault and random.random() < 0.2:
            counts.append(Counts(series=5, count=int(random.integers(1, 4))))
    busy = 0.32 if loaded else 0.06
    lag = random.lognormal(np.log(180), 0.6, 40).astype(int)
    return Frame(
        worker=worker,
        second=second,
        at_ns=at_ns(second + 1.06),
        counts=counts,
        generator=GeneratorHealth(
            cpu_ns=int(SECOND_NS * random.normal(busy, 0.03)),
            wait_ns=int(SECOND_NS * random.uniform(0.004, 0.02)),
            loop_lag_ns_max=int(random.uniform(0.3e6, 4e6)),
            gc_pause_ns=int(random.uniform(0, 2e5)),
            schedule_lag_index=sorted({index_of(int(one)) for one in lag}) if loaded else [],
            schedule_lag_count=[1] * len({index_of(int(one)) for one in lag}) if loaded else [],
            core_idle_share=float(random.uniform(0.35, 0.5)) if loaded else 0.9,
            core_steal_share=0.0,
            users=54 if second >= -4 else 54 * (second + 8) // 4,
            users_busy=int(random.poisson(4)) if loaded else 0,
            sockets=24 if second >= -3 else 0,
            rss_bytes=88 << 20,
            recorded=max(0, second) * 130,
        ),
    )


def _events(duration_s: int) -> tuple[Event, ...]:
    phases = [
        (Phase.START_STACK, -13.5),
        (Phase.PREPARE, -8.2),
        (Phase.WARMUP, 0.0),
        (Phase.LOAD, 10.0),
        (Phase.DRAIN, float(duration_s)),
        (Phase.STOP, duration_s + 4.2),
        (Phase.SEALED, duration_s + 6.0),
    ]
    events: list[Event] = [PhaseEvent(at_ns=at_ns(second), phase=one) for one, second in phases]
    events += [
        ClockEvent(at_ns=at_ns(-14.0), wall_ns=1_772_357_412 * SECOND_NS),
        OriginEvent(at_ns=ORIGIN_NS),
        *_fault("cache link cut", CUT_S, CUT_END_S, "existing connections reset, new refused"),
        *_fault("cache restarted", RESTART_S, RESTART_END_S, "pid 4113 gone, answers as pid 4502"),
        WarningEvent(
            at_ns=at_ns(63.0), code="reconnects", text="24 sockets were reconnected in one second"
        ),
        DrainEvent(at_ns=at_ns(duration_s + 3.8), caught_up=True),
        EndEvent(at_ns=at_ns(duration_s + 6.0), how="completed"),
    ]
    return tuple(sorted(events, key=lambda event: event.at_ns))


def _fault(name: str, start_s: float, end_s: float, detail: str) -> list[Event]:
    steps = [
        (FaultStep.INTENT, start_s),
        (FaultStep.INJECTED, start_s + 0.02),
        (FaultStep.WITNESSED, start_s + 0.09),
        (FaultStep.UNDOING, end_s - 0.03),
        (FaultStep.UNDONE, end_s),
        (FaultStep.CLEAN, end_s + 0.05),
    ]
    return [
        FaultEvent(at_ns=at_ns(second), fault=name, step=step, detail=detail)
        for step, second in steps
    ]


def _probes(random: np.random.Generator, duration_s: int) -> list[ProbeSample]:
    samples = []
    for probe, interval in (("ready", 0.2), ("canary", 0.25)):
        for step in range(round((duration_s + 8) / interval)):
            second = -6 + step * interval
            down = CUT_S + 0.5 <= second < CUT_BACK_S or RESTART_S <= second < RESTART_BACK_S
            samples.append(
                ProbeSample(
                    probe=probe,
                    start_ns=at_ns(second),
                    end_ns=at_ns(second + float(random.uniform(0.002, 0.02))),
                    status=503 if down else 200,
                    ok=not down,
                )
            )
    return sorted(samples, key=lambda sample: sample.start_ns)


def _failures(random: np.random.Generator) -> list[Failure]:
    failures = []
    for start_s, end_s in ((CUT_S, CUT_BACK_S), (RESTART_S, RESTART_BACK_S)):
        for _ in range(28):
            second = float(random.uniform(start_s, end_s))
            failures.append(
                Failure(
                    worker=int(random.integers(0, 2)),
                    user=int(random.integers(0, 48)),
                    series=2,
                    kind="http 503",
                    intended_ns=at_ns(second),
                    start_ns=at_ns(second),
                    end_ns=at_ns(second + 0.004),
                    status=503,
                    body='{"detail":"chat is unavailable: the cache cannot be reached"}',
                )
            )
    failures += [
        Failure(
            worker=0,
            user=3,
            series=0,
            kind="timeout",
            intended_ns=at_ns(second - 2),
            start_ns=at_ns(second - 2),
            end_ns=at_ns(second),
        )
        for second in (33.2, 64.4, 66.1, 105.0)
    ]
    return sorted(failures, key=lambda failure: failure.end_ns)


def truncated(record: Record, until_s: float) -> Record:
    """Return what a record holds when everything died at `until_s`."""
    end_ns = at_ns(until_s)
    return Record(
        plan=record.plan,
        manifest=record.manifest,
        series=record.series,
        frames=tuple(one for one in record.frames if one.at_ns <= end_ns),
        events=tuple(one for one in record.events if one.at_ns <= end_ns),
        probes=tuple(one for one in record.probes if one.end_ns <= end_ns),
        failures=tuple(one for one in record.failures if one.end_ns <= end_ns),
        ledger=(),
        sealed=False,
        problems=("worker-0.seg: ends inside a frame",),
    )
