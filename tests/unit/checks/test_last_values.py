"""What a key is left with: values that were written twice, increments, and what was never made."""

from __future__ import annotations

from typing import Any

import pytest
from tests.histories import Op, run_check, value_of

from stormproof.checks.outcome import Measurement
from stormproof.checks.reconcile import check_final_reads
from stormproof.checks.sessions import check_monotonic, check_own_writes, check_staleness
from stormproof.model.history import Function, Step

ASKED = "final_off: count==0"


def _op(function: Function, value: Any, *span: int, key: str = "k", **more: Any) -> Op:
    return Op(function=function, key=key, value=value, began=span[0], ended=span[-1], **more)


def _write(value: Any, *span: int, **more: Any) -> Op:
    return _op(Function.WRITE, value, *span, **more)


def _read(value: Any, *span: int, **more: Any) -> Op:
    return _op(Function.READ, value, *span, **more)


TOGGLED = [_write("on", 1, 2), _write("off", 3, 4), _write("on", 5, 6)]


@pytest.mark.parametrize(
    ("ops", "off"),
    [
        pytest.param([*TOGGLED, _read("on", 7, 8)], 0, id="written twice, and left"),
        pytest.param(
            [*TOGGLED, _read("off", 7, 8), _read("on", 9, 10)], 0, id="an earlier read was stale"
        ),
        pytest.param([*TOGGLED, _read("off", 7, 8)], 1, id="overwritten by the second of two"),
        pytest.param(
            [*TOGGLED, _write("none", 9, 10), _read("on", 11, 12)], 1, id="both were overwritten"
        ),
        pytest.param(
            [*TOGGLED, _write("none", 5, 7), _read("on", 11, 12)],
            0,
            id="one of two went on at once",
        ),
        pytest.param(
            [*TOGGLED, _write("off", 5, 0, step=Step.UNKNOWN), _read("off", 7, 8)],
            0,
            id="an unknown one may have come last",
        ),
        pytest.param([*TOGGLED, _read("new", 7, 8)], 1, id="what nobody wrote"),
        pytest.param([_read("on", 0, 1), _write("on", 2, 3), _read("on", 7, 8)], 0, id="as before"),
    ],
)
def test_the_last_read_itself_is_judged(ops: list[Op], off: int) -> None:
    """However often a value was written, the last read alone says what is left, at its instant."""
    outcome = run_check(check_final_reads, ops, ASKED)
    assert value_of(outcome, "final_off") == off
    assert [one.kind for one in outcome.findings] == ["final-off"] * off
    assert outcome.measured["final_off", ""].samples == 1


@pytest.mark.parametrize("function", [Function.WRITE, Function.ADD])
def test_a_key_of_which_nothing_was_acknowledged_is_no_evidence(function: Function) -> None:
    """What may have happened or not leaves no read that could have been wrong."""
    read = _op(Function.READ_SET, [], 7, 8) if function is Function.ADD else _read(1, 7, 8)
    unknown = [_op(function, 1, 1, 2, step=Step.UNKNOWN), read]
    measured = run_check(check_final_reads, unknown, ASKED).measured["final_off", ""]
    assert (measured.value, measured.samples) == (None, 0)
    assert measured.why == "no change of anything that was read had been acknowledged"
    assert measured.remedy


RAISED = [_op(Function.INCREMENT, 1, 3, 4, key="r"), _read(6, 5, 6, key="r", user=2)]
RAISED = [_write(5, 1, 2, key="r"), *RAISED, _read(5, 7, 8, key="r", user=2)]
PLAIN = [_write(1, 1, 2), _read(1, 3, 4), _read(1, 5, 6)]
PROMISES = {
    "reads_not_own_writes": check_own_writes,
    "reads_not_monotonic": check_monotonic,
    "reads_stale": check_staleness,
    "reads_stale_s": check_staleness,
    "final_off": check_final_reads,
}


def _bar(metric: str) -> str:
    return "max<=0" if metric.endswith("_s") else "count==0"


def _measured(metric: str, ops: list[Op]) -> Measurement:
    return run_check(PROMISES[metric], ops, f"{metric}: {_bar(metric)}").measured[metric, ""]


@pytest.mark.parametrize("metric", PROMISES)
def test_a_key_that_was_raised_as_well_leaves_a_promise_undecided(metric: str) -> None:
    """What nobody judges is said, and no pass; that an increment was refused takes nothing away."""
    assert _measured(metric, PLAIN).value == 0.0
    left = _measured(metric, [*PLAIN, *RAISED])
    assert (left.value, left.samples) == (None, 0)
    assert left.why.startswith(
        "1 key incremented as well as written, which tells no versions apart"
    )
    assert "register_nonlinearizable" in left.remedy
    searched = ("register_nonlinearizable: count==0", f"{metric}: {_bar(metric)}")
    answered = run_check(PROMISES[metric], [*PLAIN, *RAISED], *searched)
    assert value_of(answered, metric) == 0.0
    refused = _op(Function.INCREMENT, 1, 3, 4, step=Step.REFUSED)
    assert _measured(metric, [*PLAIN, refused]).value == 0.0
    unread = [_write(5, 1, 2, key="r"), _op(Function.INCREMENT, 1, 3, 4, key="r")]
    if metric != "final_off":
        assert _measured(metric, [*PLAIN, *unread]).value == 0.0


@pytest.mark.parametrize("metric", ["reads_not_own_writes", "reads_stale", "final_off"])
def test_a_key_that_was_raised_as_well_hides_no_breach(metric: str) -> None:
    """What is wrong with another key is wrong all the same."""
    broken = [*PLAIN, _write(2, 7, 8), _read(1, 9, 10), *RAISED]
    assert _measured(metric, broken).value == 1.0
