"""Did the run end as planned, and is its record whole?"""

from __future__ import annotations

from dataclasses import dataclass

from stormproof.checks.outcome import Outcome
from stormproof.checks.wording import counted
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import (
    GATE_ACTIONS,
    DecisionEvent,
    DrainEvent,
    EndEvent,
    FaultEvent,
    OriginEvent,
    PartEvent,
    Phase,
    PhaseEvent,
    WarningEvent,
    WorkerEvent,
)
from stormproof.model.finding import Finding, Witness
from stormproof.model.plan import BY_ITERATIONS, Plan
from stormproof.model.record import Record
from stormproof.rules.windows import Windows

COMPLETED = "completed"
STOPPED = "stopped"  # by a live decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """How a run ended: `why` is empty when it ended as planned and its record is whole.

    `drain` is set only where every ledger is whole, so that what is missing in it never happened.
    """

    why: str
    problems: tuple[str, ...]
    drain: DrainEvent | None
    workers_whole: bool

    @property
    def is_complete(self) -> bool:
        """Return whether the record can carry a PASS."""
        return not self.why


def completeness_of(record: Record) -> Completeness:
    """Return how a run ended."""
    ends = [event for event in record.events if isinstance(event, EndEvent)]
    died = any(isinstance(e, WorkerEvent) and e.step == "died" for e in record.events)
    cut = next((end for end in ends if end.how != COMPLETED), None)
    problems = list(record.problems)
    if not record.sealed:
        problems.append("the record was never sealed")
    why = ""
    if cut is not None:
        told = f": {cut.detail}" if cut.detail else ""
        why = f"the run did not complete ({cut.how}{told})"
        if cut.how == STOPPED:
            why = f"the run was ended early{told}"
    elif not ends:
        why = "the run has no end: it was cut off"
    elif problems:
        why = f"the record is not whole: {problems[0]}"
    else:
        why = _unfinished(record)
    whole = record.sealed and not record.problems and not died
    drain = next((event for event in record.events if isinstance(event, DrainEvent)), None)
    return Completeness(
        why=why,
        problems=tuple(problems),
        drain=drain if whole else None,
        workers_whole=whole,
    )


def warned(record: Record, *codes: str) -> str:
    """Return what was said first under any of some codes of warnings; empty: nothing was."""
    told = (one for one in record.events if isinstance(one, WarningEvent) and one.code in codes)
    return next((one.text for one in told), "")


def _unfinished(record: Record) -> str:
    """Say which part of the plan a record that claims to be complete does not show."""
    began = {e.phase: e.at_ns for e in reversed(record.events) if isinstance(e, PhaseEvent)}
    missing = [phase for phase in (Phase.LOAD, Phase.DRAIN, Phase.STOP) if phase not in began]
    origin_ns = next((e.at_ns for e in record.events if isinstance(e, OriginEvent)), None)
    if origin_ns is None or missing:
        what = missing[0].value if missing else "load"
        return f"the run says that it completed, and its record lacks the {what}"
    short_ns = origin_ns + _shortest_ns(record.plan) - began[Phase.DRAIN]
    if short_ns > 0:
        return f"the load ended {short_ns / SECOND_NS:.3g} s before its planned end"
    ended = {
        e.worker
        for e in record.events
        if isinstance(e, WorkerEvent) and e.step in ("finished", "died")
    }
    absent = sorted(set(range(record.plan.workers)) - ended)
    if absent:
        return f"worker {absent[0]} never said that it had finished its load"
    return _gate_asked_elsewhere(record)


def _shortest_ns(plan: Plan) -> int:
    """Return how long the load lasts at least: scenarios that have done their number end early."""
    timed = [one for one in plan.scenarios if one.executor not in BY_ITERATIONS]
    if len(timed) == len(plan.scenarios):
        return plan.duration_ns
    return max((one.start_ns + one.duration_ns for one in timed), default=0)


def _gate_asked_elsewhere(record: Record) -> str:
    """Say that the gate looked at other seconds than the second half of the warm-up."""
    to_second = record.plan.warmup_ns // SECOND_NS
    planned = (to_second // 2, to_second)
    for event in record.events:
        if not isinstance(event, DecisionEvent) or event.action not in GATE_ACTIONS:
            continue
        asked = (event.from_second, event.to_second)
        if asked != planned:
            return f"the gate looked at seconds {asked[0]} to {asked[1]} instead of its own"
    return ""


def check_processes(record: Record, windows: Windows) -> Outcome:
    """Find workers that died and parts of the stack that ended by themselves.

    A part counts from the start of the load to its end, and not while a fault on it is in force.
    """
    findings = []
    died = [e for e in record.events if isinstance(e, WorkerEvent) and e.step == "died"]
    if died:
        findings.append(
            Finding(
                kind="worker-died",
                title=f"{counted(len(died), 'load worker')} died",
                count=len(died),
                witnesses=[
                    Witness(what=f"worker {e.worker}: {e.detail}", at_ns=e.at_ns) for e in died
                ][:FINDINGS_LISTED_MAX],
                advice="look for the worker's last words in the record's logs, and run again",
            )
        )
    exited = _unplanned_exits(record, windows)
    if exited:
        findings.append(
            Finding(
                kind="part-died",
                title=f"{', '.join(sorted({e.part for e in exited}))} ended by itself under load",
                count=len(exited),
                witnesses=[
                    Witness(
                        what=f"{e.part} at {windows.at_s(e.at_ns):.3f} s: {e.detail}",
                        at_ns=e.at_ns,
                    )
                    for e in exited
                ][:FINDINGS_LISTED_MAX],
                advice="read the part's log in the run directory",
            )
        )
    return Outcome(findings=findings)


def _unplanned_exits(record: Record, windows: Windows) -> list[PartEvent]:
    if windows.origin_ns is None:
        return []
    stop_ns = next(
        (e.at_ns for e in record.events if isinstance(e, PhaseEvent) and e.phase is Phase.STOP),
        None,
    )
    broken = {fault.name: fault.part for fault in record.plan.faults}
    touched: dict[str, tuple[int, int]] = {}  # fault -> first and last event of its life
    for event in record.events:
        if isinstance(event, FaultEvent):
            first_ns, _ = touched.get(event.fault, (event.at_ns, 0))
            touched[event.fault] = (first_ns, event.at_ns)
    return [
        event
        for event in record.events
        if isinstance(event, PartEvent)
        and event.step == "exited"
        and event.at_ns >= windows.origin_ns
        and (stop_ns is None or event.at_ns < stop_ns)
        and not any(
            broken.get(fault) == event.part and first_ns <= event.at_ns <= last_ns
            for fault, (first_ns, last_ns) in touched.items()
        )
    ]
