"""How much evidence is needed, and whether a plan can give it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.builders import plan

from stormproof.kernel.units import SECOND_NS
from stormproof.model.plan import Plan, Stage
from stormproof.rules.evidence import decide_not_judged, expected_samples, samples_needed
from stormproof.rules.grammar import objective, parse_threshold


@pytest.mark.parametrize(
    ("threshold", "needed"),
    [
        ("p(95)<300", 200),
        ("p(99)<300", 1_000),
        ("p(99.9)<300", 10_000),
        ("med<300", 20),
        ("p(100)<300", 1),
        ("avg<300", 30),
        ("max<300", 1),
        ("rate<0.01", 300),
        ("rate<=0.005", 600),
        ("rate>0.99", 300),
        ("rate<5e-324", 10**15),
        ("rate==0", 1),
        ("rate==1", 1),
        ("count==0", 1),
    ],
)
def test_samples_needed(threshold: str, needed: int) -> None:
    """Ten samples beyond a percentile; three over the bar for a share."""
    assert samples_needed(*parse_threshold(threshold)) == needed


def test_a_rate_per_second_needs_no_share_of_samples() -> None:
    """The rule of three is for shares, not for throughput."""
    assert objective("http_reqs", "rate<0.5").samples_min == 1


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("http_req_duration{scenario:feed}", 3_600),
        ("http_req_duration{scenario:feed,window:warmup}", 400),
        ("http_req_duration{scenario:feed,window:steady}", 800),
        ("http_req_duration{scenario:feed,window:fault}", 500),
        ("http_req_duration{scenario:feed,window:calm}", 2_700),
        ("http_req_duration{scenario:chat}", 720),
        ("http_req_duration", 4_320),
        ("http_req_duration{scenario:feed,window:recovery}", None),
        ("http_req_duration{scenario:feed,window:disturbed}", 500),
        ("http_req_duration{name:GET /feed}", None),
    ],
)
def test_samples_expected(metric: str, expected: int | None) -> None:
    """The plan promises rate times window; what only the run can tell is unknown."""
    assert expected_samples(plan(), objective(metric, "p(95)<300")) == expected


def ramped(**changes: Any) -> Plan:
    """Return the plan with a feed that goes from 0 to 100 a second in 20 s, and stays."""
    feed, chat = plan().scenarios
    stages = (Stage(duration_ns=20 * SECOND_NS, target=100.0),) * 2
    ramp = msgspec.structs.replace(
        feed, executor="ramping-arrival-rate", rate=0.0, start_rate=0.0, stages=stages
    )
    return plan(scenarios=(ramp, chat), **changes)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("http_req_duration{scenario:feed,window:warmup}", 40),
        ("http_req_duration{scenario:feed,window:steady}", 320),
        ("http_req_duration{scenario:feed,window:fault}", 380),
        ("http_req_duration{scenario:feed}", 2_960),
        ("http_req_duration{scenario:feed,over:10s}", 450),
    ],
)
def test_a_ramp_promises_the_area_under_its_rate(metric: str, expected: int) -> None:
    """Each window gets what the rate makes of it; of stretches it is the poorest that counts."""
    assert expected_samples(ramped(), objective(metric, "p(95)<300")) == expected


def test_a_ramp_that_is_scaled_down_says_what_it_cannot_decide() -> None:
    """What the lower part of a ramp cannot show is known before the run."""
    wanted = [objective("http_req_duration{scenario:feed,window:steady}", "p(99)<300")]
    (not_judged,) = decide_not_judged(ramped(), wanted)[1]
    assert not_judged.why == "about 320 samples expected in window steady, 1000 needed"


def test_a_crowd_promises_nothing_before_it_comes() -> None:
    """A scenario counts from its start to its end, in whichever window that is."""
    feed, chat = plan().scenarios
    late = msgspec.structs.replace(feed, start_ns=20 * SECOND_NS, duration_ns=10 * SECOND_NS)
    asked = {
        window: expected_samples(
            plan(scenarios=(late, chat)),
            objective(f"http_req_duration{{scenario:feed,window:{window}}}", "p(95)<300"),
        )
        for window in ("warmup", "steady", "load", "calm")
    }
    assert asked == {"warmup": 0, "steady": 0, "load": 1_000, "calm": 700}


def test_a_probe_promises_an_answer_an_interval() -> None:
    """Ten answers a second over the calm 27 s of the load."""
    asked = objective("probe_failed{probe:ready,window:calm}", "rate<0.01")
    assert expected_samples(plan(), asked) == 270
    (not_judged,) = decide_not_judged(plan(), [asked])[1]
    assert not_judged.why == "about 270 samples expected in window calm, 300 needed"


def test_an_unpaced_closed_scenario_promises_nothing() -> None:
    """Without `pace_s` the rate of a closed loop is the target's business."""
    feed, chat = plan().scenarios
    unpaced = plan(scenarios=(feed, msgspec.structs.replace(chat, env={"pace_s": "soon"})))
    chat_p95 = objective("http_req_duration{scenario:chat}", "p(95)<300")
    assert expected_samples(unpaced, chat_p95) is None


def test_what_the_plan_cannot_decide_is_named_before_the_run() -> None:
    """Too few samples expected: not judged, with both figures; the rest is kept in order."""
    wanted = [
        objective("http_req_duration{scenario:feed,window:fault}", "p(99)<300"),
        objective("http_req_duration{scenario:feed}", "p(99)<300"),
        objective("delivery_lost", "count==0"),
    ]
    kept, not_judged = decide_not_judged(plan(), wanted)
    assert kept == wanted[1:]
    assert [one.objective for one in not_judged] == [wanted[0].name]
    assert not_judged[0].why == "about 500 samples expected in window fault, 1000 needed"


def test_without_faults_nothing_about_faults_is_judged() -> None:
    """Fault windows and recovery cannot be asked of a plan without faults."""
    wanted = [
        objective("http_req_failed{scenario:feed,window:fault}", "rate<0.01"),
        objective("http_req_failed{scenario:feed,window:disturbed}", "rate<0.01"),
        objective("recovery_ready_s", "max<10"),
        objective("fault_effective", "rate==1"),
    ]
    kept, not_judged = decide_not_judged(plan(faults=()), wanted)
    assert not kept
    assert {one.why for one in not_judged} == {"the plan has no fault"}


def test_floors_of_the_full_scale_are_not_asked_of_a_reduced_one() -> None:
    """A count that must be reached is not judged when the reduced plan does not promise it."""
    floor = objective("messages_acknowledged", "count>=3000")
    assert decide_not_judged(plan(), [floor])[0] == [floor]
    kept, not_judged = decide_not_judged(plan(scope="reduced", scale=0.1), [floor])
    assert not kept
    assert "not meant to reach 3000" in not_judged[0].why


def test_throughput_of_the_full_scale_is_not_asked_of_a_reduced_one() -> None:
    """A rate a second that must be reached is judged only where the reduced plan promises it."""
    high, low = (objective("iterations{scenario:feed}", f"rate>={bar}") for bar in (1000, 1))
    assert decide_not_judged(plan(), [high, low])[0] == [high, low]
    kept, not_judged = decide_not_judged(plan(scope="reduced", scale=0.1), [high, low])
    assert kept == [low]
    assert "not meant to reach 1000/s" in not_judged[0].why


@pytest.mark.parametrize(
    ("metric", "bar", "is_asked"),
    [
        ("target:dead_total", "count>0", True),
        ("seen{what:a 409}", "count>=1", True),
        ("target:dead_total", "count>1", False),
        ("target:dead_total", "rate>0", False),
    ],
)
def test_that_there_be_any_is_asked_at_every_scale(metric: str, bar: str, is_asked: bool) -> None:
    """What has to come about at all is no number that a scale makes smaller."""
    kept, _ = decide_not_judged(plan(scope="reduced", scale=0.1), [objective(metric, bar)])
    assert bool(kept) is is_asked
