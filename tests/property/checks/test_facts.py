"""Isolation, effects and totals, against naive readings of their definitions."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.histories import Op, run_check, value_of
from tests.property.checks.services import effects, happen

from stormproof.checks import isolation
from stormproof.checks.effects import check_effects
from stormproof.checks.isolation import check_isolation
from stormproof.checks.totals import check_totals
from stormproof.model.history import Function, Step

OWNERS, VALUES, USERS = ("red", "blue", "green"), st.integers(1, 4), st.integers(1, 3)
FACTS = st.one_of(
    st.tuples(st.just(Function.OWNS), st.sampled_from(OWNERS), VALUES, USERS),
    st.tuples(st.just(Function.MAY_SEE), st.sampled_from(OWNERS), st.just(0), USERS),
    st.tuples(st.just(Function.SAW), st.just(""), VALUES, USERS),
    st.tuples(st.just(Function.SAW), st.just(""), VALUES, USERS),
)


@given(st.lists(FACTS, min_size=1, max_size=30), st.sampled_from([1, 2, isolation.LOOKED_UP_MAX]))
def test_who_saw_what_is_somebody_elses(
    told: list[tuple[Function, str, int, int]], at_once: int
) -> None:
    """As many sights are foreign as a naive join of owners, members and sights finds, however few
    owners are looked up at once."""
    ops = [
        Op(function=function, key=key, value=value, began=at, ended=at, user=user)
        for at, (function, key, value, user) in enumerate(told, 1)
    ]
    owners, allowed = defaultdict(set), defaultdict(set)
    for op in ops:
        if op.function is Function.OWNS:
            owners[op.value].add(op.key)
        elif op.function is Function.MAY_SEE:
            allowed[op.user].add(op.key)
    sights = [op for op in ops if op.function is Function.SAW and owners[op.value]]
    foreign = sum(not owners[op.value] & allowed[op.user] for op in sights)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(isolation, "LOOKED_UP_MAX", at_once)
        outcome = run_check(check_isolation, ops)
    every = {owner for mine in owners.values() for owner in mine}
    is_tested = any(every - allowed[op.user] for op in sights)
    assert value_of(outcome, "isolation_foreign") == (foreign if is_tested else None)
    assert sum(one.count for one in outcome.findings) == foreign


@given(st.lists(st.tuples(st.sampled_from(["pay", "mail"]), VALUES, VALUES, USERS), min_size=1))
def test_keys_acted_on_twice(seen: list[tuple[str, int, int, int]]) -> None:
    """As many keys are told as had two different effects, however often each was seen."""
    ops = [
        Op(function=Function.EFFECT, key=kind, value=key, other=effect, began=at, ended=at, user=by)
        for at, (kind, key, effect, by) in enumerate(seen, 1)
    ]
    effects_of = defaultdict(set)
    for kind, key, effect, _ in seen:
        effects_of[kind, key].add(effect)
    doubled = sum(len(one) > 1 for one in effects_of.values())
    outcome = run_check(check_effects, ops)
    assert value_of(outcome, "effects_duplicated") == doubled
    assert sum(one.count for one in outcome.findings) == doubled


TOTALS_ASKED = "totals_off: count==0"
OUTCOMES = st.sampled_from([Step.OK, Step.OK, Step.UNKNOWN, Step.REFUSED])
ADDS = st.tuples(st.just(Function.ADD), st.just("s"), st.integers(1, 2), OUTCOMES)
REMOVES = st.tuples(st.just(Function.REMOVE), st.just("s"), st.sampled_from([1, 2, 5, 6]), OUTCOMES)
TOTALS = st.tuples(st.just(Function.TOTAL), st.just("s"), st.just(0), st.just(Step.OK))


STARTS = st.sets(st.sampled_from([1, 2, 5, 91, 92]), max_size=4)


@given(effects(st.one_of(ADDS, REMOVES, TOTALS, TOTALS), 20), st.booleans(), STARTS)
def test_a_sound_total_is_never_accused_and_one_that_forgets_is(
    made: Any, lies: bool, start: set[int]
) -> None:
    """Unknown and concurrent changes explain what they can, what is added or removed may have been
    there before; a total beyond them is found."""
    if not any(op.function is not Function.TOTAL for _, op in made):
        return
    state = set(start)

    def apply(op: Op) -> None:
        match op.function:
            case Function.ADD:
                state.add(op.value)
            case Function.REMOVE:
                state.discard(op.value)
            case _:
                op.value = len(state)

    ops = happen(made, apply)
    for op in ops:
        op.began, op.ended = op.began + 10, op.ended + 10 if op.ended else 0
    last = 10 * max(max(op.began, op.ended) for op in ops)
    for began, value in ((1, len(start)), (last, len(state) + 7 * lies)):
        ops.append(Op(function=Function.TOTAL, key="s", value=value, began=began, ended=began + 1))
    outcome = run_check(check_totals, ops, TOTALS_ASKED)
    off = sum(one.count for one in outcome.findings if one.kind == "total-off")
    assert off == lies


@given(
    effects(st.one_of(ADDS, TOTALS), 8),
    st.lists(st.integers(0, 6), min_size=8),
    st.integers(0, 3),
)
def test_totals_are_held_against_every_choice(made: Any, values: list[int], base: int) -> None:
    """A total is off when no choice of first elements and adds that may count gives its number."""
    ops = [op for _, op in made]
    starts = [set(one) for one in combinations([1, 2, 91, 92, 93], base)]
    if not any(op.function is Function.ADD for op in ops):
        return
    for op, value in zip(ops, values, strict=False):
        op.began, op.ended = op.began + 10, op.ended + 10 if op.ended else 0
        if op.function is Function.TOTAL:
            op.value = value
    ops.append(Op(function=Function.TOTAL, key="s", value=base, began=1, ended=2))
    adds = [op for op in ops if op.function is Function.ADD and op.step is not Step.REFUSED]
    off = 0
    for read in (op for op in ops if op.function is Function.TOTAL):
        choices = [
            [True] if add.step is Step.OK and add.ended < read.began else [True, False]
            for add in adds
            if add.began <= read.ended
        ]
        near = [add for add in adds if add.began <= read.ended]
        sums = {
            len(start | {add.value for add, taken in zip(near, choice, strict=True) if taken})
            for choice in product(*choices)
            for start in starts
        }
        off += read.value not in sums
    outcome = run_check(check_totals, ops, TOTALS_ASKED)
    assert sum(one.count for one in outcome.findings if one.kind == "total-off") == off
