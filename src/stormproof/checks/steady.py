"""Compute the gate's live decisions again from the record."""

from __future__ import annotations

import msgspec

from stormproof.checks.completeness import Completeness
from stormproof.model.event import GATE_ACTIONS, DecisionEvent
from stormproof.model.finding import Finding, Witness
from stormproof.model.objective import Objective, Status
from stormproof.model.record import Record
from stormproof.model.verdict import Evidence, Judged
from stormproof.rules.gate import answer


def replay_gate(record: Record, completeness: Completeness) -> tuple[list[Judged], list[Finding]]:
    """Answer the gate's objectives, and find decisions that the record does not bear out.

    A decision that cannot be computed again is our own fault: it leaves the run undecided.
    """
    decisions = {
        event.rule: event
        for event in record.events
        if isinstance(event, DecisionEvent) and event.action in GATE_ACTIONS
    }
    judged: list[Judged] = []
    findings: list[Finding] = []
    for objective in record.plan.gate:
        decision = decisions.pop(objective.name, None)
        if decision is None:
            judged.append(_never_asked(objective, completeness))
            continue
        seconds = range(decision.from_second, decision.to_second)
        status, value = answer(objective, record.frames, record.series, seconds)
        if (status.value, value.value) != (decision.status, decision.value):
            findings.append(irreproducible(decision, f"{status.value}, {value.value}"))
        judged.append(_judged(objective, status, value.value, value.samples, seconds))
    findings += [irreproducible(one, "no such rule in the plan") for one in decisions.values()]
    return judged, findings


def irreproducible(decision: DecisionEvent, again: str) -> Finding:
    """Return the finding that a decision is not what the record says."""
    return Finding(
        kind="irreproducible-decision",
        title=f"the decision on {decision.rule} cannot be computed again from the record",
        count=1,
        witnesses=[
            Witness(
                what=f"live: {decision.status}, {decision.value}; from the record: {again}",
                at_ns=decision.at_ns,
            )
        ],
        advice="report this with the record: it is a defect of stormproof",
    )


def _never_asked(objective: Objective, completeness: Completeness) -> Judged:
    why = completeness.why or "the steady state was never asked"
    judged = _judged(objective, Status.INCONCLUSIVE, None, 0, range(0))
    return msgspec.structs.replace(judged, why=why, remedy="let the run go to its end")


def _judged(
    objective: Objective, status: Status, value: float | None, samples: int, seconds: range
) -> Judged:
    whys = {
        Status.PASS: "",
        Status.INCONCLUSIVE: f"{samples} samples, {objective.samples_min} needed",
        Status.FAIL: "the steady state was not reached",
    }
    return Judged(
        name=f"steady state: {objective.name}",
        status=status,
        value=value,
        bar=objective.bar,
        operator=objective.operator,
        unit=objective.unit,
        evidence=Evidence(
            samples=samples,
            samples_min=objective.samples_min,
            seconds=len(seconds),
            window=objective.window,
            at_s=[[seconds.start, seconds.stop]] if seconds else [],
        ),
        blocking=objective.blocking,
        exact=objective.exact,
        why=whys[status],
        remedy="warm up longer" if status is Status.INCONCLUSIVE else "",
    )
