"""A history that no worker can have written carries no PASS, and accuses nobody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.builders import healthy_record
from tests.histories import Op, segments_of

from stormproof.checks import operation_order
from stormproof.checks.judge import judge
from stormproof.checks.operation_order import odd_operations
from stormproof.model.event import WarningEvent
from stormproof.model.history import OPERATION_FIELDS, Function, Step
from stormproof.model.ledger import NUMPY_FIELDS
from stormproof.model.objective import Status
from stormproof.model.record import Record

SECOND = 1_000_000_000


def _op(function: Function, value: Any, at_s: int, key: str, **more: Any) -> Op:
    began = at_s * SECOND
    return Op(function=function, key=key, value=value, began=began, ended=began + 1_000, **more)


def _told() -> NDArray[np.void]:
    """Return what one worker wrote of a sound service: a counter, a set, and a read of each."""
    ops = [_op(Function.READ, 0, 1, "likes"), _op(Function.READ_SET, [], 1, "cart")]
    ops += [_op(Function.INCREMENT, 1, 2 + one, "likes") for one in range(4)]
    ops += [_op(Function.ADD, one, 2 + one, "cart") for one in range(4)]
    ops += [_op(Function.READ, 4, 9, "likes"), _op(Function.READ_SET, [0, 1, 2, 3], 9, "cart")]
    (segment,) = segments_of(ops, workers=1)
    return segment.view(np.dtype(OPERATION_FIELDS))


def _record(segment: NDArray[np.void]) -> Record:
    return healthy_record(ledger=(*healthy_record().ledger, segment.view(np.dtype(NUMPY_FIELDS))))


def _kinds(segment: NDArray[np.void]) -> list[str]:
    return [one.kind for one in odd_operations(_record(segment))]


def test_what_a_worker_wrote_is_in_order() -> None:
    """Nothing is said of a whole ledger, of one that was cut off anywhere, and of none."""
    whole = _told()
    assert [_kinds(whole[:length]) for length in range(len(whole) + 1)] == [[]] * (len(whole) + 1)
    assert judge(_record(whole), version="0").verdict is Status.PASS


def _places(segment: NDArray[np.void], step: Step) -> list[int]:
    found: list[int] = np.flatnonzero(segment["kind"] == step).tolist()
    return found


@pytest.mark.parametrize("together", [1, 3, 1 << 20])
@pytest.mark.parametrize(
    ("step", "place", "kinds"),
    [
        pytest.param(Step.BEGAN, 0, ["changes-missing"], id="the first change"),
        pytest.param(Step.BEGAN, 3, ["changes-missing"], id="one in the middle"),
        pytest.param(Step.BEGAN, 7, ["never-announced"], id="the last one, with an outcome"),
        pytest.param(Step.ELEMENTS, 0, ["elements-missing"], id="elements of a read"),
    ],
)
def test_an_entry_that_is_gone_keeps_a_run_from_any_verdict(
    monkeypatch: pytest.MonkeyPatch, together: int, step: Step, place: int, kinds: list[str]
) -> None:
    """An acknowledged change, or an element of a read, that is gone from the middle of a ledger is
    told; no counter is off and nothing lost by it."""
    monkeypatch.setattr(operation_order, "SLICE", together)
    whole = _told()
    less = np.delete(whole, _places(whole, step)[place])
    assert _kinds(less) == kinds
    verdict = judge(_record(less), version="0")
    assert verdict.verdict is Status.INCONCLUSIVE
    assert {one.kind for one in verdict.findings} - {"checker-failed"} == set(kinds)


def test_a_read_that_is_gone_is_told_by_its_elements() -> None:
    """Elements of which no read follows, in the middle of a ledger, are no set that was read."""
    whole = _told()
    (*_, last) = np.flatnonzero(whole["more"] == 4).tolist()
    assert whole["kind"][last] == Step.OK
    other = _told()
    assert _kinds(np.concatenate([np.delete(whole, last), other[1:2], other[-3:]])) != []


def test_a_read_that_begins_after_its_end_is_told() -> None:
    """It would count as newer than it can be."""
    whole = _told().copy()
    (first, *_) = np.flatnonzero(whole["flags"] == Function.READ).tolist()
    whole["other"][first] = whole["at_ns"][first] + np.uint64(SECOND)
    assert _kinds(whole) == ["ledger-out-of-order"]


def test_a_read_that_was_too_large_to_keep_may_have_held_what_is_missing() -> None:
    """What a small read missed and a larger one may have held is not called lost."""
    ops = [_op(Function.ADD, one, 2, "cart") for one in range(3)]
    ops += [_op(Function.READ_SET, [0, 1], 4, "cart")]
    (segment,) = segments_of(ops, workers=1)
    record = _record(segment)
    assert judge(record, version="0").verdict is Status.FAIL
    told = WarningEvent(
        at_ns=record.events[-2].at_ns, code="read-too-large", text="a read of 100001 elements"
    )
    events = sorted((*record.events, told), key=lambda one: one.at_ns)
    verdict = judge(replace(record, events=tuple(events)), version="0")
    assert verdict.verdict is Status.INCONCLUSIVE
    assert "set-lost" not in {one.kind for one in verdict.findings}
