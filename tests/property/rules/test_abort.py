"""abortOnFail second by second against the same question asked of all seconds at once."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import DROPS, ITERATIONS, counted, frame, operations, plan, series

from stormproof.model.objective import Abort, Status
from stormproof.model.plan import Plan
from stormproof.model.series import Frame
from stormproof.rules.abort import AbortRules, Breach
from stormproof.rules.gate import answer
from stormproof.rules.grammar import objective

LATENCIES = st.lists(st.sampled_from([1.0, 20.0, 250.0, 350.0, 900.0]), min_size=1, max_size=4)
RUNS = st.lists(st.tuples(LATENCIES, LATENCIES, st.integers(0, 2)), min_size=1, max_size=20)
ASKED = st.sampled_from(
    [
        ("http_req_duration{scenario:feed}", "max<300"),
        ("http_req_duration{scenario:feed}", "p(50)<100"),
        ("http_reqs", "rate>3"),
        ("dropped_iterations", "rate<1"),
        ("http_req_failed", "rate<0.5"),
        ("vus", "max<25"),
    ]
)


def _plan(metric: str, threshold: str) -> Plan:
    made = objective(metric, threshold)
    rule = msgspec.structs.replace(made, abort=Abort(), samples_min=1)
    return plan(objectives=(rule,), warmup_ns=0, faults=())


def _frames(run: list[tuple[list[float], list[float], int]]) -> list[Frame]:
    return [
        frame(
            worker,
            second,
            [operations(both[worker], failed=len(both[worker]) // 2), counted(ITERATIONS, 1)]
            + ([counted(DROPS, drops)] if drops else []),
        )
        for second, (*both, drops) in enumerate(run)
        for worker in range(2)
    ]


def _follow(of: Plan, frames: list[Frame], known: int = 2) -> list[list[Breach]]:
    rules = AbortRules(of)
    every = {worker: series() for worker in range(known)}
    last = max(one.second for one in frames)
    return [
        rules.take(second, [one for one in frames if one.second == second], every)
        for second in range(last + 1)
    ]


@given(RUNS, ASKED)
def test_following_agrees_with_asking_at_once(
    run: list[tuple[list[float], list[float], int]], asked: tuple[str, str]
) -> None:
    """After each second the rule is broken exactly when all seconds so far, folded anew, are."""
    made, frames = _plan(*asked), _frames(run)
    for second, broken in enumerate(_follow(made, frames)):
        status, value = answer(
            made.objectives[0], frames, {0: series(), 1: series()}, range(second + 1)
        )
        assert bool(broken) is (status is Status.FAIL)
        assert all(one.value == value.value and one.to_second == second + 1 for one in broken)


@given(RUNS, ASKED, st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(
    run: list[tuple[list[float], list[float], int]],
    asked: tuple[str, str],
    random: object,
) -> None:
    """Frames of a second may come in any order: live and from the record the answer is the same."""
    made, frames = _plan(*asked), _frames(run)
    shuffled = list(frames)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert _follow(made, frames) == _follow(made, shuffled)
