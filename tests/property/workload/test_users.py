"""How many users a closed scenario has when, and which worker owes how much."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stormproof.model.plan import Stage
from stormproof.workload.constant_vus import ConstantVus
from stormproof.workload.iterations import per_vu_iterations, shared_iterations
from stormproof.workload.population import indices_of
from stormproof.workload.ramping_vus import RampingVus

SECOND_NS = 1_000_000_000
LENGTHS = st.one_of(st.just(0), st.integers(1, 10), st.integers(1, 100 * SECOND_NS))
STAGES = st.lists(
    st.builds(Stage, duration_ns=LENGTHS, target=st.integers(0, 60).map(float)), max_size=5
)


@given(start=st.integers(0, 60), stages=STAGES)
def test_users_come_and_go_one_by_one_along_the_line(start: int, stages: list[Stage]) -> None:
    """Each change is one user, save jumps; it comes when the line gets there, and no sooner."""
    shape = RampingVus(start_vus=start, stages=tuple(stages))
    changes = list(shape.changes())
    assert changes[0] == (0, start)
    assert all(0 <= users <= shape.peak for _, users in changes)
    begun_ns, users = 0, start
    for stage in stages:
        end_ns, target = begun_ns + stage.duration_ns, int(stage.target)
        mine, changes = changes[1 : 1 + _steps(users, stage)], changes[_steps(users, stage) :]
        for at_ns, now in mine:
            if stage.duration_ns:
                line = users + (target - users) * (at_ns - begun_ns) / stage.duration_ns
                rounding = (target - users) / stage.duration_ns
                assert now - 1e-6 - abs(rounding) <= line <= now + 1 + 1e-6 + abs(rounding)
        if mine:
            assert mine[-1] == (end_ns, target)
        begun_ns, users = end_ns, target
    assert len(changes) == 1


def _steps(users: int, stage: Stage) -> int:
    difference = abs(int(stage.target) - users)
    return difference if stage.duration_ns else min(1, difference)


@given(start=st.integers(0, 60), stages=STAGES)
def test_changes_never_go_back_in_time(start: int, stages: list[Stage]) -> None:
    """The instants rise, and each number differs from the one before it."""
    changes = list(RampingVus(start_vus=start, stages=tuple(stages)).changes())
    assert all(a[0] <= b[0] and a[1] != b[1] for a, b in pairwise(changes))


def test_the_ramp_of_k6s_own_example() -> None:
    """Up from 0 to 10 over 10 s and down again is the staircase that k6 documents."""
    stages = (
        Stage(duration_ns=10 * SECOND_NS, target=10),
        Stage(duration_ns=10 * SECOND_NS, target=0),
    )
    changes = list(RampingVus(start_vus=0, stages=stages).changes())
    up = [(second * SECOND_NS, second) for second in range(11)]
    down = [((10 + second) * SECOND_NS, 10 - second) for second in range(1, 11)]
    assert changes == up + down


def test_constant_users_are_all_there_from_the_beginning() -> None:
    """There is one change: the start."""
    assert list(ConstantVus(vus=7).changes()) == [(0, 7)]


@given(vus=st.integers(1, 200), more=st.integers(0, 10_000), workers=st.integers(1, 9))
def test_workers_owe_the_whole_together(vus: int, more: int, workers: int) -> None:
    """All workers' users and iterations add up to those of one process, and nobody idles long."""
    shared = [shared_iterations(vus, vus + more, one, workers) for one in range(workers)]
    each = [per_vu_iterations(vus, more, one, workers) for one in range(workers)]
    assert sum(shared) == vus + more
    assert sum(each) == vus * more
    for worker, owed in enumerate(shared):
        users = len(indices_of(vus, worker, workers))
        assert (owed > 0) == (users > 0)
        assert owed <= users * (-(-(vus + more) // vus))
