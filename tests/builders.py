"""Build records in a line: `healthy_record()`, then change what the test is about.

Instants are given in seconds since the load's start; `at(s)` makes them nanoseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from stormproof.kernel.units import MILLISECOND_NS, SECOND_NS
from stormproof.model.event import (
    DecisionEvent,
    DrainEvent,
    EndEvent,
    Event,
    FaultEvent,
    FaultStep,
    OriginEvent,
    Phase,
    PhaseEvent,
    ProbeSample,
    WorkerEvent,
)
from stormproof.model.histogram import index_of
from stormproof.model.ledger import ENTRY, NUMPY_FIELDS, EntryKind, make_key
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
from stormproof.rules.gate import Decided, decide
from stormproof.rules.grammar import objective

ORIGIN_NS = 1_000 * SECOND_NS
WARMUP_S, DURATION_S, STOP_S = 4, 40, 42
CUT, RESTART = "cache-cut", "cache-restart"
FEED_OPERATION, CHAT_DELIVERY, ITERATIONS, DROPS = 0, 1, 2, 3  # ids of series
STEPS = (
    FaultStep.INTENT,
    FaultStep.INJECTED,
    FaultStep.WITNESSED,
    FaultStep.UNDOING,
    FaultStep.UNDONE,
    FaultStep.CLEAN,
)


def at(seconds: float) -> int:
    """Return the instant `seconds` after the load's start, in nanoseconds."""
    return ORIGIN_NS + round(seconds * SECOND_NS)


def plan(**changes: Any) -> Plan:
    """Return a plan of 40 s: feed and chat, a cut at 12 s for 4 s, a restart at 26 s."""
    source = Source(file="demo.py", function="visit", sha256="0" * 64)
    feed = Scenario(
        name="feed",
        journey=source,
        executor="constant-arrival-rate",
        duration_ns=DURATION_S * SECOND_NS,
        vus=10,
        max_vus=20,
        rate=100.0,
    )
    chat = Scenario(
        name="chat",
        journey=source,
        executor="constant-vus",
        duration_ns=DURATION_S * SECOND_NS,
        vus=10,
        max_vus=10,
        env={"pace_s": "0.5"},
    )
    base = Plan(
        trial="demo",
        title="A demo",
        profile=ProfileRef(name="demo", sha256="1" * 64),
        scope="full",
        scale=1.0,
        seed=1,
        stack="embedded",
        population=Population(users=20, channels=2, posts=10),
        workers=2,
        warmup_ns=WARMUP_S * SECOND_NS,
        duration_ns=DURATION_S * SECOND_NS,
        ready_deadline_ns=10 * SECOND_NS,
        drain_deadline_ns=10 * SECOND_NS,
        recovery_bar_ns=5 * SECOND_NS,
        scenarios=(feed, chat),
        faults=(
            PlannedFault(
                name=CUT,
                kind="link-partition",
                part="link",
                at_ns=12 * SECOND_NS,
                for_ns=4 * SECOND_NS,
            ),
            PlannedFault(name=RESTART, kind="process-restart", part="cache", at_ns=26 * SECOND_NS),
        ),
        probes=tuple(
            PlannedProbe(
                name=name,
                path=f"/{name}",
                interval_ns=100 * MILLISECOND_NS,
                timeout_ns=SECOND_NS,
            )
            for name in ("ready", "canary")
        ),
        checkers=("delivery",),
        gate=(objective("http_req_failed{scenario:feed,window:warmup}", "rate<0.1"),),
        objectives=(
            objective("http_req_duration{scenario:feed,window:calm}", "p(95)<300"),
            objective("http_req_failed{scenario:feed,window:fault}", "rate<0.01"),
            objective("delivery_lost", "count==0"),
            objective("recovery_ready_s", "max<10"),
            objective("health_unready_lag_s", "max<2"),
            objective("health_false_ready", "count==0"),
        ),
    )
    return msgspec.structs.replace(base, **changes)


def manifest(of: Plan) -> Manifest:
    """Return a manifest that fits a plan."""
    return Manifest(
        run_id="run-1",
        stormproof="0",
        python="3",
        machine="m",
        cores=2,
        memory_bytes=1 << 30,
        kernel="k",
        boot_id="b",
        started_monotonic_ns=ORIGIN_NS,
        started_wall_ns=0,
        plan_sha256=of.digest(),
        worker_cores=[1],
        stack_cores=[0],
    )


def series() -> dict[int, Series]:
    """Return the series that `frame` counts in."""
    operation = {"scenario": "feed", "name": "GET /feed"}
    known = [
        Series(id=FEED_OPERATION, kind=SeriesKind.OPERATION, metric="http_req", tags=operation),
        Series(
            id=CHAT_DELIVERY,
            kind=SeriesKind.TREND,
            metric="message_delivery",
            tags={"scenario": "chat"},
        ),
        Series(
            id=ITERATIONS, kind=SeriesKind.COUNTER, metric="iterations", tags={"scenario": "feed"}
        ),
        Series(
            id=DROPS,
            kind=SeriesKind.COUNTER,
            metric="dropped_iterations",
            tags={"scenario": "feed"},
        ),
    ]
    return {one.id: one for one in known}


def health(**changes: Any) -> GeneratorHealth:
    """Return the health of a worker with an easy second."""
    base = GeneratorHealth(
        cpu_ns=200 * MILLISECOND_NS,
        wait_ns=10 * MILLISECOND_NS,
        loop_lag_ns_max=2 * MILLISECOND_NS,
        gc_pause_ns=0,
        schedule_lag_index=[index_of(300)],
        schedule_lag_count=[50],
        core_idle_share=0.5,
        core_steal_share=0.0,
        users=10,
        users_busy=2,
        sockets=10,
        rss_bytes=1 << 26,
        recorded=0,
    )
    return msgspec.structs.replace(base, **changes)


def operations(
    latencies_ms: Sequence[float], *, failed: int = 0, series: int = FEED_OPERATION
) -> Counts:
    """Return the counts of one second of operations; response and service time are the same."""
    values = [round(one * 1_000) for one in latencies_ms]
    indices = [index_of(one) for one in values]
    ones = [1] * len(indices)
    return Counts(
        series=series,
        count=len(values),
        failed=failed,
        response_index=indices,
        response_count=ones,
        response_sum_us=sum(values),
        service_index=indices,
        service_count=ones,
        service_sum_us=sum(values),
    )


def counted(series: int, count: int) -> Counts:
    """Return the counts of one second of a counter."""
    return Counts(series=series, count=count)


def frame(worker: int, second: int, counts: Iterable[Counts], **changes: Any) -> Frame:
    """Return a frame; `changes` are those of its health."""
    return Frame(
        worker=worker,
        second=second,
        at_ns=at(second + 1.05),
        counts=list(counts),
        generator=health(**changes),
    )


def frames(latency_ms: float = 20.0, *, rate: int = 50, seconds: int = STOP_S) -> list[Frame]:
    """Return the frames of two workers with `rate` good operations a second each."""
    return [
        frame(worker, second, [operations([latency_ms] * rate), counted(ITERATIONS, rate)])
        for second in range(seconds)
        for worker in range(2)
    ]


def fault_events(name: str, from_s: float, to_s: float) -> list[FaultEvent]:
    """Return the steps of a fault that bites and is undone without residue."""
    instants = (from_s, from_s + 0.01, from_s + 0.1, to_s - 0.01, to_s, to_s + 0.1)
    return [
        FaultEvent(at_ns=at(instant), fault=name, step=step)
        for step, instant in zip(STEPS, instants, strict=True)
    ]


def probe(
    name: str, bad: Sequence[tuple[float, float]] = (), *, to_s: float = STOP_S
) -> list[ProbeSample]:
    """Return answers of a probe every 100 ms, each 5 ms long; not ok within the spans of `bad`."""
    samples = []
    for tick in range(-10, round(to_s * 10)):
        start_s = tick / 10
        is_bad = any(low <= start_s < high for low, high in bad)
        samples.append(
            ProbeSample(
                probe=name,
                start_ns=at(start_s),
                end_ns=at(start_s + 0.005),
                status=503 if is_bad else 200,
                ok=not is_bad,
            )
        )
    return samples


@dataclass(slots=True)
class LedgerWriter:
    """Write a worker's ledger entry by entry; `array` is what a record holds."""

    worker: int = 0
    entries: list[bytes] = field(default_factory=list)
    now_ns: int = ORIGIN_NS

    def add(self, kind: EntryKind, user: int, scope: int, **fields: int) -> None:
        """Append an entry, a millisecond after the last one unless `at_ns` says when."""
        self.now_ns += MILLISECOND_NS
        numbers = [fields.get(name, 0) for name in ("number", "key", "digest")]
        row = (int(kind), fields.get("flags", 0), self.worker, user, scope, *numbers)
        self.entries.append(ENTRY.pack(*row, fields.get("at_ns", self.now_ns), 0, 0))

    def send(self, user: int, scope: int, sequence: int, number: int | None) -> int:
        """Send a message, acknowledged as `number` (None: no answer), and return its key."""
        key = make_key(self.worker, user, sequence)
        self.add(EntryKind.INVOKE, user, scope, key=key, digest=key + 1)
        if number is not None:
            self.add(EntryKind.OK, user, scope, key=key, number=number)
        return key

    def receive(self, user: int, scope: int, key: int, number: int, **fields: int) -> None:
        """Receive a message, whole."""
        fields = {"digest": key + 1, **fields}
        self.add(EntryKind.RECEIVED, user, scope, key=key, number=number, **fields)

    def join(self, user: int, scope: int, after: int = 0) -> None:
        """Join a scope."""
        self.add(EntryKind.JOINED, user, scope, number=after)

    def leave(self, user: int, scope: int) -> None:
        """End a membership's connection."""
        self.add(EntryKind.LEFT, user, scope)

    @property
    def array(self) -> NDArray[np.void]:
        """Return the entries as a record holds them."""
        return np.frombuffer(b"".join(self.entries), dtype=np.dtype(NUMPY_FIELDS))


def chat(messages: int = 50, members: int = 3) -> tuple[NDArray[np.void], ...]:
    """Return the ledger of one scope in which every message reached every member."""
    writer = LedgerWriter()
    for user in range(members):
        writer.join(user, 1)
    for number in range(1, messages + 1):
        key = writer.send(number % members, 1, number, number)
        for user in range(members):
            writer.receive(user, 1, key, number)
    return (writer.array,)


def story(*, faults: bool = True) -> list[Event]:
    """Return the events of a run that went as planned."""
    phases = ((-2.0, Phase.PREPARE), (0.0, Phase.WARMUP), (4.1, Phase.LOAD), (40.0, Phase.DRAIN))
    events: list[Event] = [PhaseEvent(at_ns=at(s), phase=phase) for s, phase in phases]
    events.append(OriginEvent(at_ns=ORIGIN_NS))
    if faults:
        events += fault_events(CUT, 12.0, 16.0)
        events += fault_events(RESTART, 26.0, 26.8)
    events += [WorkerEvent(at_ns=at(40.0), worker=one, step="finished") for one in range(2)]
    events.append(DrainEvent(at_ns=at(41.0), caught_up=True))
    events.append(PhaseEvent(at_ns=at(STOP_S), phase=Phase.STOP))
    events.append(EndEvent(at_ns=at(STOP_S + 1), how="completed"))
    return sorted(events, key=lambda event: event.at_ns)


def healthy_record(of: Plan | None = None, **changes: Any) -> Record:
    """Return the record of a run that passes; `changes` replace the record's fields.

    The cache's absence shows as it should: tickets fail, readiness says so, both come back.
    """
    made = of or plan()
    record = Record(
        plan=made,
        manifest=manifest(made),
        series={worker: series() for worker in range(2)},
        frames=tuple(frames()),
        events=tuple(story()),
        probes=tuple(
            sorted(
                [
                    *probe("ready", [(12.3, 16.4), (26.2, 27.0)]),
                    *probe("canary", [(12.2, 16.2), (26.1, 26.8)]),
                ],
                key=lambda sample: sample.start_ns,
            )
        ),
        failures=(),
        ledger=chat(),
        sealed=True,
        problems=(),
    )
    record = replace(record, **changes)
    if "events" in changes:
        return record
    decisions = decisions_of(record, decide(made, record.frames, record.series, 2, 4))
    return replace(record, events=tuple(sorted([*record.events, *decisions], key=_instant)))


def decisions_of(record: Record, decided: Iterable[Decided]) -> list[Event]:
    """Return the gate's decisions as a run writes them down, over the seconds [2, 4)."""
    return [
        DecisionEvent(
            at_ns=at(4.05),
            rule=rule.name,
            from_second=2,
            to_second=4,
            status=status.value,
            value=value,
            action="proceed",
        )
        for rule, status, value in decided
    ]


def _instant(event: Event) -> int:
    return event.at_ns
