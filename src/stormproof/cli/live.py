"""What is known of a run while it runs: the state behind the live view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stormproof.kernel.limits import ERROR_KINDS_MAX
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import (
    ControlEvent,
    DecisionEvent,
    DrainEvent,
    Event,
    FaultEvent,
    FaultStep,
    FinalReadEvent,
    OriginEvent,
    PartEvent,
    Phase,
    PhaseEvent,
    ProbeSample,
    WarningEvent,
    WorkerEvent,
)
from stormproof.model.histogram import Histogram
from stormproof.model.observed import TARGET
from stormproof.model.plan import Plan
from stormproof.model.reading import ObservedSeries, SourceReading
from stormproof.model.series import Counts, Frame, Series, SeriesKind
from stormproof.report.number import counted
from stormproof.rules.figures import Figures, Instant, figures_of
from stormproof.rules.target_now import LOG_QUEUE, LOG_QUEUE_ALARM, NAMES, TargetNow, target_now

KEPT_SECONDS = 120  # of the history that a sparkline shows

_STATUS_WORDS = {0: "no answer", -1: "failed"}
_FAULT_WORDS = {
    FaultStep.INJECTED: "injected",
    FaultStep.WITNESSED: "seen to bite",
    FaultStep.NOT_WITNESSED: "does NOT bite",
    FaultStep.UNDONE: "undone",
    FaultStep.RESIDUE: "left something behind",
    FaultStep.FAILED: "failed",
    FaultStep.SKIPPED: "skipped",
}


@dataclass(slots=True)
class Second:
    """One second of load, all workers together."""

    requests: int = 0
    failed: int = 0
    dropped: int = 0
    response: Histogram = field(default_factory=Histogram)
    delivery: Histogram = field(default_factory=Histogram)
    users: dict[int, int] = field(default_factory=dict)
    busy: dict[int, int] = field(default_factory=dict)
    workers: int = 0


@dataclass(slots=True)
class LiveState:
    """Take frames, events and probe samples as they come; `tell` gets one line for each event."""

    plan: Plan
    now_ns: Callable[[], int]
    tell: Callable[[str], None]
    phase: Phase | None = None
    origin_ns: int = 0
    requests: int = 0
    failed: int = 0
    dropped: int = 0
    ready: bool | None = None
    prepared: Callable[[], tuple[int, int]] = lambda: (0, 0)  # users: done, of how many
    faults: dict[str, int] = field(default_factory=dict)  # in force, since
    errors: Counter[str] = field(default_factory=Counter)  # since the start of the load
    delivered: bool = False  # whether any message was seen to arrive
    seconds: dict[int, Second] = field(default_factory=dict)
    target: TargetNow = field(default_factory=TargetNow)
    _said: list[Instant] = field(default_factory=list)  # by the target: first, last but one, last
    _is_alarmed: bool = False

    def on_frame(self, frame: Frame, series: Mapping[int, Series]) -> None:
        """Add one second of one worker."""
        second = self.seconds.setdefault(frame.second, Second())
        second.workers += 1
        second.users[frame.worker] = frame.generator.users
        second.busy[frame.worker] = frame.generator.users_busy
        for counts in frame.counts:
            one = series.get(counts.series)
            if one is not None:
                self._count(second, one, counts)
        for old in [key for key in self.seconds if key < frame.second - KEPT_SECONDS]:
            del self.seconds[old]

    def _count(self, second: Second, one: Series, counts: Counts) -> None:
        if one.kind is SeriesKind.OPERATION:
            second.requests += counts.count
            second.failed += counts.failed
            self.requests += counts.count
            self.failed += counts.failed
            second.response.add(counts.response_index, counts.response_count)
            if counts.failed:
                self._note_errors(one.tags.get("name", one.metric), counts)
        elif one.metric == "message_delivery":
            second.delivery.add(counts.response_index, counts.response_count)
            self.delivered |= counts.count > 0
        elif one.metric == "dropped_iterations":
            second.dropped += counts.count
            self.dropped += counts.count

    def _note_errors(self, operation: str, counts: Counts) -> None:
        """Count failures by operation and status, where the statuses tell which they are."""
        bad = {
            status: count
            for status, count in zip(counts.status, counts.status_count, strict=True)
            if status == 0 or status >= 400
        }
        if sum(bad.values()) > counts.failed:
            bad.pop(429, None)  # expected by the journey: being limited is no failure there
        if sum(bad.values()) != counts.failed:
            bad = {-1: counts.failed}
        for status, count in bad.items():
            name = f"{_STATUS_WORDS.get(status, status)} {operation}"
            if name in self.errors or len(self.errors) < ERROR_KINDS_MAX:
                self.errors[name] += count

    def on_sample(self, sample: ProbeSample) -> None:
        """Note what readiness says; a change is told."""
        if sample.probe != "ready":
            return
        if self.ready is not None and sample.ok != self.ready and self.origin_ns:
            self.tell("target says ready" if sample.ok else "target says not ready")
        self.ready = sample.ok

    def on_reading(self, reading: SourceReading, series: Mapping[int, ObservedSeries]) -> None:
        """Note what the target says of itself; a queue that is nearly full is told."""
        if reading.source != TARGET or reading.error:
            return
        read = figures_of(TARGET, series, [reading], NAMES)
        self._said = [*self._said[:1], *self._said[1:][-1:], *read.instants]
        self.target = target_now(Figures(series=read.series, instants=self._said))
        is_alarming = (self.target.log_queue or 0) >= LOG_QUEUE_ALARM
        if is_alarming and not self._is_alarmed:
            self.tell(f"ALARM: {LOG_QUEUE} of the target is {self.target.log_queue:,}")
        self._is_alarmed = is_alarming

    def on_event(self, event: Event) -> None:
        """Note an event and tell it where a person wants to know."""
        match event:
            case PhaseEvent():
                self.phase = event.phase
                self.tell(f"phase {event.phase.value}")
            case OriginEvent():
                self.origin_ns = event.at_ns
            case FaultEvent():
                self._fault(event)
            case DecisionEvent() if event.status != "pass" and event.action != "skip":
                self.tell(_decided(event))
            case DrainEvent() | FinalReadEvent():
                self.tell(_told_at_the_end(event))
            case PartEvent() if event.step in ("ready", "exited"):
                self.tell(f"{event.part} {event.step} {event.detail}".rstrip())
            case WorkerEvent() if event.step == "died":
                self.tell(f"worker {event.worker} died: {event.detail}")
            case WarningEvent() | ControlEvent():
                self.tell(_line(event))
            case _:
                pass

    def _fault(self, event: FaultEvent) -> None:
        if event.step is FaultStep.INJECTED:
            self.faults[event.fault] = event.at_ns
        elif event.step in (FaultStep.UNDONE, FaultStep.FAILED):
            self.faults.pop(event.fault, None)
        word = _FAULT_WORDS.get(event.step)
        if word:
            self.tell(f"fault {event.fault} {word}" + (f": {event.detail}" if event.detail else ""))

    def last_whole_second(self) -> Second:
        """Return the newest second that every worker has reported."""
        for key in sorted(self.seconds, reverse=True):
            if self.seconds[key].workers >= self.plan.workers:
                return self.seconds[key]
        return Second()

    def whole_seconds(self) -> list[Second]:
        """Return the kept seconds of the load that every worker has reported, oldest first."""
        return [
            self.seconds[key]
            for key in sorted(self.seconds)
            if key >= 0 and self.seconds[key].workers >= self.plan.workers
        ]

    def elapsed_s(self) -> float:
        """Return the seconds since the start of the load, 0 before it."""
        if not self.origin_ns:
            return 0.0
        return max(0.0, (self.now_ns() - self.origin_ns) / SECOND_NS)


def _decided(event: DecisionEvent) -> str:
    """Say what a live decision does; a fault that is skipped says so itself."""
    match event.action:
        case "abort":
            return f"aborting: {event.rule} is broken, the load ends"
        case "undo":
            return f"stopping: {event.rule} is broken, all faults are undone"
        case _:
            return f"steady state: {event.rule} is {event.status}, {event.action}"


def _told_at_the_end(event: DrainEvent | FinalReadEvent) -> str:
    """Say what became of the drain, or of a final read."""
    if isinstance(event, FinalReadEvent):
        rows = event.error or counted(event.rows, "row")
        return f"final read {event.name}, {event.moment} the load: {rows}"
    return f"drain: {'all arrived' if event.caught_up else f'deadline passed: {event.detail}'}"


def _line(event: WarningEvent | ControlEvent) -> str:
    if isinstance(event, ControlEvent):
        return f"load steered: {event.order}"
    return f"warning: {event.text}"


def target_text(now: TargetNow) -> str:
    """Say in a line what the target says of itself; empty where it says nothing of it."""
    told = {
        "": None if now.requests_per_s is None else f"{now.requests_per_s:,.0f}/s",
        "errors ": None if now.failed_share is None else f"{now.failed_share:.1%}",
        "p95 ": None if now.p95_ms is None else f"{now.p95_ms:.3g} ms",
        "limited ": None if now.limited is None else f"{now.limited:,}",
        "log queue ": None if now.log_queue is None else f"{now.log_queue:,}",
    }
    return "  ".join(name + value for name, value in told.items() if value is not None)
