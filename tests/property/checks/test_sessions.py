"""What readers may rely on, against naive readings of the definitions."""

from __future__ import annotations

from itertools import product
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from tests.histories import Op, run_check
from tests.property.checks.services import crowded, effects, happen

from stormproof.checks import register_blocks, set_sessions
from stormproof.checks.sessions import check_monotonic, check_own_writes, check_staleness
from stormproof.model.history import Function, Step

VALUES = st.integers(1, 4)
OUTCOMES = st.sampled_from([Step.OK, Step.OK, Step.UNKNOWN, Step.REFUSED])
WRITES = st.tuples(st.just(Function.WRITE), st.just("r"), VALUES, OUTCOMES)
READS = st.tuples(st.just(Function.READ), st.just("r"), VALUES, st.just(Step.OK))
ADDS = st.tuples(st.just(Function.ADD), st.just("s"), st.integers(1, 3), OUTCOMES)
REMOVES = st.tuples(st.just(Function.REMOVE), st.just("s"), st.integers(1, 3), OUTCOMES)
LISTS: st.SearchStrategy[tuple[Function, str, Any, Step]] = st.tuples(
    st.just(Function.READ_SET), st.just("s"), st.just([]), st.just(Step.OK)
)
CHECKS = {
    "reads_not_own_writes": check_own_writes,
    "reads_not_monotonic": check_monotonic,
    "reads_stale": check_staleness,
}
ALWAYS = 10**9


def _found(ops: list[Op]) -> dict[str, int]:
    counts = {}
    for metric, check in CHECKS.items():
        findings = run_check(check, ops, f"{metric}: count==0").findings
        counts[metric] = sum(one.count for one in findings)
    return counts


def _span(ops: list[Op], value: Any) -> tuple[int, int] | None:
    """Return from when to when the only write of a value went; None where there are more."""
    writes = [op for op in ops if op.function is Function.WRITE and op.value == value]
    writes = [op for op in writes if op.step is not Step.REFUSED]
    if not writes:
        return (-1, -1)
    (first, *more) = writes
    reads = [op for op in ops if op.function is Function.READ and op.value == value]
    more += [op for op in reads if op.ended < first.began]  # it was there before
    return None if more else (first.began, first.ended if first.step is Step.OK else ALWAYS)


def _oracle(ops: list[Op]) -> dict[str, int]:
    reads = [op for op in ops if op.function is Function.READ and _span(ops, op.value)]
    writes = [op for op in ops if op.function is Function.WRITE and op.step is Step.OK]

    def is_older(read: Op, began: int) -> bool:
        span = _span(ops, read.value)
        return span is not None and span[1] < began

    def began_of(read: Op) -> int:
        span = _span(ops, read.value)
        return span[0] if span else -1

    later = [
        (read, write)
        for read, write in product(reads, writes)
        if write.ended < read.began and is_older(read, write.began)
    ]
    back = {
        id(read)
        for read, other in product(reads, reads)
        if other.user == read.user
        and other.ended < read.began
        and other.began > began_of(other)  # else it may have found what was there before
        and is_older(read, began_of(other))
    }
    return {
        "reads_not_own_writes": len({id(r) for r, w in later if r.user == w.user}),
        "reads_not_monotonic": len(back),
        "reads_stale": len({id(read) for read, _ in later}),
    }


@given(effects(st.one_of(WRITES, READS, READS), 20))
def test_reads_of_values_are_judged_by_the_definitions(made: Any) -> None:
    """Whatever is read, each kind of read is found as often as a naive reading finds it."""
    ops = [op for _, op in made]
    if any(op.function is Function.WRITE and op.step is not Step.REFUSED for op in ops):
        assert _found(ops) == _oracle(ops)


@given(
    crowded([Function.WRITE, Function.READ, Function.READ], 40, st.integers(0, 30), "a", "b", "c"),
    st.sampled_from([1, 9, 1 << 18]),
)
def test_instants_that_are_equal_show_nothing(ops: list[Op], together: int) -> None:
    """What ends as another begins is no earlier, in each key, however keys share blocks."""
    wanted = dict.fromkeys(CHECKS, 0)
    for key in {op.key for op in ops if op.function is Function.WRITE}:
        mine = [op for op in ops if op.key == key]
        if any(op.function is Function.WRITE and op.step is not Step.REFUSED for op in mine):
            wanted = {metric: wanted[metric] + n for metric, n in _oracle(mine).items()}
    with mock.patch.object(register_blocks, "TOGETHER", together):
        assert _found(ops) == wanted


def _set_oracle(ops: list[Op]) -> dict[str, int]:
    removed = {
        op.value for op in ops if op.function is Function.REMOVE and op.step is not Step.REFUSED
    }
    reads = [op for op in ops if op.function is Function.READ_SET]
    not_own = not_found = 0
    for read in reads:
        own = {
            op.value
            for op in ops
            if op.function is Function.ADD
            and op.step is Step.OK
            and op.user == read.user
            and op.ended < read.began
        }
        before = {
            value
            for op in reads
            if op.user == read.user and op.ended < read.began
            for value in op.value
        }
        not_own += bool(own - removed - set(read.value))
        not_found += bool(before - removed - set(read.value))
    return {"reads_not_own_writes": not_own, "reads_not_monotonic": not_found, "reads_stale": 0}


@given(
    effects(st.one_of(ADDS, REMOVES, LISTS, LISTS)),
    st.lists(st.lists(st.integers(1, 4), max_size=4), min_size=14),
)
def test_reads_of_sets_are_judged_by_the_definitions(made: Any, contents: list[list[int]]) -> None:
    """An element that its user added or had found is missed as often as a naive reading says."""
    ops = [op for _, op in made]
    for op, content in zip(ops, contents, strict=False):
        if op.function is Function.READ_SET:
            op.value = content
    assert _found(ops) == _set_oracle(ops)


@given(
    crowded(
        [Function.ADD, Function.READ_SET, Function.READ_SET, Function.REMOVE],
        30,
        st.integers(1, 5),
        "a",
        "b",
    ),
    st.lists(st.lists(st.integers(1, 5), max_size=5), min_size=30, max_size=30),
    st.sampled_from([1, 7, 1 << 20]),
)
def test_sets_that_share_portions_are_judged_apart(
    ops: list[Op], contents: list[list[int]], together: int
) -> None:
    """Each user and set by itself, elements twice in a read, and equal instants, in any portion."""
    for op, content in zip(ops, contents, strict=False):
        if op.function is Function.READ_SET:
            op.value, op.ended, op.step = content, op.ended or op.began, Step.OK
    wanted = dict.fromkeys(CHECKS, 0)
    for key in {op.key for op in ops}:
        mine = _set_oracle([op for op in ops if op.key == key])
        wanted = {metric: wanted[metric] + n for metric, n in mine.items()}
    with mock.patch.object(set_sessions, "TOGETHER", together):
        assert _found(ops) == wanted


@given(effects(st.one_of(WRITES, READS, ADDS, LISTS), 30))
def test_a_sound_service_is_never_accused(made: Any) -> None:
    """Where every read gives the state at one instant within it, no reader is let down."""
    state: dict[str, Any] = {"r": 0, "s": set()}

    def apply(op: Op) -> None:
        match op.function:
            case Function.WRITE:
                state["r"] = op.value
            case Function.READ:
                op.value = state["r"]
            case Function.ADD:
                state["s"].add(op.value)
            case _:
                op.value = sorted(state["s"])

    assert set(_found(happen(made, apply)).values()) == {0}
