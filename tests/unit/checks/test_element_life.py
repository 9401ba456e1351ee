"""What `explain` tells of one element: its changes, and the reads that held it or missed it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.builders import healthy_record
from tests.histories import Op, segments_of

from stormproof.checks.explaining import explain
from stormproof.checks.judge import judge
from stormproof.model.history import Function
from stormproof.model.ledger import NUMPY_FIELDS
from stormproof.model.story import Story

SECOND = 1_000_000_000


def _op(function: Function, value: Any, at_s: float, **more: Any) -> Op:
    began = round(at_s * SECOND)
    return Op(function=function, key="cart", value=value, began=began, ended=began + 1_000, **more)


def _story(ops: list[Op]) -> Story:
    parts = (one.view(np.dtype(NUMPY_FIELDS)) for one in segments_of(ops, workers=1))
    record = healthy_record(ledger=(*healthy_record().ledger, *parts))
    told = explain(record, judge(record, version="0"), "set-lost")
    return told[-1]


@pytest.mark.parametrize(("lost", "named"), [(-7, "-7"), (7, "7"), ("x", "#")])
def test_a_lost_element_is_told_from_its_add_to_the_reads_that_missed_it(
    lost: int | str, named: str
) -> None:
    """Its own changes and the first and last reads with and without it stand among a few others."""
    others = [_op(Function.ADD, 100 + one, 5 + one / 50, user=2) for one in range(100)]
    every = [op.value for op in others]
    reads = [_op(Function.READ_SET, [*every, lost], at, user=3) for at in (8, 9, 10)]
    reads += [_op(Function.READ_SET, every, at, user=4) for at in (20, 25, 30)]
    told = _story([*others, _op(Function.ADD, lost, 5.005, user=1), *reads])
    name = told.title.removeprefix("set-lost: ").partition(" of ")[0]
    assert name.startswith(named)
    assert f"{name} was changed 1 time, and 3 of 6 reads after that held it" in told.facts
    whats = [one.what for one in told.moments if one.about == "data"]
    assert [one.partition(",")[0] for one in whats if one.startswith("user 1 ")] == [
        f"user 1 adds {name} to {told.title.partition(' of ')[2].partition(',')[0]}"
    ]
    held = [(one.at_s, one.what) for one in told.moments if " reads " in one.what]
    assert [at_s for at_s, what in held if f", with {name}, " in what] == [8.0, 10.0]
    assert [at_s for at_s, what in held if f", without {name}, " in what] == [20.0, 30.0]
    assert sum(one.startswith("user 2 ") for one in whats) <= 7


def test_an_element_that_nobody_read_is_told_as_such() -> None:
    """Without a read there is none to tell."""
    ops = [_op(Function.ADD, 1, 5), _op(Function.READ_SET, [], 1)]
    parts = (one.view(np.dtype(NUMPY_FIELDS)) for one in segments_of(ops, workers=1))
    record = healthy_record(ledger=(*healthy_record().ledger, *parts))
    told = explain(record, judge(record, version="0"), "set-unread")[-1]
    assert "1 was changed 1 time, and no journey read it after that" in told.facts
