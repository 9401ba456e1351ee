"""The steady state."""

from __future__ import annotations

import pytest
from tests.builders import (
    DROPS,
    FEED_OPERATION,
    ITERATIONS,
    counted,
    frame,
    frames,
    operations,
    plan,
    series,
)

from stormproof.model.objective import Operator, Status
from stormproof.model.series import Series, SeriesKind
from stormproof.rules.bar import holds
from stormproof.rules.gate import decide
from stormproof.rules.grammar import objective
from stormproof.rules.measure import measure

BOTH = {0: series(), 1: series()}


@pytest.mark.parametrize(
    ("operator", "answers"),
    [
        ("<", (True, False, False)),
        ("<=", (True, True, False)),
        (">", (False, False, True)),
        (">=", (False, True, True)),
        ("==", (False, True, False)),
        ("!=", (True, False, True)),
    ],
)
def test_operators(operator: Operator, answers: tuple[bool, bool, bool]) -> None:
    """Each operator means what it says below, at and above the bar."""
    assert tuple(holds(value, operator, 2.0) for value in (1.0, 2.0, 3.0)) == answers


def test_a_working_target_is_steady() -> None:
    """Operations that succeed pass the gate, with the value that was seen."""
    ((rule, status, value),) = decide(plan(), frames(), BOTH, 2, 4)
    assert (rule, status, value) == (plan().gate[0], Status.PASS, 0.0)


def test_a_failing_target_is_not() -> None:
    """Too many failures fail the gate."""
    bad = [frame(0, second, [operations([1.0] * 50, failed=30)]) for second in range(4)]
    ((_, status, value),) = decide(plan(), bad, BOTH, 2, 4)
    assert (status, value) == (Status.FAIL, 0.6)


def test_only_the_asked_seconds_count() -> None:
    """What happened before the gate's window has no say."""
    early = [frame(0, second, [operations([1.0] * 50, failed=50)]) for second in range(2)]
    late = [frame(0, second, [operations([1.0] * 50)]) for second in range(2, 4)]
    ((_, status, _),) = decide(plan(), [*early, *late], BOTH, 2, 4)
    assert status is Status.PASS


def test_too_few_samples_decide_nothing() -> None:
    """An idle target is not steady: nothing is known about it."""
    few = [frame(0, 3, [operations([1.0] * 5)])]
    for some in (few, []):
        ((_, status, _),) = decide(plan(), some, BOTH, 2, 4)
        assert status is Status.INCONCLUSIVE


def test_a_percentile_among_drops_fails() -> None:
    """Dropped iterations of the scenario count as infinitely slow."""
    gate = (objective("http_req_duration{scenario:feed}", "p(95)<300"),)
    slow = [
        frame(0, second, [operations([1.0] * 150), counted(DROPS, 50)]) for second in range(2, 4)
    ]
    ((_, status, value),) = decide(plan(gate=gate), slow, BOTH, 2, 4)
    assert (status, value) == (Status.FAIL, None)


def test_drops_are_seen_where_iterations_are() -> None:
    """No drop among iterations is a count of zero; no iteration at all is nothing seen."""
    drops = objective("dropped_iterations{scenario:feed}", "count==0")
    some = [frame(0, 0, [counted(ITERATIONS, 5)])]
    assert measure(drops, some, BOTH, [0]).seen
    assert not measure(drops, some, BOTH, [1]).seen
    assert not measure(drops, [], BOTH, [0]).seen


def test_lost_sockets_are_seen_where_sockets_were_opened() -> None:
    """None lost is a count of zero once one was opened; without any it is nothing seen."""
    lost = objective("ws_disconnects{scenario:feed}", "count==0")
    some = [frame(0, 0, [counted(ITERATIONS, 5)])]
    ends = Series(id=9, kind=SeriesKind.COUNTER, metric="ws_disconnects", tags={"scenario": "feed"})
    opened = {0: series() | {9: ends}}
    assert measure(lost, some, opened, [0]).seen
    assert not measure(lost, some, BOTH, [0]).seen
    assert not measure(lost, [], opened, [0]).seen
    broken = [frame(0, 0, [counted(9, 2)])]
    assert measure(lost, broken, opened, [0]).cells[0].count == 2


def test_overflow_hides_samples() -> None:
    """Once a tag has overflowed, a value of it may be anywhere."""
    named = objective("http_req_duration{name:GET /feed}", "p(95)<300")
    known = series()
    operation = known[FEED_OPERATION]
    other = type(operation)(
        id=9, kind=operation.kind, metric="http_req", tags={"scenario": "feed", "name": "other"}
    )
    assert not measure(named, frames(), BOTH, [1]).hidden
    assert measure(named, frames(), {0: known | {9: other}}, [1]).hidden
    unnamed = objective("http_req_duration{scenario:feed}", "p(95)<300")
    assert not measure(unnamed, frames(), {0: known | {9: other}}, [1]).hidden


def test_no_answer_with_a_status_is_an_answer() -> None:
    """Zero of a status is known where there were requests, and unknown where there were none."""
    rare = objective("http_reqs{status:429}", "count==0")
    some = [frame(0, 0, [counted(FEED_OPERATION, 3)])]
    found = measure(rare, some, BOTH, [0])
    assert found.seen
    assert sum(cell.count for cell in found.cells.values()) == 0
    assert not measure(rare, [], BOTH, [0]).seen
