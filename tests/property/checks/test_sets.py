"""The set checker against a naive reading of set-full's definitions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.histories import Op, run_check, value_of
from tests.property.checks.services import OUTCOMES, effects, happen

from stormproof.checks import set_timeline
from stormproof.checks.sets import check_sets
from stormproof.model.history import Function, Step

KEYS, VALUES = ("a", "b"), range(2)
ADDS = st.tuples(
    st.just(Function.ADD), st.sampled_from(KEYS), st.sampled_from(VALUES), st.sampled_from(OUTCOMES)
)
REMOVES = st.tuples(
    st.just(Function.REMOVE),
    st.sampled_from(KEYS),
    st.sampled_from(VALUES),
    st.sampled_from(OUTCOMES),
)
READS: st.SearchStrategy[tuple[Function, str, Any, Step]] = st.tuples(
    st.just(Function.READ_SET), st.sampled_from(KEYS), st.just([]), st.just(Step.OK)
)
# What reads may hold beside what is there: a value nobody adds, and the same twice.
CONTENTS = st.lists(st.integers(0, 2), max_size=4)
ASKED = ("set_stale: count==0", "set_unexpected: count==0", "set_repeated: count==0")


@dataclass
class Oracle:
    """What set-full says, by its definitions."""

    ops: list[Op]

    def counts(self) -> dict[str, int]:
        """Return how many elements have each fate."""
        found = dict.fromkeys(("lost", "stale", "refused", "unread"), 0)
        pairs = {(op.key, op.value) for op in self.ops if op.function is Function.ADD}
        for key, value in pairs:
            for fate in self.fates(key, value):
                found[fate] += 1
        return found

    def fates(self, key: str, value: Any) -> set[str]:
        """Return what became of one element."""
        mine = [op for op in self.ops if op.key == key]
        adds = [op for op in mine if op.function is Function.ADD and op.value == value]
        reads = [op for op in mine if op.function is Function.READ_SET]
        holding = [op for op in reads if value in op.value]
        removes = [
            op.began
            for op in mine
            if op.function is Function.REMOVE and op.value == value and op.step is not Step.REFUSED
        ]
        judged = takewhile(
            lambda op: op.ended < min(removes, default=op.ended + 1),
            sorted(reads, key=lambda op: op.began),
        )
        missing = [op for op in judged if value not in op.value]
        added = [op.ended for op in adds if op.step is Step.OK]
        known = min([*added, *(op.ended for op in holding)], default=None)
        present = max((op.began for op in holding), default=-1)
        absent = max((op.began for op in missing), default=-1)
        fates = set()
        first_ns = min(op.began for op in adds)
        before = [op for op in reads if op.ended < first_ns]
        if (
            all(op.step is Step.REFUSED for op in adds)
            and before
            and not any(value in op.value for op in before)
            and present > min(op.ended for op in before)
        ):
            fates.add("refused")
        stable = bool(holding) and absent < present
        broken = known is not None and absent > known
        if broken:
            fates.add("stale" if stable else "unread" if removes else "lost")
        elif added and not stable and not removes:
            fates.add("unread")
        return fates


def _counts(ops: list[Op]) -> dict[str, int]:
    outcome = run_check(check_sets, ops, *ASKED)
    kinds = {"lost": "set-lost", "stale": "set-stale", "refused": "set-refused-seen"}
    counts = {one.kind: one.count for one in outcome.findings}
    found = {fate: counts.get(kind, 0) for fate, kind in kinds.items()}
    told = [one for one in outcome.findings if one.kind == "set-unread"]
    is_told = bool(told) and not told[0].title.startswith("no acknowledged element")
    return {**found, "unread": told[0].count if is_told else 0}


@given(
    effects(st.one_of(ADDS, ADDS, REMOVES, *[READS] * 5), 20),
    st.lists(CONTENTS, min_size=20),
    st.sampled_from([1, 3, 1 << 20]),
)
def test_fates_are_those_of_the_definitions(
    made: Any, contents: list[list[int]], together: int
) -> None:
    """Whatever reads hold, and however many are looked at together, a naive reading agrees."""
    ops = [op for _, op in made]
    for op, content in zip(ops, contents, strict=False):
        if op.function is Function.READ_SET:
            op.value = content
    if not any(op.function is Function.ADD for op in ops):
        return
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(set_timeline, "TOGETHER", together)
        assert _counts(ops) == Oracle(ops).counts()


@given(
    effects(st.one_of(ADDS, ADDS, REMOVES, READS, READS)),
    st.lists(st.sets(st.sampled_from(VALUES)), min_size=2, max_size=2),
)
def test_a_set_that_keeps_its_promises_is_never_accused(made: Any, start: list[set[int]]) -> None:
    """With late and lost answers, refusals and removals, nothing is held against a sound set,
    whatever it held at first."""
    state = dict(zip(KEYS, map(set, start), strict=True))

    def apply(op: Op) -> None:
        match op.function:
            case Function.ADD:
                state[op.key].add(op.value)
            case Function.REMOVE:
                state[op.key].discard(op.value)
            case _:
                op.value = sorted(state[op.key])

    ops = happen(made, apply)
    if any(op.function is Function.ADD for op in ops):
        counts = _counts(ops)
        assert (counts["lost"], counts["stale"], counts["refused"]) == (0, 0, 0)


@given(effects(st.one_of(ADDS, READS)), st.data())
def test_a_dropped_element_is_found_by_a_last_read(made: Any, data: st.DataObject) -> None:
    """An acknowledged element that a set forgets is lost once everything is read at the end."""
    state: dict[str, set[int]] = {key: set() for key in KEYS}
    acknowledged = {
        (op.key, op.value) for _, op in made if op.function is Function.ADD and op.step is Step.OK
    }
    if not acknowledged:
        return
    dropped = data.draw(st.sampled_from(sorted(acknowledged)))

    def apply(op: Op) -> None:
        if op.function is Function.ADD and (op.key, op.value) != dropped:
            state[op.key].add(op.value)
        elif op.function is Function.READ_SET:
            op.value = sorted(state[op.key])

    ops = happen(made, apply)
    last = 10 * max(max(op.began, op.ended) for op in ops)
    for key in KEYS:
        read = Op(function=Function.READ_SET, key=key, value=[], began=last, ended=last + 1)
        read.value = sorted(state[key])
        ops.append(read)
    outcome = run_check(check_sets, ops)
    assert value_of(outcome, "set_lost") == 1.0
    (lost,) = [one for one in outcome.findings if one.kind == "set-lost"]
    assert lost.witnesses[0].what.startswith(f"{dropped[1]} of ")
