"""A run that an objective ended: FAIL on its evidence, and nothing else passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from tests.builders import (
    ITERATIONS,
    at,
    counted,
    frame,
    frames,
    healthy_record,
    operations,
    plan,
    story,
)

from stormproof.checks.judge import judge
from stormproof.model.event import (
    BREACHES_UNSEEN,
    DecisionEvent,
    EndEvent,
    Event,
    Phase,
    PhaseEvent,
    WarningEvent,
)
from stormproof.model.objective import Abort, Objective, Status
from stormproof.model.plan import Plan
from stormproof.model.record import Record
from stormproof.model.series import Frame
from stormproof.model.verdict import Verdict
from stormproof.rules.abort import AbortRules
from stormproof.rules.grammar import objective

SLOW_FROM, DECIDED_AT, DRAIN_S = 8, 9, 10
RULE = "http_req_duration{scenario:feed}: max<300"
OTHER = objective("http_req_failed{scenario:feed}", "rate<0.01")


def _plan(metric: str = "http_req_duration{scenario:feed}", **changes: Any) -> Plan:
    made = msgspec.structs.replace(objective(metric, "max<300"), abort=Abort())
    objectives: tuple[Objective, ...] = (made, OTHER, objective("delivery_lost", "count==0"))
    return plan(gate=(), faults=(), objectives=objectives, **changes)


def _frames() -> list[Frame]:
    slow = [operations([900.0] * 50), counted(ITERATIONS, 50)]
    return [
        frame(one.worker, one.second, slow) if one.second >= SLOW_FROM else one
        for one in frames(seconds=DRAIN_S + 2)
    ]


def _record(made: Plan, decision: DecisionEvent, **changes: Any) -> Record:
    """Return the record of a run that ended in its ninth second."""
    ended: list[Event] = [one for one in story(faults=False) if one.at_ns < at(DRAIN_S)]
    ended += [
        decision,
        PhaseEvent(at_ns=at(DRAIN_S), phase=Phase.DRAIN),
        *(
            msgspec.structs.replace(one, at_ns=at(DRAIN_S + 1))
            for one in story(faults=False)
            if one.at_ns >= at(40.0) and not isinstance(one, EndEvent | PhaseEvent)
        ),
        PhaseEvent(at_ns=at(DRAIN_S + 2), phase=Phase.STOP),
        EndEvent(at_ns=at(DRAIN_S + 3), how="stopped", detail=f"{RULE} was 900"),
    ]
    record = healthy_record(made, events=tuple(ended), frames=tuple(_frames()))
    return replace(record, **changes)


def _decision(made: Plan, **changes: Any) -> DecisionEvent:
    """Return the decision that the live rules come to on the frames."""
    rules = AbortRules(made)
    record = healthy_record(made)
    for second in range(DRAIN_S):
        mine = [one for one in _frames() if one.second == second]
        for rule, since, to, value in rules.take(second, mine, record.series):
            told = DecisionEvent(
                at_ns=at(to + 0.1),
                rule=rule.name,
                from_second=since,
                to_second=to,
                status="fail",
                value=value,
                bar=rule.bar,
                action="abort",
            )
            return msgspec.structs.replace(told, **changes)
    raise AssertionError("nothing was broken")


def _judge(record: Record) -> Verdict:
    return judge(record, version="0")


def _status(verdict: Verdict, name: str) -> Status:
    return next(one.status for one in verdict.objectives if one.name == name)


def test_the_run_fails_on_the_evidence_that_ended_it() -> None:
    """The objective is FAIL over the seconds it was decided on, and the verdict says so first."""
    made = _plan()
    decision = _decision(made)
    assert (decision.from_second, decision.to_second) == (4, DECIDED_AT)
    verdict = _judge(_record(made, decision))
    assert verdict.verdict is Status.FAIL
    assert verdict.headline.startswith(f"FAIL: {RULE} (9")
    judged = next(one for one in verdict.objectives if one.name == RULE)
    assert judged.evidence.at_s == [[4, DECIDED_AT]]
    assert judged.value == decision.value or judged.value == pytest.approx(decision.value)
    assert [one for one in verdict.findings if one.kind == "irreproducible-decision"] == []


def test_what_the_abort_left_without_evidence_is_undecided() -> None:
    """No other objective passes on a part of its run, however good that part was."""
    made = _plan()
    verdict = _judge(_record(made, _decision(made)))
    assert _status(verdict, OTHER.name) is Status.INCONCLUSIVE
    told = next(one for one in verdict.objectives if one.name == OTHER.name)
    assert told.why.startswith("the run was ended early")


def test_a_stretch_that_ended_a_run_fails_it() -> None:
    """An abort over a stretch is judged on that stretch alone."""
    made = _plan("http_req_duration{scenario:feed,over:3s}")
    verdict = _judge(_record(made, _decision(made)))
    assert verdict.verdict is Status.FAIL
    judged = verdict.objectives[0]
    assert (judged.status, judged.worst_at_s) == (Status.FAIL, [6, 9])


@pytest.mark.parametrize(
    "changes",
    [
        {"value": 901.0},
        {"from_second": 5},
        {"to_second": 8},
        {"bar": 200.0},
        {"status": "inconclusive"},
        {"rule": "http_req_duration: max<300"},
    ],
)
def test_a_decision_that_the_record_does_not_bear_out_decides_nothing(
    changes: dict[str, Any],
) -> None:
    """Whatever differs from what the frames say is our own fault, and the run is undecided."""
    made = _plan()
    verdict = _judge(_record(made, _decision(made, **changes)))
    assert verdict.verdict is Status.INCONCLUSIVE
    assert [one.kind for one in verdict.findings] == ["irreproducible-decision"]
    assert _status(verdict, RULE) is Status.INCONCLUSIVE


def test_an_abort_on_a_record_that_is_not_whole_decides_nothing() -> None:
    """What was cut off or changed afterwards cannot carry an answer."""
    made = _plan()
    verdict = _judge(_record(made, _decision(made), problems=("worker-0.seg is cut at byte 9",)))
    assert verdict.verdict is Status.INCONCLUSIVE


def test_a_starved_generator_fails_nobody() -> None:
    """A bar that broke while the generator was not itself ends the run, and is not held against
    the target."""
    made = _plan()
    starved = tuple(
        frame(one.worker, one.second, one.counts, core_idle_share=0.0)
        if one.second >= SLOW_FROM - 2
        else one
        for one in _frames()
    )
    verdict = _judge(_record(made, _decision(made), frames=starved))
    assert verdict.verdict is Status.INCONCLUSIVE


def test_another_profile_cannot_turn_an_abort_into_a_pass() -> None:
    """Judged by bars that the run kept, what it did not live to see is still missing."""
    made = _plan()
    record = _record(made, _decision(made))
    easy = [objective("http_req_duration{scenario:feed}", "max<30000")]
    assert judge(record, objectives=easy, version="0").verdict is Status.INCONCLUSIVE


STOP = objective("http_req_duration{scenario:feed,over:4s}", "avg<300")


def _stopped(**changes: Any) -> Record:
    """Return the record of a run whose one fault was undone by a stop condition at 14 s."""
    made = plan(stops=(STOP,), faults=plan().faults[:1])
    slow = [operations([900.0] * 50), counted(ITERATIONS, 50)]
    sent = [
        frame(one.worker, one.second, slow) if 12 <= one.second < 15 else one for one in frames()
    ]
    record = healthy_record(made, frames=tuple(sent))
    rules, broken = AbortRules(made), []
    for second in range(40):
        mine = [one for one in sent if one.second == second]
        broken += rules.take(second, mine, record.series)
    ((rule, since, to, value),) = broken  # once, however long it lasts
    told = DecisionEvent(
        at_ns=at(to + 0.1),
        rule=rule.name,
        from_second=since,
        to_second=to,
        status="fail",
        value=value,
        bar=rule.bar,
        action="undo",
    )
    told = msgspec.structs.replace(told, **changes)
    held = [one for one in record.events if getattr(one, "fault", "") != "cache-restart"]
    return replace(record, events=(*held, told))


def test_what_stopped_the_faults_is_judged() -> None:
    """The stop condition is FAIL over its seconds, beside the objectives, and is replayed."""
    verdict = _judge(_stopped())
    assert _status(verdict, STOP.name) is Status.FAIL
    assert verdict.verdict is Status.FAIL
    assert [one for one in verdict.findings if one.kind == "irreproducible-decision"] == []


def test_a_stop_condition_that_held_says_nothing() -> None:
    """What never stopped anything is no objective."""
    verdict = _judge(healthy_record(plan(stops=(STOP,))))
    assert STOP.name not in [one.name for one in verdict.objectives]
    assert verdict.verdict is Status.PASS


@pytest.mark.parametrize("changes", [{"value": 1.0}, {"action": "abort"}, {"to_second": 15}])
def test_a_stop_that_the_record_does_not_bear_out_is_our_own_fault(changes: dict[str, Any]) -> None:
    """Another value, another power, or another second."""
    verdict = _judge(_stopped(**changes))
    assert [one.kind for one in verdict.findings if one.kind.startswith("irrep")] == [
        "irreproducible-decision"
    ]
    assert STOP.name not in [one.name for one in verdict.objectives]


def _unheeded(*slow_at: int, warned: bool = False) -> Record:
    """Return the record of a whole run whose stop condition nobody decided on."""
    slow = [operations([900.0] * 50), counted(ITERATIONS, 50)]
    sent = [
        frame(one.worker, one.second, slow if one.second in slow_at else one.counts)
        for one in frames()
    ]
    kept = tuple(one for one in plan().objectives if "duration" not in one.name)
    record = healthy_record(plan(stops=(STOP,), objectives=kept), frames=tuple(sent))
    told = WarningEvent(at_ns=at(5.0), code=BREACHES_UNSEEN, text="a frame is missing")
    return replace(record, events=(*record.events, told)) if warned else record


def test_a_breach_that_nobody_decided_on_passes_nothing() -> None:
    """The whole load is decided on again, and what the run overlooked is our own fault."""
    verdict = _judge(_unheeded(30, 31, 32, 33))
    assert [one.kind for one in verdict.findings] == ["irreproducible-decision"]
    assert f"{STOP.name} was broken" in verdict.findings[0].title
    assert verdict.verdict is Status.INCONCLUSIVE


@pytest.mark.parametrize("warned", [True, False])
def test_where_nothing_could_be_decided_a_stop_condition_is_an_objective(warned: bool) -> None:
    """With live decisions off, and in the last two seconds of a load, what broke it fails."""
    verdict = _judge(_unheeded(*((30, 31, 32, 33) if warned else (38, 39)), warned=warned))
    assert [one.kind for one in verdict.findings] == []
    assert _status(verdict, STOP.name) is Status.FAIL
    assert verdict.verdict is Status.FAIL


def test_a_stop_condition_that_held_unseen_is_met() -> None:
    """A live frame that went missing takes nothing from a record that has them all."""
    verdict = _judge(_unheeded(warned=True))
    assert _status(verdict, STOP.name) is Status.PASS
    assert verdict.verdict is Status.PASS


def test_seconds_that_a_worker_never_sent_are_not_decided_on() -> None:
    """A load whose iterations are done sends no frames any more, which breaks no floor."""
    floor = objective("http_reqs{over:4s}", "count>1")
    record = healthy_record(plan(stops=(floor,)))
    sent = tuple(one for one in record.frames if one.second < 20)
    verdict = _judge(replace(record, frames=sent))
    assert [one for one in verdict.findings if one.kind.startswith("irrep")] == []
