"""The checker of what is stored against a naive reading of its definitions."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from tests.final_reads import READ_AT, add, final_look, run_looks
from tests.histories import Op, value_of

from stormproof.checks.stored import check_stored
from stormproof.model.history import Function, Step

VALUES = st.integers(0, 4)
STEPS = st.sampled_from([Step.OK, Step.OK, Step.REFUSED, Step.UNKNOWN])
ADDS = st.builds(add, VALUES, STEPS, began=st.integers(1, 50), ended=st.integers(51, 99))
REMOVES = st.builds(
    add,
    VALUES,
    STEPS,
    began=st.integers(80, 130),
    ended=st.integers(131, 199),
    function=st.just(Function.REMOVE),
    user=st.integers(1, 3),
)
OPS = st.lists(st.one_of(ADDS, ADDS, REMOVES), min_size=1, max_size=12)
LATE = st.builds(add, VALUES, began=st.integers(READ_AT - 9, READ_AT), ended=st.just(READ_AT + 9))
ROWS = st.lists(VALUES, max_size=6)


def is_owed(value: int, ops: list[Op]) -> bool:
    """Say whether a value was acknowledged for good before the read."""
    own = [op for op in ops if op.value == value and op.step is not Step.REFUSED]
    adds = [op for op in own if op.function is Function.ADD]
    return len(adds) == len(own) and any(op.step is Step.OK and op.ended < READ_AT for op in adds)


def fate(value: int, ops: list[Op], rows: Counter[int], before: set[int]) -> set[str]:
    """Say what became of one value, by the definitions."""
    adds = [op for op in ops if op.value == value and op.function is Function.ADD]
    removes = [
        op
        for op in ops
        if op.value == value and op.function is Function.REMOVE and op.step is not Step.REFUSED
    ]
    maybe = [op for op in adds if op.step is not Step.REFUSED]
    is_new = value in rows and value not in before
    ended = max((2**63 if op.step is Step.UNKNOWN else op.ended for op in maybe), default=0)
    is_gone = any(op.step is Step.OK and op.began > ended and op.ended < READ_AT for op in removes)
    fates = set()
    if is_owed(value, ops) and value not in rows:
        fates.add("stored_lost")
    if is_new and adds and not maybe:
        fates.add("stored_refused")
    if is_new and (not adds or (maybe and is_gone)):
        fates.add("stored_surplus")
    if is_new and rows[value] > 1:
        fates.add("stored_repeated")
    return fates


@given(OPS, st.lists(LATE, max_size=2), ROWS, ROWS)
def test_every_element_has_the_fate_that_it_should(
    early: list[Op], late: list[Op], rows: list[int], before: list[int]
) -> None:
    """Whatever was told and whatever was read, the counts are those of the definitions, or the
    read is undecided because nothing was owed, nothing of it could be matched, or all that was
    owed had been there before."""
    ops = [*early, *late]
    outcome = run_looks(check_stored, [final_look(rows, before, of="chat")], ops)
    fates = [fate(value, ops, Counter(rows), set(before)) for value in range(5)]
    owed = {value for value in range(5) if is_owed(value, ops)}
    is_matched = {op.value for op in ops if op.function is Function.ADD} & set(rows)
    is_strange = not is_matched and bool(Counter(rows) - Counter(before))
    is_shown = owed & (set(Counter(rows) - Counter(before)) | set(range(5)) - set(rows))
    for metric in ("stored_lost", "stored_refused", "stored_surplus", "stored_repeated"):
        is_known = owed and not is_strange and (metric != "stored_lost" or is_shown)
        expected = float(sum(metric in one for one in fates))
        assert value_of(outcome, metric) == (expected if is_known else None)
