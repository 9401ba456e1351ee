"""The counter checker against a naive reading of Jepsen's bounds."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.histories import Op, run_check, value_of
from tests.property.checks.services import OUTCOMES, effects, happen

from stormproof.checks.counters import check_counters
from stormproof.model.history import Function, Step

KEYS = ("likes", "stock")
CHANGES = st.tuples(
    st.just(Function.INCREMENT),
    st.sampled_from(KEYS),
    st.sampled_from([1, 2, -1, 5]),
    st.sampled_from(OUTCOMES),
)
READS = st.tuples(st.just(Function.READ), st.sampled_from(KEYS), st.just(0), st.just(Step.OK))
STARTS = {"likes": 0, "stock": 40}
LATER = 10  # all instants are moved by this, so that first reads fit before


def _with_ends(ops: list[Op], last: dict[str, int]) -> list[Op]:
    """Move operations and put reads of all counters before the first and after the last."""
    for op in ops:
        op.began += LATER
        op.ended += LATER if op.ended else 0
    end = 10 * max(max(op.began, op.ended) for op in ops)
    for key in KEYS:
        for began, value in ((1, STARTS[key]), (end, last[key])):
            read = Op(function=Function.READ, key=key, value=value, began=began, ended=began + 1)
            ops.append(read)
    return ops


def _off(ops: list[Op]) -> int:
    """Count the reads that no choice of unknown and concurrent changes explains, one by one."""
    off = 0
    for read in (op for op in ops if op.function is Function.READ):
        changes = [
            op
            for op in ops
            if op.function is Function.INCREMENT
            and op.key == read.key
            and op.step is not Step.REFUSED
            and op.began <= read.ended
        ]
        sums = {STARTS[read.key]}
        for op in changes:
            is_due = op.step is Step.OK and op.ended < read.began
            taken = {total + op.value for total in sums}
            sums = taken if is_due else sums | taken
        off += not min(sums) <= read.value <= max(sums)
    return off


@given(effects(st.one_of(CHANGES, CHANGES, READS)), st.lists(st.integers(-3, 50), min_size=16))
def test_reads_are_off_as_often_as_the_definition_says(made: Any, values: list[int]) -> None:
    """Whatever is read, as many reads are off as a naive sum over all changes finds."""
    ops = [op for _, op in made]
    for op, value in zip(ops, values, strict=False):
        if op.function is Function.READ:
            op.value = value
    ops = _with_ends(ops, {"likes": values[-1], "stock": values[-2]})
    if not any(op.function is Function.INCREMENT for op in ops):
        return
    changed = {op.key for op in ops if op.function is Function.INCREMENT}
    ops = [op for op in ops if op.key in changed]
    outcome = run_check(check_counters, ops, "counter_off: count==0")
    assert sum(one.count for one in outcome.findings if one.kind == "counter-off") == _off(ops)


@given(effects(st.one_of(CHANGES, CHANGES, READS)), st.booleans())
def test_a_sound_counter_is_never_accused_and_a_lost_update_is(made: Any, loses: bool) -> None:
    """Changes of unknown outcome explain what they can; one acknowledged and forgotten is found."""
    state = dict(STARTS)
    sure = [op for _, op in made if op.function is Function.INCREMENT and op.step is Step.OK]
    unsure = any(op.step is Step.UNKNOWN for _, op in made if op.function is Function.INCREMENT)
    forgotten = sure[0] if loses and sure and not unsure else None

    def apply(op: Op) -> None:
        if op.function is Function.READ:
            op.value = state[op.key]
        elif op is not forgotten:
            state[op.key] += op.value

    ops = _with_ends(happen(made, apply), state)
    outcome = run_check(check_counters, ops)
    found = [one for one in outcome.findings if one.kind == "counter-off"]
    assert bool(found) is (forgotten is not None)
    if found:
        assert (value_of(outcome, "counter_off") or 0) >= 1
