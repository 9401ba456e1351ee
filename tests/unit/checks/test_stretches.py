"""Objectives over stretches of a window: the worst is told, and nothing undecided passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.builders import ITERATIONS, counted, frame, frames, healthy_record, operations
from tests.unit.checks.judging import judge_one

from stormproof.model.objective import Status
from stormproof.model.record import Record

OVER = "http_req_duration{scenario:feed,over:5s}"


def _slow(seconds: Callable[[int], bool], latency_ms: float = 900.0) -> Record:
    """Return a record whose feed is slow in some seconds."""
    slow = [
        frame(one.worker, one.second, [operations([latency_ms] * 50), counted(ITERATIONS, 50)])
        if seconds(one.second)
        else one
        for one in frames()
    ]
    return healthy_record(frames=tuple(slow))


def test_a_healthy_run_holds_in_every_stretch() -> None:
    """The value told is that of the worst stretch, with where it was and how much it rests on."""
    judged = judge_one(OVER, "p(95)<300")
    assert judged.status is Status.PASS
    assert judged.value == pytest.approx(20.0, rel=1e-3)
    assert judged.worst_at_s[1] - judged.worst_at_s[0] == 5
    assert judged.evidence.at_s == [[4, 40]]
    assert judged.evidence.samples == 3_600


def test_a_spell_that_the_whole_forgives_fails_its_stretch() -> None:
    """Two slow seconds of forty do not move the p95 of the load, but that of five seconds."""
    record = _slow(lambda second: second in (20, 21))
    assert judge_one("http_req_duration{scenario:feed}", "p(95)<300", record).value != 900.0
    judged = judge_one(OVER, "p(95)<300", record)
    assert judged.status is Status.FAIL
    assert judged.value == pytest.approx(900.0, rel=1e-3)
    assert 16 <= judged.worst_at_s[0] <= 21
    assert f"in seconds {judged.worst_at_s[0]} to {judged.worst_at_s[1]}" in judged.why
    assert "6 of 32 stretches" in judged.why


def test_for_bears_what_is_shorter() -> None:
    """A bar broken for two seconds in a row is broken for 2 s, and not for 3 s."""
    record = _slow(lambda second: second in (20, 21, 30))
    short = judge_one("http_req_duration{scenario:feed,for:2s}", "avg<300", record)
    assert (short.status, short.worst_at_s) == (Status.FAIL, [20, 22])
    assert judge_one("http_req_duration{scenario:feed,for:3s}", "avg<300", record).status is (
        Status.PASS
    )


def test_side_by_side_stretches_reach_the_end() -> None:
    """The last of the stretches side by side ends with the window, so no second escapes."""
    record = _slow(lambda second: second == 39)
    judged = judge_one("http_req_duration{scenario:feed,every:5s}", "max<300", record)
    assert (judged.status, judged.worst_at_s) == (Status.FAIL, [35, 40])


def test_a_stretch_without_enough_samples_keeps_the_rest_from_passing() -> None:
    """Where five seconds show too little, the objective is undecided and says where."""
    quiet = [
        frame(one.worker, one.second, []) if 20 <= one.second < 26 else one for one in frames()
    ]
    judged = judge_one(OVER, "p(95)<300", healthy_record(frames=tuple(quiet)))
    assert judged.status is Status.INCONCLUSIVE
    assert "in seconds 1" in judged.why or "in seconds 2" in judged.why
    assert "200 needed" in judged.why


def test_a_standstill_is_no_throughput() -> None:
    """A rate per second over a stretch in which nothing happened is zero, and not unknown."""
    still = [
        frame(one.worker, one.second, []) if 20 <= one.second < 24 else one for one in frames()
    ]
    record = healthy_record(frames=tuple(still))
    assert judge_one("http_reqs{scenario:feed}", "rate>50", record).status is Status.PASS
    judged = judge_one("http_reqs{scenario:feed,over:4s}", "rate>50", record)
    assert (judged.status, judged.value, judged.worst_at_s) == (Status.FAIL, 0.0, [20, 24])


def test_throughput_ends_with_the_planned_load() -> None:
    """The wait for the last answers is no stretch without throughput."""
    assert judge_one("http_reqs{scenario:feed,over:5s}", "rate>90").status is Status.PASS


def test_a_window_without_such_a_stretch_decides_nothing() -> None:
    """Four seconds of fault hold no ten in a row."""
    judged = judge_one("http_req_failed{scenario:feed,window:fault,over:10s}", "rate<0.5")
    assert judged.status is Status.INCONCLUSIVE
    assert "window fault has no 10 s in a row" in judged.why


def test_a_stretch_of_a_starved_generator_decides_nothing() -> None:
    """Seconds in which the generator was not itself make only their own stretches undecided."""
    starved = [
        frame(one.worker, one.second, one.counts, core_idle_share=0.0)
        if 20 <= one.second < 24
        else one
        for one in frames()
    ]
    judged = judge_one(OVER, "p(95)<300", healthy_record(frames=tuple(starved)))
    assert judged.status is Status.INCONCLUSIVE
    assert "not valid" in judged.why
    broken = [
        frame(one.worker, one.second, [operations([900.0] * 50), counted(ITERATIONS, 50)])
        if one.second == 30
        else one
        for one in starved
    ]
    assert judge_one(OVER, "max<300", healthy_record(frames=tuple(broken))).status is Status.FAIL


def test_users_are_a_gauge() -> None:
    """vus and vus_max add the workers up: last, lowest and highest of any window."""
    busy = [
        frame(one.worker, one.second, one.counts, users_busy=7 if one.second == 20 else 2)
        for one in frames()
    ]
    record = healthy_record(frames=tuple(busy))
    assert judge_one("vus", "max<=14", record).value == 14.0
    assert judge_one("vus", "value==4", record).status is Status.PASS
    assert judge_one("vus_max", "min>=20", record).value == 20.0
    assert judge_one("vus{over:2s}", "min>=4", record).status is Status.PASS


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("http_req_duration{name:GET /fed}", "did you mean 'GET /feed'?"),
        ("http_req_duration{group:pay}", "known: none"),
    ],
)
def test_a_misspelt_value_never_passes(asked: str, hint: str) -> None:
    """A value that no series had is undecided, with the one that was probably meant."""
    judged = judge_one(asked, "p(95)<300")
    assert judged.status is Status.INCONCLUSIVE
    assert "was never seen" in judged.why
    assert hint in judged.remedy
