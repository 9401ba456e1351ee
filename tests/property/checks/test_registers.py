"""The register checker against trying every order."""

from __future__ import annotations

from itertools import permutations
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from tests.histories import Op, run_check, value_of
from tests.property.checks.services import OUTCOMES, crowded, effects, happen

from stormproof.checks import register_blocks, register_large, registers
from stormproof.checks.history import Told
from stormproof.checks.linearize import Budget, contradiction_in
from stormproof.checks.outcome import Outcome
from stormproof.checks.register_blocks import blocks_of
from stormproof.checks.register_sweep import relevant
from stormproof.checks.registers import Broken, check_registers, finding_of
from stormproof.model.history import Function, Step

ASKED = "register_nonlinearizable: count==0"
VALUES = st.sampled_from([0, 1, 2])
CHANGED = [Function.WRITE, Function.WRITE, Function.READ, Function.CAS]
WRITES = st.tuples(st.just(Function.WRITE), st.just("r"), VALUES, st.sampled_from(OUTCOMES))
SWAPS = st.tuples(st.just(Function.CAS), st.just("r"), VALUES, st.sampled_from(OUTCOMES))
READS = st.tuples(st.just(Function.READ), st.just("r"), VALUES, st.just(Step.OK))


def _apply(state: Any, op: Op) -> tuple[bool, Any]:
    """Return whether an operation may happen in a state (None: any), and what it leaves."""
    if op.function is Function.WRITE:
        return True, op.value
    wanted = op.value if op.function is Function.READ else op.other
    return state is None or state == wanted, op.value


def _has_order(ops: list[Op]) -> bool:
    """Try every order of every choice of the unknown operations, however long it takes."""
    ops = [op for op in ops if op.step is not Step.REFUSED]
    for order in permutations(ops):
        for length in range(len(order) + 1):
            taken, left = order[:length], order[length:]
            if all(op.step is Step.UNKNOWN for op in left) and _is_order(taken):
                return True
    return False


def _is_order(order: tuple[Op, ...]) -> bool:
    state = None
    for place, op in enumerate(order):
        if any(one.step is Step.OK and one.ended < op.began for one in order[place + 1 :]):
            return False
        fits, state = _apply(state, op)
        if not fits:
            return False
    return True


def _is_observed(ops: list[Op]) -> bool:
    """Return whether anything says what a key was after a change that was acknowledged."""
    made = [op for op in ops if op.step is Step.OK]
    changes = [op for op in made if op.function is not Function.READ]
    looks = [op for op in made if op.function is not Function.WRITE]
    return any(change.ended < look.began for change in changes for look in looks)


def _expected(ops: list[Op]) -> bool | None:
    """Return whether a key is broken; None where nothing could have shown it."""
    if not _has_order(ops):
        return True
    return False if _is_observed(ops) else None


@given(effects(st.one_of(WRITES, SWAPS, READS, READS), 5), st.lists(VALUES, min_size=5))
def test_keys_without_an_order_are_found_and_no_others(made: Any, expected: list[int]) -> None:
    """Whatever was read and written, the answer is that of trying all orders."""
    ops = [op for _, op in made]
    for op, value in zip(ops, expected, strict=False):
        op.other = value
    if not any(op.function in (Function.WRITE, Function.CAS) for op in ops):
        return
    writers = [op for op in ops if op.function is not Function.READ]
    if all(op.step is Step.REFUSED for op in writers):
        return
    off = value_of(run_check(check_registers, ops, ASKED), "register_nonlinearizable")
    assert off == _expected(ops)


@given(effects(st.one_of(WRITES, SWAPS, READS, READS), 40), st.lists(VALUES, min_size=40))
def test_a_sound_register_is_never_accused(made: Any, expected: list[int]) -> None:
    """With many at once, late answers and lost ones, a register that is one is not accused."""
    state = [0]

    def apply(op: Op) -> None:
        if op.function is Function.READ:
            op.value = state[0]
        elif op.function is Function.WRITE or op.other == state[0]:
            state[0] = op.value
        elif op.step is Step.OK:
            op.step = Step.REFUSED

    for (_, op), value in zip(made, expected, strict=False):
        op.other = value
    ops = happen(made, apply)
    outcome = run_check(check_registers, ops, ASKED)
    assert outcome.findings == []
    expected_value = 0.0 if _is_observed(ops) else None
    assert value_of(outcome, "register_nonlinearizable") == expected_value


@given(crowded(CHANGED, 6, st.integers(0, 3), "r"))
def test_instants_that_are_equal_are_at_once(ops: list[Op]) -> None:
    """Of operations one of which begins as the other ends, either may have come first."""
    if not any(op.function is not Function.READ and op.step is not Step.REFUSED for op in ops):
        return
    off = value_of(run_check(check_registers, ops, ASKED), "register_nonlinearizable")
    assert off == _expected(ops)


def _searched(told: Told) -> Outcome:
    """Search each key as a whole, without a sweep."""
    found = Broken()
    for block in blocks_of(told.history, raised=True):
        rows = relevant(block.rows, block.is_raised)
        for index, key in enumerate(block.keys.tolist()):
            one = contradiction_in(rows.where(rows.of_key == index), Budget(steps=10**9))
            if one is not None:
                found.add(key, 0, one)
    return Outcome(findings=[finding_of(found, told)] if found.broken else [])


@given(
    st.one_of(
        crowded(CHANGED, 16, st.integers(0, 3), "a", "b", "c"),
        crowded(CHANGED, 16, st.integers(0, 10), "a", "b"),
        crowded(CHANGED, 9, st.integers(0, 5), "a"),
    ),
    st.sampled_from([1, 5, 1 << 18]),
    st.sampled_from([0, register_large.LARGE]),
)
def test_what_is_told_is_what_a_search_of_whole_keys_tells(
    ops: list[Op], together: int, large: int
) -> None:
    """Keys, operations and values are those of the search alone, however keys share blocks, and
    whether those of one key are looked at some values at a time."""
    with (
        mock.patch.object(register_blocks, "TOGETHER", together),
        mock.patch.object(registers, "LARGE", large),
    ):
        swept = run_check(check_registers, ops, ASKED)
    assert swept.findings == run_check(_searched, ops).findings
