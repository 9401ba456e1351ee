"""What else happened around an instant: phases, faults, parts, probes, failures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from stormproof.checks.wording import counted
from stormproof.kernel.limits import EXPLAINED_MOMENTS_MAX
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import (
    ControlEvent,
    DecisionEvent,
    DrainEvent,
    EndEvent,
    Event,
    Failure,
    FaultEvent,
    FaultStep,
    FinalReadEvent,
    PartEvent,
    PhaseEvent,
    ProbeSample,
    WarningEvent,
    WorkerEvent,
)
from stormproof.model.record import Record
from stormproof.model.story import Moment
from stormproof.rules.windows import Windows

_STEPS = {
    FaultStep.INTENT: "is about to be injected",
    FaultStep.INJECTED: "is in force",
    FaultStep.WITNESSED: "was seen to bite",
    FaultStep.NOT_WITNESSED: "was NOT seen to bite",
    FaultStep.UNDOING: "is being undone",
    FaultStep.UNDONE: "is over",
    FaultStep.CLEAN: "left nothing behind",
    FaultStep.RESIDUE: "left something behind",
    FaultStep.FAILED: "could not be done",
    FaultStep.SKIPPED: "was skipped",
}


def surroundings(record: Record, windows: Windows, from_ns: int, to_ns: int) -> list[Moment]:
    """Return what happened within [from, to], in order; a fault in force then comes first."""
    found = [
        *_events(record.events, windows, from_ns, to_ns),
        *_in_force(windows, from_ns),
        *_probe_changes(record.probes, windows, from_ns, to_ns),
        *_failures(record, windows, from_ns, to_ns),
    ]
    return sorted(found, key=lambda one: one.at_s)


def breakings(record: Record, windows: Windows, from_ns: int, until_s: float) -> list[Moment]:
    """Return which faults and parts came and went after an instant, up to a second of the load."""
    events = [one for one in record.events if isinstance(one, FaultEvent | PartEvent)]
    last_ns = max((one.at_ns for one in events), default=from_ns)
    later = _events(events, windows, from_ns + 1, last_ns)
    return [one for one in later if one.at_s <= until_s]


def faults_between(windows: Windows, from_ns: int, until_s: float) -> list[str]:
    """Return the names of the faults that came after an instant, up to a second of the load."""
    return [
        life.fault
        for life in windows.faults
        if from_ns < life.start_ns and windows.at_s(life.start_ns) <= until_s
    ]


def final_reads_told(record: Record, windows: Windows) -> list[Moment]:
    """Return all final reads, whenever they were made."""
    made = [one for one in record.events if isinstance(one, FinalReadEvent)]
    ever_ns = max((one.at_ns for one in made), default=0)
    return list(_events(made, windows, 0, ever_ns))


def faults_at(windows: Windows, at_ns: int) -> list[str]:
    """Return the names of the faults that were in force at an instant."""
    return [life.fault for life in windows.faults if life.start_ns <= at_ns < life.end_ns]


def in_order(
    moments: Iterable[Moment], keep: str = "message", most: int = EXPLAINED_MOMENTS_MAX
) -> tuple[list[Moment], int]:
    """Return moments in order, at most what a reader can take in, and how many were left out.

    Those about `keep` stay.
    """
    every = sorted(moments, key=lambda one: one.at_s)
    room = most - sum(one.about == keep for one in every)
    kept: list[Moment] = []
    for one in every:
        if one.about == keep:
            kept.append(one)
        elif room > 0:
            kept.append(one)
            room -= 1
    return kept, len(every) - len(kept)


def _events(
    events: Sequence[Event], windows: Windows, from_ns: int, to_ns: int
) -> Iterator[Moment]:
    for event in events:
        if from_ns <= event.at_ns <= to_ns and (told := _told(event)):
            about, what = told
            yield Moment(at_s=windows.at_s(event.at_ns), about=about, what=what)


def _told(event: Event) -> tuple[str, str] | None:
    """Return what an event is about and what it says; None where it says nothing to a reader."""
    match event:
        case FaultEvent():
            return "fault", f"{event.fault} {_STEPS[event.step]}{_detail(event.detail)}"
        case PartEvent():
            return "run", f"part {event.part} {event.step}{_detail(event.detail)}"
        case PhaseEvent():
            return "run", f"phase {event.phase.value} begins"
        case DecisionEvent():
            return "run", f"decision on {event.rule}: {event.status}, {event.action}"
        case DrainEvent() | FinalReadEvent():
            return "run", _told_at_the_end(event)
        case WorkerEvent(step="died"):
            return "run", f"worker {event.worker} died{_detail(event.detail)}"
        case ControlEvent():
            scenario = f" of {event.scenario}" if event.scenario else ""
            return "run", f"the load{scenario} was steered: {event.kind} {event.value:g}"
        case WarningEvent():
            return "run", f"warning {event.code}: {event.text}"
        case EndEvent():
            return "run", f"the run ends: {event.how}{_detail(event.detail)}"
        case _:
            return None


def _told_at_the_end(event: DrainEvent | FinalReadEvent) -> str:
    """Say what became of the drain, or of a final read."""
    if isinstance(event, FinalReadEvent):
        rows = event.error or counted(event.rows, "row")
        return f"final read {event.name}, {event.moment} the load: {rows}"
    how = "all has arrived" if event.caught_up else "its deadline passed"
    return f"the drain ends: {how}{_detail(event.detail)}"


def _detail(detail: str) -> str:
    return f": {detail}" if detail else ""


def _in_force(windows: Windows, from_ns: int) -> Iterator[Moment]:
    """Tell of faults that had begun before the span and last into it."""
    for life in windows.faults:
        if life.start_ns < from_ns < life.end_ns:
            what = f"{life.fault} began, and was in force in what follows"
            yield Moment(at_s=windows.at_s(life.start_ns), about="fault", what=what)


def _probe_changes(
    samples: Sequence[ProbeSample], windows: Windows, from_ns: int, to_ns: int
) -> Iterator[Moment]:
    """Tell when the answers of a probe changed, and what they were when the span began."""
    last: dict[str, bool] = {}
    for sample in samples:
        known = last.get(sample.probe)
        last[sample.probe] = sample.ok
        if not from_ns <= sample.end_ns <= to_ns or known in (None, sample.ok):
            continue
        answer = f"status {sample.status}" if sample.status else sample.error or "no answer"
        state = "ok again" if sample.ok else "not ok"
        yield Moment(
            at_s=windows.at_s(sample.end_ns),
            about="probe",
            what=f"probe {sample.probe}: {state} ({answer})",
        )


def operation_of(record: Record, failure: Failure) -> str:
    """Return the name of the operation that failed."""
    series = record.series.get(failure.worker, {}).get(failure.series)
    if series is None:
        return f"series {failure.series} of worker {failure.worker}"
    return series.tags.get("name", series.metric)


def _failures(record: Record, windows: Windows, from_ns: int, to_ns: int) -> Iterator[Moment]:
    """Tell of the failures that ended in the span, those of a kind and operation together."""
    groups: dict[tuple[str, str], list[int]] = {}
    for failure in record.failures:
        if from_ns <= failure.end_ns <= to_ns:
            name = operation_of(record, failure), failure.kind
            groups.setdefault(name, []).append(failure.end_ns)
    for (operation, kind), ends in groups.items():
        until = f", the last at {windows.at_s(max(ends)):.3f} s" if len(ends) > 1 else ""
        what = f"{operation} failed: {kind} ({counted(len(ends), 'time')}{until})"
        yield Moment(at_s=windows.at_s(min(ends)), about="failure", what=what)


def around_ns(instants: Iterable[int], margin_s: float) -> tuple[int, int]:
    """Return a span of some instants and a margin on both sides."""
    known = list(instants)
    margin_ns = round(margin_s * SECOND_NS)
    return min(known) - margin_ns, max(known) + margin_ns
