"""The last read of a value against a naive reading of what it may be."""

from __future__ import annotations

from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from tests.histories import Op, run_check, value_of
from tests.property.checks.services import crowded

from stormproof.checks import register_blocks
from stormproof.checks.reconcile import check_final_reads
from stormproof.model.history import Function, Step

KINDS = [Function.WRITE, Function.WRITE, Function.CAS, Function.READ]


def _is_off(mine: list[Op]) -> bool | None:
    """Return whether the last read of a key gave what was overwritten; None: nothing was judged."""
    writes = [op for op in mine if op.function is not Function.READ]
    writes = [op for op in writes if op.step is not Step.REFUSED]
    made = [op for op in writes if op.step is Step.OK]
    reads = [op for op in mine if op.function is Function.READ]
    if not made or not reads:
        return None
    last = max(reads, key=lambda op: op.began)
    if last.began <= max(op.ended for op in made):
        return None
    mine = [op for op in writes if op.value == last.value]
    return not any(
        op.step is Step.UNKNOWN or not any(op.ended < other.began for other in made) for op in mine
    )


@given(crowded(KINDS, 30, st.integers(0, 3), "a", "b", "c"), st.sampled_from([1, 9, 1 << 18]))
def test_last_reads_are_judged_by_the_definition(ops: list[Op], together: int) -> None:
    """Of each key whose last read began after its changes, and of no other, the answer is told."""
    for place, op in enumerate(ops):  # no two reads at one instant: the last one is one
        late = place if op.function is Function.READ else 0
        op.began, op.ended = 100 * op.began + late, 100 * op.ended + late * bool(op.ended)
    last = 100 + max(op.ended or op.began for op in ops)
    reads = [op for op in ops if op.function is Function.READ]
    if not reads:
        return
    reads[-1].began, reads[-1].ended = last, last + 1
    answers = [_is_off([op for op in ops if op.key == key]) for key in {op.key for op in ops}]
    with mock.patch.object(register_blocks, "TOGETHER", together):
        outcome = run_check(check_final_reads, ops, "final_off: count==0")
    found = outcome.measured["final_off", ""]
    assert sum(one.count for one in outcome.findings) == answers.count(True)
    if answers.count(True):
        assert value_of(outcome, "final_off") == answers.count(True)
        assert found.samples == len(answers) - answers.count(None)
