"""Does a verdict say that the load was steered?"""

from __future__ import annotations

from tests.builders import at, healthy_record, story

from stormproof.checks.judge import judge
from stormproof.checks.steering import check_steering
from stormproof.model.event import ControlEvent, DecisionEvent
from stormproof.model.objective import Status
from stormproof.rules.windows import windows_of

PAUSE = ControlEvent(at_ns=at(12.4), kind="pause", scenario="feed")
STOP = ControlEvent(at_ns=at(20.0), kind="stop")


def test_a_steered_run_never_passes_and_says_why() -> None:
    """Each change is a witness with its instant, and the verdict is at best undecided."""
    record = healthy_record(events=(*story(), PAUSE, STOP))
    verdict = judge(record, version="test")
    assert verdict.verdict is Status.INCONCLUSIVE
    assert "the load was steered: pause feed at 12.400 s (and 1 more)" in verdict.headline
    (finding,) = [one for one in verdict.findings if one.kind == "steered"]
    assert [one.what for one in finding.witnesses] == [
        "pause feed at 12.400 s",
        "stop all scenarios at 20.000 s",
    ]


def test_a_stop_by_a_live_decision_is_not_steering() -> None:
    """What an objective has ended was ended by the plan; an order of a person besides counts."""
    abort = DecisionEvent(
        at_ns=at(19.0),
        rule="r",
        from_second=1,
        to_second=2,
        status="fail",
        value=1.0,
        bar=0.1,
        action="abort",
    )
    for events, count in (((abort, STOP), 0), ((PAUSE, abort, STOP), 1), ((), 0)):
        record = healthy_record(events=(*story(), *events))
        outcome = check_steering(record, windows_of(record))
        assert sum(one.count for one in outcome.findings) == count
