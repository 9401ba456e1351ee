"""The corners of registers, one by one."""

from __future__ import annotations

import pytest
from tests.histories import Op, run_check, value_of

from stormproof.checks import registers
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
        pytest.param([_write(1, 1, 9), _read(0, 2, 3), _read(1, 4, 5)], 0, id="at once"),
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
    monkeypatch.setattr(registers, "LINEARIZED_CONFIGURATIONS_MAX", 50)
    ops = [_write(value, 1, 100) for value in range(12)] + [_read(5, 50, 99)]
    measured = run_check(check_registers, ops, ASKED).measured["register_nonlinearizable", ""]
    assert measured.value is None
    assert measured.why.startswith("1 key with too much at once")


def test_a_record_that_was_cut_off_accuses_nobody() -> None:
    """The write that explains a read may be in the part that is missing."""
    ops = [_write(1, 1, 2), _read(9, 3, 4)]
    outcome = run_check(check_registers, ops, ASKED, whole=False)
    assert outcome.findings == []
    assert "cut off" in outcome.measured["register_nonlinearizable", ""].why
