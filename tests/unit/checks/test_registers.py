"""The corners of registers, one by one."""

from __future__ import annotations

import pytest
from tests.histories import Op, run_check, segments_of, value_of

from stormproof.checks import linearize, registers
from stormproof.checks.history import read_history
from stormproof.checks.linearize import Budget, Operation, OverBudget, contradiction_in, value_after
from stormproof.checks.outcome import Measurement
from stormproof.checks.register_blocks import Rows, blocks_of
from stormproof.checks.registers import check_registers
from stormproof.model.history import Function, Step

ASKED = "register_nonlinearizable: count==0"
Value = int | str | None


def _write(value: Value, began: int, ended: int, step: Step = Step.OK) -> Op:
    return Op(function=Function.WRITE, key="r", value=value, began=began, ended=ended, step=step)


def _read(value: Value, began: int, ended: int) -> Op:
    return Op(function=Function.READ, key="r", value=value, began=began, ended=ended)


def _swap(expected: Value, value: Value, began: int, ended: int, step: Step = Step.OK) -> Op:
    return Op(
        function=Function.CAS,
        key="r",
        value=value,
        other=expected,
        began=began,
        ended=ended,
        step=step,
    )


@pytest.mark.parametrize(
    ("ops", "off"),
    [
        pytest.param([_write(1, 1, 2), _read(1, 3, 4)], 0, id="what was written"),
        pytest.param([_read(7, 1, 2), _write(1, 3, 4), _read(1, 5, 6)], 0, id="any first value"),
        pytest.param([_write(1, 1, 2), _write(2, 3, 4), _read(1, 5, 6)], 1, id="a stale read"),
        pytest.param([_write(1, 1, 9), _read(1, 2, 3), _read(0, 4, 5)], 1, id="back in time"),
        pytest.param(
            [_write(1, 1, 9), _read(0, 2, 3), _read(1, 4, 5), _read(1, 10, 11)], 0, id="at once"
        ),
        pytest.param(
            [_write(1, 1, 2), _write(2, 3, 4, Step.UNKNOWN), _read(1, 5, 6), _read(2, 7, 8)],
            0,
            id="unknown lands late",
        ),
        pytest.param(
            [_write(1, 1, 2), _write(2, 3, 0, Step.UNKNOWN), _read(2, 5, 6), _read(1, 7, 8)],
            1,
            id="unknown lands once",
        ),
        pytest.param(
            [_write(1, 1, 2), _write(2, 3, 4, Step.REFUSED), _read(2, 5, 6)], 1, id="refused, seen"
        ),
        pytest.param([_write(1, 1, 2), _swap(1, 2, 3, 4), _read(2, 5, 6)], 0, id="a swap"),
        pytest.param([_write(1, 1, 2), _swap(3, 2, 3, 4)], 1, id="a swap from what it was not"),
        pytest.param(
            [_write(1, 1, 2), _swap(1, 2, 3, 9), _swap(1, 3, 4, 8)], 1, id="two swaps from one"
        ),
        pytest.param(
            [_write(1, 1, 2), _swap(3, 2, 3, 4, Step.UNKNOWN), _read(1, 5, 6)], 0, id="missed swap"
        ),
        pytest.param([_write(None, 1, 2), _read("x", 3, 4)], 1, id="absent is a value"),
        pytest.param([_swap(None, 2, 1, 2), _swap(None, 3, 3, 4)], 1, id="made only once"),
    ],
)
def test_histories_with_and_without_an_order(ops: list[Op], off: int) -> None:
    """Each published corner has the answer that it is published with."""
    outcome = run_check(check_registers, ops, ASKED)
    assert value_of(outcome, "register_nonlinearizable") == off
    assert [one.kind for one in outcome.findings] == ["register-nonlinearizable"] * off


def test_the_operation_that_no_order_explains_is_told() -> None:
    """The finding names what was done by whom, and what the key may have been."""
    ops = [_write(1, 1, 2), _write(2, 3, 4), _read(1, 5, 6)]
    (finding,) = run_check(check_registers, ops, ASKED).findings
    assert finding.witnesses[0].what.endswith(
        ": read as 1 by user 1 between 0.000 s and 0.000 s, when it may have been 2"
    )


def test_too_much_at_once_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work is bounded; what would take more is no pass and no failure."""
    monkeypatch.setattr(linearize, "LINEARIZED_CONFIGURATIONS_MAX", 50)
    ops = [_write(value % 11, 1, 100) for value in range(12)] + [_read(5, 50, 99)]
    measured = run_check(check_registers, ops, ASKED).measured["register_nonlinearizable", ""]
    assert measured.value is None
    assert measured.why.startswith("1 key with too much at once")


def _crowd(unknown: int) -> Rows:
    """Return what is left of a key with unknown comparisons that all read values name."""
    ops = [_swap(one % 7, one % 7 + 1, 1 + one, 0, Step.UNKNOWN) for one in range(unknown)]
    ops += [
        _write(0, 1, 2),
        _read(5, unknown + 2, unknown + 9),
        _read(9, unknown + 12, unknown + 19),
    ]
    (block,) = blocks_of(read_history(segments_of(ops), whole=True), raised=True)
    return block.rows


@pytest.mark.parametrize(
    ("steps", "kept"), [pytest.param(50, 10**9, id="work"), pytest.param(10**9, 50, id="memory")]
)
def test_unknown_changes_do_not_carry_a_search_over_its_bounds(
    monkeypatch: pytest.MonkeyPatch, steps: int, kept: int
) -> None:
    """However many are under way, the bound is felt at the first that is too much."""
    monkeypatch.setattr(linearize, "LINEARIZED_CONFIGURATIONS_MAX", kept)
    budget, tried = Budget(steps=steps), list[Operation]()

    def tell(value: int, one: Operation) -> int | None:
        tried.append(one)
        return value_after(value, one)

    monkeypatch.setattr(linearize, "value_after", tell)
    with pytest.raises(OverBudget):
        contradiction_in(_crowd(3_000), budget)
    assert len(tried) < 1_000


def test_more_under_way_than_can_be_tried_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is left without an answer fills no memory, and is told so."""
    monkeypatch.setattr(linearize, "LINEARIZED_UNDER_WAY_MAX", 20)
    few = [_swap(one, one + 1, 5 + one, 0, Step.UNKNOWN) for one in range(15)]
    many = [_swap(one, one + 1, 5 + one, 0, Step.UNKNOWN) for one in range(25)]
    ends = [_write(0, 1, 2), _read(0, 100, 110), _read(1, 120, 130)]
    assert _measured([*few, *ends]).value == 0.0
    assert _measured([*many, *ends]).why.startswith("1 key with too much at once")


def test_only_what_is_under_way_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long history some operations are made of its rows at a time, in whatever portions."""
    ops = [_write(one % 3, 2 * one, 2 * one + 3) for one in range(50)]
    ops += [_read(one % 3, 2 * one + 2, 2 * one + 4) for one in range(50)]
    for broken in ([], [_read(7, 200, 210)]):
        told = [_measured([*ops, *broken]).value]
        for together in (1, 7):
            monkeypatch.setattr(linearize, "TOGETHER", together)
            told.append(_measured([*ops, *broken]).value)
        assert told == [float(bool(broken))] * 3


def test_a_record_that_was_cut_off_accuses_nobody() -> None:
    """The write that explains a read may be in the part that is missing."""
    ops = [_write(1, 1, 2), _read(9, 3, 4)]
    outcome = run_check(check_registers, ops, ASKED, whole=False)
    assert outcome.findings == []
    assert "cut off" in outcome.measured["register_nonlinearizable", ""].why


def _measured(ops: list[Op], asked: str = ASKED) -> Measurement:
    return run_check(check_registers, ops, asked).measured["register_nonlinearizable", ""]


def test_writes_alone_are_no_evidence() -> None:
    """A key that nobody read says nothing of reads; samples are what was read or compared."""
    writes = [_write(1, 1, 2), _write(2, 3, 4), _swap(2, 3, 5, 6, Step.UNKNOWN)]
    unread = _measured(writes)
    assert (unread.value, unread.samples) == (None, 0)
    assert "nothing was observed" in unread.why
    seen = _measured([*writes, _read(2, 7, 8), _swap(2, 3, 9, 10)])
    assert (seen.value, seen.samples, seen.why) == (0.0, 2, "")


def test_what_was_read_before_any_acknowledged_change_is_no_evidence() -> None:
    """Whatever a key held at first is right, so that such reads, however many, fill no floor."""
    early = [_read(0, at, at + 1) for at in range(1, 40, 2)] + [_swap(0, 1, 50, 60)]
    told = _measured([*early, _read(1, 55, 65), _write(2, 70, 80, Step.UNKNOWN)])
    assert (told.value, told.samples) == (None, 0)
    assert "after a change had been acknowledged" in told.why
    late = _measured([*early, _read(1, 61, 62), _swap(1, 3, 63, 64)])
    assert (late.value, late.samples, late.why) == (0.0, 2, "")
    raised = Op(function=Function.INCREMENT, key="r", value=1, began=66, ended=67)
    assert _measured([_write(0, 68, 0, Step.UNKNOWN), raised, _read(1, 69, 70)]).samples == 1


def _raise(began: int, ended: int, step: Step = Step.OK) -> Op:
    return Op(function=Function.INCREMENT, key="r", value=2, began=began, ended=ended, step=step)


@pytest.mark.parametrize(
    ("ops", "off"),
    [
        pytest.param([_write(None, 1, 2), _raise(3, 4), _read(2, 5, 6)], 0, id="counts from 0"),
        pytest.param([_write(None, 1, 2), _raise(3, 4), _read(7, 5, 6)], 1, id="from nothing else"),
        pytest.param([_write(None, 1, 2), _raise(3, 4), _read(None, 5, 6)], 1, id="nothing came"),
        pytest.param(
            [_write(None, 1, 2), _raise(3, 0, Step.UNKNOWN), _read(None, 5, 6), _read(2, 7, 8)],
            0,
            id="came late",
        ),
        pytest.param(
            [_raise(1, 2), _read(9, 3, 4), _write(1, 5, 6), _read(1, 7, 8)], 0, id="a free start"
        ),
        pytest.param(
            [_raise(1, 2), _read(None, 3, 4), _write(1, 5, 6), _read(1, 7, 8)],
            1,
            id="a free start is something once it was raised",
        ),
        pytest.param(
            [_raise(1, 2), _raise(3, 4), _swap(None, 1, 5, 6)], 1, id="nor is it set from nothing"
        ),
        pytest.param([_write(-1, 1, 2), _raise(3, 4), _read(1, 5, 6)], 0, id="below zero"),
    ],
)
def test_an_increment_of_nothing_counts_from_zero(ops: list[Op], off: int) -> None:
    """What is absent is 0 to an increment; what a key held at first is free, and then raised."""
    assert _measured(ops).value == off


def test_what_the_bar_bears_is_not_held_against_the_target() -> None:
    """One broken key is a number under `count<5`, and a finding under `count==0`."""
    ops = [_write(1, 1, 2), _write(2, 3, 4), _read(1, 5, 6)]
    borne = run_check(check_registers, ops, "register_nonlinearizable: count<5")
    assert borne.findings == []
    assert value_of(borne, "register_nonlinearizable") == 1.0
    assert run_check(check_registers, ops, ASKED).findings


@pytest.mark.parametrize("readers", [12, 20, 200])
@pytest.mark.parametrize(("last", "off"), [(2, 0.0), (1, 1.0)])
def test_many_readers_at_once_are_decided(readers: int, last: int, off: float) -> None:
    """Readers around a write, half of the old value and half of the new, are ordinary work."""
    ops = [_write(1, 1, 2), _write(2, 10, 500)]
    ops += [_read(1 + one % 2, 5 + one, 300 + one) for one in range(readers)]
    ops += [_read(2, 600, 700), _read(last, 701, 800)]
    assert _measured(ops).value == off


def _hard(key: str) -> list[Op]:
    ops = [_write(value % 15, 1, 100) for value in range(16)]
    ops += [_read(5, 50, 99), _read(99, 101, 102)]
    for op in ops:
        op.key = key
    return ops


def test_one_hard_key_leaves_the_others_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that takes all it may get takes nothing of the others: a broken one is still found."""
    monkeypatch.setattr(registers, "LINEARIZED_STEPS_MAX", 2_000)
    broken = [_write(1, 1, 2), _write(2, 3, 4), _read(1, 5, 6)]
    for key in "abcdefgh":
        ops = [*_hard(key), *broken]
        assert _measured(ops).value == 1.0
        why = _measured(ops, "register_nonlinearizable: count<5").why
        assert why.startswith("1 key with too much at once")


def test_a_hard_key_has_what_the_others_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few operations that need much are decided beside many that need little."""
    easy = [_read(1, 2 * at, 2 * at + 1) for at in range(2_000)] + [_write(1, 1, 2)]
    for op in easy:
        op.key = "easy"
    hard = [_write(value % 6, 1, 100) for value in range(7)] + [_read(5, 50, 99)]
    monkeypatch.setattr(registers, "LINEARIZED_STEPS_MAX", 6_000)
    assert _measured([*easy, *hard]).value == 0.0
