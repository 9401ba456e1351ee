"""Random histories: arbitrary ones, and those of a service that keeps its promises.

Each operation has three distinct instants: it begins, takes effect, and ends. What a kept promise
reads is the state at its effect; what is unknown may take effect long after, or never.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st
from tests.histories import Op

from stormproof.model.history import Function, Step

OUTCOMES = [Step.OK, Step.OK, Step.OK, Step.REFUSED, Step.UNKNOWN]
USERS = 3
Effect = tuple[int, Op]


@st.composite
def instants(draw: Any, count: int) -> list[list[int]]:
    """Draw three distinct rising instants for each of `count` operations.

    From hardly any two at once to nearly all: operations begin one after the other, and each may
    begin, take effect and end later by up to the same draw.
    """
    late = st.integers(1, draw(st.sampled_from([1, 3, 8, 40])))
    drawn = [[3 * one + draw(late), draw(late), draw(late)] for one in range(count)]
    spans = [(began, began + wait, began + wait + rest) for began, wait, rest in drawn]
    order = sorted(
        (at, one, step) for one, span in enumerate(spans) for step, at in enumerate(span)
    )
    rank = {(one, step): place for place, (_, one, step) in enumerate(order, 1)}
    return [[rank[one, step] for step in range(3)] for one in range(count)]


@st.composite
def effects(
    draw: Any, shapes: st.SearchStrategy[tuple[Function, str, Any, Step]], count_max: int = 14
) -> list[Effect]:
    """Draw operations with the instants of their effect, 0 for none; reads have no value yet."""
    drawn = draw(st.lists(shapes, min_size=1, max_size=count_max))
    spans = draw(instants(len(drawn)))
    made = []
    for (function, key, value, step), (began, middle, ended) in zip(drawn, spans, strict=True):
        user = draw(st.integers(1, USERS))
        op = Op(function=function, key=key, value=value, began=began, ended=ended, user=user)
        op.step, effect = step, 0 if step is Step.REFUSED else middle
        if step is Step.UNKNOWN:
            op.ended = draw(st.sampled_from([0, ended]))
            effect = draw(st.sampled_from([0, middle, ended + 3 * len(drawn)]))
        made.append((effect, op))
    return made


@st.composite
def crowded(
    draw: Any,
    functions: list[Function],
    count_max: int,
    values: st.SearchStrategy[int],
    *keys: str,
) -> list[Op]:
    """Draw operations some of which begin and end at the very same instants as others."""
    span = st.tuples(st.integers(1, draw(st.sampled_from([8, 30, 90]))), st.integers(0, 6))
    made = []
    for _ in range(draw(st.integers(1, count_max))):
        function, (began, lasts) = draw(st.sampled_from(functions)), draw(span)
        op = Op(function=function, key=draw(st.sampled_from(keys)), value=draw(values), began=began)
        op.ended, op.user, op.other = began + lasts, draw(st.integers(1, 3)), draw(values)
        if function not in (Function.READ, Function.READ_SET):
            op.step = draw(st.sampled_from(OUTCOMES))
            op.ended *= op.step is not Step.UNKNOWN or draw(st.booleans())
        made.append(op)
    return made


def happen(made: Sequence[Effect], apply: Callable[[Op], None]) -> list[Op]:
    """Let operations take effect in order; return all of them."""
    for _, op in sorted((one for one in made if one[0]), key=lambda one: one[0]):
        apply(op)
    return [op for _, op in made]
