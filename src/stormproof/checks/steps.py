"""Compute again, from the record, whether the target was ready for each fault that asked for it."""

from __future__ import annotations

from collections.abc import Iterator

from stormproof.checks.outage import answers_of
from stormproof.checks.steady import irreproducible
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import STEP_ACTIONS, DecisionEvent, FaultEvent, FaultStep
from stormproof.model.finding import Finding, Witness
from stormproof.model.record import Record
from stormproof.rules.readiness import Readiness
from stormproof.rules.windows import READY_PROBE


def replay_steps(record: Record) -> list[Finding]:
    """Return the decisions that the answers of the record do not bear out: our own fault each.

    So is a fault that came without the decision that it waited for.
    """
    asking = {fault.name for fault in record.plan.faults if fault.ready_within_ns}
    findings = []
    for one in record.events:
        if not isinstance(one, DecisionEvent) or one.action not in STEP_ACTIONS:
            continue
        if one.rule not in asking:
            findings.append(irreproducible(one, "no such step in the plan"))
            continue
        readiness = _readiness_at(record, one.at_ns)
        holds = readiness.holds and readiness.known_ns > one.asked_ns
        again = (
            "inject" if holds else "skip",
            "pass" if holds else "fail",
            readiness.held_ns / SECOND_NS,
        )
        if again != (one.action, one.status, one.value):
            findings.append(irreproducible(one, f"{again[1]}, {again[2]}"))
    return [*findings, *_undecided(record, asking)]


def _undecided(record: Record, asking: set[str]) -> Iterator[Finding]:
    """Find faults that came although no decision says that the target was ready for them."""
    if not record.sealed or record.problems:
        return  # what is missing may have been there
    decisions = [one for one in record.events if isinstance(one, DecisionEvent)]
    decided = {one.rule for one in decisions if one.action == "inject"}
    for event in record.events:
        if not isinstance(event, FaultEvent) or event.step is not FaultStep.INJECTED:
            continue
        if event.fault in asking - decided:
            yield Finding(
                kind="irreproducible-decision",
                title=f"{event.fault} came, and nobody had decided that the target was ready",
                count=1,
                witnesses=[Witness(what=f"injected: {event.detail}", at_ns=event.at_ns)],
                advice="report this with the record: it is a defect of stormproof",
            )


def _readiness_at(record: Record, at_ns: int) -> Readiness:
    """Take the answers that had come by an instant, as the run did."""
    readiness = Readiness()
    for sample in answers_of(record, READY_PROBE):
        if sample.end_ns <= at_ns:
            readiness.take(sample)
    return readiness
