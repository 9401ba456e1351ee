"""The corners of counters, one by one."""

from __future__ import annotations

import pytest
from tests.histories import Op, run_check, value_of

from stormproof.checks.counters import check_counters
from stormproof.model.history import Function, Step


def _by(value: int, began: int, ended: int, step: Step = Step.OK) -> Op:
    return Op(
        function=Function.INCREMENT, key="c", value=value, began=began, ended=ended, step=step
    )


def _read(value: int | str | None, began: int, ended: int) -> Op:
    return Op(function=Function.READ, key="c", value=value, began=began, ended=ended)


def _swap(value: int, began: int, ended: int, step: Step) -> Op:
    return Op(function=Function.CAS, key="c", value=value, began=began, ended=ended, step=step)


FIRST = _read(10, 1, 2)


@pytest.mark.parametrize(
    ("ops", "off"),
    [
        pytest.param([_by(1, 3, 4), _read(11, 5, 6)], 0, id="all that is due"),
        pytest.param([_by(1, 3, 4), _read(10, 5, 6)], 1, id="a lost update"),
        pytest.param([_by(1, 3, 4), _read(12, 5, 6)], 1, id="counted twice"),
        pytest.param([_by(1, 3, 8), _read(10, 5, 6), _read(11, 9, 10)], 0, id="under way: not yet"),
        pytest.param([_by(1, 3, 8), _read(11, 5, 6), _read(11, 9, 10)], 0, id="under way: already"),
        pytest.param(
            [_by(1, 3, 4, Step.UNKNOWN), _by(1, 3, 4), _read(12, 8, 9)], 0, id="unknown lands"
        ),
        pytest.param(
            [_by(1, 3, 0, Step.UNKNOWN), _by(1, 3, 4), _read(11, 8, 9)], 0, id="unknown does not"
        ),
        pytest.param(
            [_by(1, 3, 4, Step.REFUSED), _by(1, 3, 4), _read(12, 8, 9)], 1, id="refused and made"
        ),
        pytest.param(
            [_by(1, 3, 4), _swap(7, 5, 6, Step.REFUSED), _read(99, 7, 8)], 1, id="a refused write"
        ),
        pytest.param([_by(-4, 3, 4), _read(6, 5, 6)], 0, id="lowered"),
        pytest.param([_by(-4, 3, 4), _read(10, 5, 6)], 1, id="a lowering lost"),
        pytest.param([_by(-4, 3, 8), _by(1, 3, 4), _read(7, 5, 6), _read(7, 9, 10)], 0, id="mixed"),
    ],
)
def test_a_read_is_held_against_the_changes_around_it(ops: list[Op], off: int) -> None:
    """What must be in a read, what may be, and what must not."""
    outcome = run_check(check_counters, [FIRST, *ops])
    assert value_of(outcome, "counter_off") == off
    assert [one.kind for one in outcome.findings] == ["counter-off"] * bool(off)


def test_a_counter_that_lags_fails_a_run_only_where_it_is_asked() -> None:
    """A cache's second is for the objective to forbid; the last read is not."""
    ops = [FIRST, _by(1, 3, 4), _read(10, 5, 6), _by(1, 7, 8), _read(12, 9, 10)]
    assert run_check(check_counters, ops).findings == []
    asked = run_check(check_counters, ops, "counter_off: count==0")
    assert [one.kind for one in asked.findings] == ["counter-off"]
    assert value_of(asked, "counter_off") == 1.0


def test_what_a_read_could_have_been_is_told() -> None:
    """The finding names the counter, the reader, the instants and the bounds."""
    ops = [FIRST, _by(1, 3, 4), _by(5, 3, 0, Step.UNKNOWN), _read(9, 5, 6)]
    (finding,) = run_check(check_counters, ops).findings
    assert finding.witnesses[0].what.endswith(
        "read as 9 by user 1 between 0.000 s and 0.000 s, when 11 to 16 were due"
    )


@pytest.mark.parametrize(
    ("ops", "why"),
    [
        ([_by(1, 3, 4), _read(11, 5, 6)], "nobody knows what 1 counter started with"),
        ([_by(1, 1, 4), _read(10, 2, 3), _read(11, 5, 6)], "nobody knows what 1 counter"),
        ([FIRST, _by(1, 3, 8), _read(11, 5, 6)], "1 counter never read after the last change"),
        ([FIRST, _by(1, 3, 4), _read("eleven", 5, 6)], "1 counter never read after"),
        ([FIRST, _by(1, 3, 4), _read(None, 5, 6)], "1 counter never read after"),
        ([FIRST, _by(1, 3, 4, Step.REFUSED), _read(10, 5, 6)], "no change of a counter"),
    ],
)
def test_too_little_to_go_by_is_undecided(ops: list[Op], why: str) -> None:
    """Without a first read, a last one, or anything acknowledged, nothing off proves nothing."""
    outcome = run_check(check_counters, ops)
    assert outcome.measured["counter_off", ""].why.startswith(why)
    assert outcome.measured["counter_off", ""].remedy
    assert [one.kind for one in outcome.findings] == ["counter-unread"]


def test_a_record_that_was_cut_off_accuses_nobody() -> None:
    """The change that explains a read may be in the part that is missing."""
    outcome = run_check(check_counters, [FIRST, _by(1, 3, 4), _read(15, 5, 6)], whole=False)
    assert outcome.findings == []
    assert "cut off" in outcome.measured["counter_off", ""].why


def test_a_counter_that_is_written_as_well_is_a_register() -> None:
    """Its sums say nothing; it is left to another checker, and holds no run up."""
    write = Op(function=Function.WRITE, key="c", value=0, began=1, ended=2)
    outcome = run_check(check_counters, [write, _by(1, 3, 4), _read(99, 5, 6)])
    assert outcome.findings == []
    assert (
        outcome.measured["counter_off", ""].why
        == "every counter was written as well as incremented"
    )


def test_a_counter_that_was_written_as_well_leaves_the_question_undecided() -> None:
    """One that nobody judges is told; a search for an order, where it is asked for, judges it."""
    ops = [FIRST, _by(1, 3, 4), _read(11, 5, 6)]
    assert value_of(run_check(check_counters, ops), "counter_off") == 0.0
    both = [_swap(7, 5, 6, Step.OK), _by(1, 7, 8), _read(99, 9, 10)]
    for op in both:
        op.key = "stock"
    told = run_check(check_counters, [*ops, *both])
    assert told.findings == []
    assert "1 counter written as well as incremented" in told.measured["counter_off", ""].why
    searched = "register_nonlinearizable: count==0"
    assert value_of(run_check(check_counters, [*ops, *both], searched), "counter_off") == 0.0
    off = run_check(check_counters, [FIRST, _by(1, 3, 4), _read(10, 5, 6), *both])
    assert value_of(off, "counter_off") == 1.0


def test_reads_ahead_of_any_acknowledged_change_are_no_samples() -> None:
    """What a counter starts with is whatever they say, so that they fill no floor."""
    early = [_read(10, 1, 2) for _ in range(20)]
    ops = [*early, _by(1, 3, 0, Step.UNKNOWN), _by(1, 3, 4), _read(11, 5, 6)]
    assert run_check(check_counters, ops).measured["counter_off", ""].samples == 1
