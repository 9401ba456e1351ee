"""Compute again, from the record, whether the target was ready for each fault that asked for it."""

from __future__ import annotations

from stormproof.checks.outage import answers_of
from stormproof.checks.steady import irreproducible
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import STEP_ACTIONS, DecisionEvent
from stormproof.model.finding import Finding
from stormproof.model.record import Record
from stormproof.rules.readiness import Readiness
from stormproof.rules.windows import READY_PROBE


def replay_steps(record: Record) -> list[Finding]:
    """Return the decisions that the answers of the record do not bear out: our own fault each."""
    asking = {fault.name for fault in record.plan.faults if fault.ready_within_ns}
    findings = []
    for one in record.events:
        if not isinstance(one, DecisionEvent) or one.action not in STEP_ACTIONS:
            continue
        if one.rule not in asking:
            findings.append(irreproducible(one, "no such step in the plan"))
            continue
        readiness = _readiness_at(record, one.at_ns)
        again = (
            "inject" if readiness.holds else "skip",
            "pass" if readiness.holds else "fail",
            readiness.held_ns / SECOND_NS,
        )
        if again != (one.action, one.status, one.value):
            findings.append(irreproducible(one, f"{again[1]}, {again[2]}"))
    return findings


def _readiness_at(record: Record, at_ns: int) -> Readiness:
    """Take the answers that had come by an instant, as the run did."""
    readiness = Readiness()
    for sample in answers_of(record, READY_PROBE):
        if sample.end_ns <= at_ns:
            readiness.take(sample)
    return readiness
