"""Records of long runs, made second by second as a worker at 5,000 requests/s would write them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stormproof import __version__
from stormproof.kernel.canonical import sha256_hex
from stormproof.kernel.units import MILLISECOND_NS, SECOND_NS
from stormproof.load.binning import coarse, indices_of
from stormproof.model.event import (
    DrainEvent,
    EndEvent,
    Event,
    OriginEvent,
    Phase,
    PhaseEvent,
    ProbeSample,
    WorkerEvent,
)
from stormproof.model.plan import Plan, PlannedProbe, Population, ProfileRef, Scenario, Source
from stormproof.model.record import Manifest
from stormproof.model.series import Counts, Frame, GeneratorHealth, Series, SeriesKind
from stormproof.rules.grammar import objective, split_objective
from stormproof.store.directory import RunDirectory
from stormproof.store.segment import SegmentRecorder

RATE: Final = 5_000
WARMUP_S: Final = 30
DRAIN_S: Final = 2
ORIGIN_NS: Final = 10_000 * SECOND_NS
PROBES_PER_S: Final = 10
MEDIAN_US: Final = 2_000.0
SPREAD: Final = 0.6  # of the logarithm: a p99 of four medians
JOURNEY: Final = b"# made for a measurement: nobody runs it\n"
OBJECTIVES: Final = (
    "http_req_duration{window:calm}: p(95)<300",
    "http_req_duration{window:calm}: p(99)<500",
    "http_req_duration{window:load}: avg<200",
    "http_req_duration{over:30s}: p(95)<400",
    "http_req_duration{every:300s}: p(99)<500",
    "http_req_service: p(99)<500",
    "http_req_failed: rate<0.01",
    "http_reqs: rate>4000",
    "checks: rate>0.99",
    "iteration_duration: p(95)<400",
    "http_req_waiting: p(95)<300",
)
_TAGS: Final = {"scenario": "feed"}
_OPERATION: Final = {**_TAGS, "name": "GET /feed"}
SERIES: Final = (
    Series(id=0, kind=SeriesKind.OPERATION, metric="http_req", tags=_OPERATION),
    Series(id=1, kind=SeriesKind.TREND, metric="iteration_duration", tags=_TAGS),
    Series(id=2, kind=SeriesKind.TREND, metric="http_req_waiting", tags=_OPERATION),
    Series(id=3, kind=SeriesKind.COUNTER, metric="iterations", tags=_TAGS),
    Series(id=4, kind=SeriesKind.RATE, metric="checks", tags={**_TAGS, "check": "is 200"}),
    Series(id=5, kind=SeriesKind.COUNTER, metric="data_sent", tags=_TAGS),
    Series(id=6, kind=SeriesKind.COUNTER, metric="data_received", tags=_TAGS),
)


def write_record(folder: Path, seconds: int) -> RunDirectory:
    """Write the record of a run without a fault, `seconds` long, and seal it."""
    plan = _plan(seconds)
    manifest = Manifest(
        run_id=folder.name,
        stormproof=__version__,
        python="3",
        machine="made",
        cores=2,
        memory_bytes=1 << 33,
        kernel="made",
        boot_id="made",
        started_monotonic_ns=ORIGIN_NS,
        started_wall_ns=0,
        plan_sha256=plan.digest(),
        worker_cores=[1],
        stack_cores=[0],
    )
    run = RunDirectory.create(folder, plan=plan, manifest=manifest, journeys={"made.py": JOURNEY})
    controller = SegmentRecorder(run.record / "controller.seg", writer="controller")
    controller.events(_events(seconds))
    for second in range(seconds + DRAIN_S):
        controller.probes(_probes(second))
    controller.close("completed")
    worker = SegmentRecorder(run.record / "worker-0.seg", writer="worker-0")
    draw = np.random.Generator(np.random.PCG64(seconds))
    for second in range(seconds + DRAIN_S):
        worker.frame(_frame(second, draw), SERIES if second == 0 else (), ())
    worker.close("finished")
    run.seal(run_id=manifest.run_id, how="completed")
    return run


def _plan(seconds: int) -> Plan:
    source = Source(file="made.py", function="visit", sha256=sha256_hex(JOURNEY))
    feed = Scenario(
        name="feed",
        journey=source,
        executor="constant-arrival-rate",
        duration_ns=seconds * SECOND_NS,
        vus=200,
        max_vus=200,
        rate=float(RATE),
    )
    probe = PlannedProbe(
        name="ready", path="/ready", interval_ns=SECOND_NS // PROBES_PER_S, timeout_ns=SECOND_NS
    )
    return Plan(
        trial="made",
        title="A made run",
        profile=ProfileRef(name="made", sha256="1" * 64),
        scope="full",
        scale=1.0,
        seed=1,
        stack="none",
        target="http://127.0.0.1:1",
        population=Population(users=200, channels=1, posts=1),
        workers=1,
        warmup_ns=WARMUP_S * SECOND_NS,
        duration_ns=seconds * SECOND_NS,
        ready_deadline_ns=10 * SECOND_NS,
        drain_deadline_ns=10 * SECOND_NS,
        recovery_bar_ns=5 * SECOND_NS,
        scenarios=(feed,),
        faults=(),
        probes=(probe,),
        checkers=(),
        gate=(),
        objectives=tuple(objective(*split_objective(one)) for one in OBJECTIVES),
    )


def _events(seconds: int) -> list[Event]:
    def at(second: float) -> int:
        return ORIGIN_NS + round(second * SECOND_NS)

    return [
        PhaseEvent(at_ns=at(-2), phase=Phase.PREPARE),
        OriginEvent(at_ns=ORIGIN_NS),
        PhaseEvent(at_ns=at(0), phase=Phase.WARMUP),
        PhaseEvent(at_ns=at(WARMUP_S), phase=Phase.LOAD),
        PhaseEvent(at_ns=at(seconds), phase=Phase.DRAIN),
        WorkerEvent(at_ns=at(seconds), worker=0, step="finished"),
        DrainEvent(at_ns=at(seconds + DRAIN_S / 2), caught_up=True),
        PhaseEvent(at_ns=at(seconds + DRAIN_S), phase=Phase.STOP),
        EndEvent(at_ns=at(seconds + DRAIN_S + 1), how="completed"),
    ]


def _probes(second: int) -> list[ProbeSample]:
    starts = [
        ORIGIN_NS + second * SECOND_NS + tick * SECOND_NS // PROBES_PER_S
        for tick in range(PROBES_PER_S)
    ]
    return [
        ProbeSample(
            probe="ready", start_ns=at_ns, end_ns=at_ns + 5 * MILLISECOND_NS, status=200, ok=True
        )
        for at_ns in starts
    ]


def _frame(second: int, draw: np.random.Generator) -> Frame:
    service = (MEDIAN_US * np.exp(SPREAD * draw.standard_normal(RATE))).astype(np.int64)
    late = draw.integers(0, 400, RATE)
    response, lag = service + late, _buckets(indices_of(late))
    response_index, response_count = _buckets(indices_of(response))
    service_index, service_count = _buckets(indices_of(service))
    waiting_index, waiting_count = _buckets(coarse(indices_of(service)))
    counts = [
        Counts(
            series=0,
            count=RATE,
            response_index=response_index,
            response_count=response_count,
            response_sum_us=int(response.sum()),
            service_index=service_index,
            service_count=service_count,
            service_sum_us=int(service.sum()),
            bytes_sent=RATE * 90,
            bytes_received=RATE * 400,
            status=[200],
            status_count=[RATE],
        ),
        Counts(
            series=1,
            count=RATE,
            response_index=response_index,
            response_count=response_count,
            response_sum_us=int(response.sum()),
        ),
        Counts(
            series=2,
            count=RATE,
            response_index=waiting_index,
            response_count=waiting_count,
            response_sum_us=int(service.sum()),
        ),
        *(Counts(series=one, count=RATE) for one in (3, 4)),
        Counts(series=5, count=RATE * 90),
        Counts(series=6, count=RATE * 400),
    ]
    return Frame(
        worker=0,
        second=second,
        at_ns=ORIGIN_NS + (second + 1) * SECOND_NS + 50 * MILLISECOND_NS,
        counts=counts,
        generator=_health(second, *lag),
    )


def _health(second: int, lag_index: list[int], lag_count: list[int]) -> GeneratorHealth:
    return GeneratorHealth(
        cpu_ns=200 * MILLISECOND_NS,
        wait_ns=10 * MILLISECOND_NS,
        loop_lag_ns_max=2 * MILLISECOND_NS,
        gc_pause_ns=0,
        schedule_lag_index=lag_index,
        schedule_lag_count=lag_count,
        core_idle_share=0.5,
        core_steal_share=0.0,
        users=200,
        users_busy=20,
        sockets=200,
        rss_bytes=1 << 26,
        recorded=(second + 1) * RATE,
        loop_lag_index=[200],
        loop_lag_count=[50],
    )


def _buckets(indices: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    found, counts = np.unique(indices, return_counts=True)
    return found.tolist(), counts.tolist()
