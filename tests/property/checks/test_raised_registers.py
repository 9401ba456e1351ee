"""Registers that are incremented as well, against trying every order from every first value."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st
from tests.histories import Op, run_check, value_of
from tests.property.checks.services import crowded

from stormproof.checks.registers import check_registers
from stormproof.model.history import Function, Step

METRIC = "register_nonlinearizable"
KINDS = [Function.INCREMENT, Function.INCREMENT, Function.WRITE, Function.CAS, Function.READ]
VALUES = st.sampled_from([0, 1, 2, 3])
FIRST = (None, *range(-16, 8))  # all from which a few small steps give what is read


def _after(state: int | None, op: Op) -> tuple[bool, int | None]:
    """Return whether an operation may happen in a state, and what it leaves."""
    match op.function:
        case Function.READ:
            return op.value == state, state
        case Function.CAS:
            return op.other == state, op.value
        case Function.INCREMENT:
            return True, (state or 0) + op.value
        case _:
            return True, op.value


def _explains(state: int | None, order: tuple[Op, ...]) -> bool:
    for op in order:
        fits, state = _after(state, op)
        if not fits:
            return False
    return True


def _keeps_time(order: tuple[Op, ...]) -> bool:
    return not any(
        one.step is Step.OK and one.ended < op.began
        for place, op in enumerate(order)
        for one in order[place + 1 :]
    )


def _has_order(ops: list[Op]) -> bool:
    for order in permutations(op for op in ops if op.step is not Step.REFUSED):
        for length in range(len(order) + 1):
            taken, left = order[:length], order[length:]
            if not all(op.step is Step.UNKNOWN for op in left) or not _keeps_time(taken):
                continue
            if any(_explains(first, taken) for first in FIRST):
                return True
    return False


@given(crowded(KINDS, 5, VALUES, "r"), st.lists(st.booleans(), min_size=5, max_size=5))
def test_increments_take_part_in_an_order(ops: list[Op], absent: list[bool]) -> None:
    """What is absent counts from 0, what a key held at first is free: as every order tells."""
    for op, is_absent in zip(ops, absent, strict=False):
        if is_absent and op.function is Function.CAS:
            op.other = None
        elif is_absent and op.function is not Function.INCREMENT:
            op.value = None
    writers = (Function.WRITE, Function.CAS)
    if not any(op.function in writers and op.step is not Step.REFUSED for op in ops):
        return
    outcome = run_check(check_registers, ops, f"{METRIC}: count==0")
    if _has_order(ops):
        assert value_of(outcome, METRIC) in (0.0, None)
        assert outcome.findings == []
    else:
        assert value_of(outcome, METRIC) == 1.0
