"""Whether a target was ready for its next fault is computed again from the probe's answers."""

from __future__ import annotations

import pytest
from tests.builders import RESTART, at, healthy_record, plan

from stormproof.checks.steps import replay_steps
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import DecisionEvent
from stormproof.model.plan import Plan
from stormproof.model.record import Record


def asking() -> Plan:
    """Return the plan whose second fault waits until the target is ready."""
    from msgspec.structs import replace

    cut, restart = plan().faults
    return plan(faults=(cut, replace(restart, ready_within_ns=5 * SECOND_NS)))


def deciding(
    at_s: float, value: float, action: str, rule: str = RESTART, asked_s: float = 0.0
) -> Record:
    decision = DecisionEvent(
        at_ns=at(at_s),
        rule=rule,
        from_second=20,
        to_second=int(at_s),
        status="pass" if action == "inject" else "fail",
        value=value,
        bar=1.0,
        asked_ns=at(asked_s) if asked_s else 0,
        action=action,
    )
    record = healthy_record(asking())
    return healthy_record(asking(), events=(*record.events, decision))


def _unhurt(record: Record) -> Record:
    """Return a record in which the fault that asked never came."""
    kept = [one for one in record.events if getattr(one, "fault", "") != RESTART]
    return healthy_record(asking(), events=tuple(kept))


def test_a_decision_that_the_answers_bear_out_is_ours_no_more() -> None:
    """The cut is ready again at 16.4 s, and 20.005 s is 3.6 s later."""
    assert replay_steps(deciding(20.005, 3.6, "inject")) == []
    assert replay_steps(_unhurt(deciding(17.005, 0.6, "skip"))) == []


@pytest.mark.parametrize(
    ("at_s", "value", "action", "rule"),
    [
        (20.005, 3.6, "skip", RESTART),
        (17.005, 0.6, "inject", RESTART),
        (20.005, 3.5, "inject", RESTART),
        (20.005, 3.6, "inject", "cache-cut"),
    ],
)
def test_one_that_they_do_not_is_our_own_fault(
    at_s: float, value: float, action: str, rule: str
) -> None:
    """Another action, another value, or a fault that never asked."""
    finding, *_ = replay_steps(deciding(at_s, value, action, rule))
    assert finding.kind == "irreproducible-decision"


def test_an_answer_from_before_the_question_answers_nothing() -> None:
    """A target that was ready once and has not answered since it was asked is not ready."""
    assert replay_steps(_unhurt(deciding(20.005, 3.6, "skip", asked_s=20.005))) == []
    (finding,) = replay_steps(deciding(20.005, 3.6, "inject", asked_s=20.005))
    assert finding.kind == "irreproducible-decision"


def test_a_fault_that_nobody_decided_on_is_our_own_fault() -> None:
    """One that waits until the target is ready comes with a decision or not at all."""
    (finding,) = replay_steps(healthy_record(asking()))
    assert finding.kind == "irreproducible-decision"
    assert finding.title.startswith(f"{RESTART} came")
    assert replay_steps(healthy_record(asking(), sealed=False)) == []
    (finding,) = replay_steps(deciding(17.005, 0.6, "skip"))
    assert finding.title.startswith(f"{RESTART} came")
