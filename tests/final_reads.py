"""Write final reads by hand: what a server held before the load, and when all was over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from tests.builders import ORIGIN_NS
from tests.histories import Op, run_check

from stormproof.checks.final_looks import FinalLook, Look
from stormproof.checks.history import Told
from stormproof.checks.outcome import Outcome
from stormproof.model.history import Function, Step, element_of
from stormproof.model.plan import PlannedRead

READ_AT = 1_000_000  # when a final read began, in nanoseconds after the load's start


def look(rows: Iterable[Any] | str, at: int = READ_AT, left_out: int = 0) -> Look:
    """Return one look at a server: its rows, or why there are none."""
    if isinstance(rows, str):
        return Look(rows=np.empty(0, np.uint64), why=rows)
    words = np.array([element_of(row)[0] for row in rows], np.uint64)
    return Look(
        rows=words,
        began_ns=ORIGIN_NS + at,
        ended_ns=ORIGIN_NS + at + 1_000,
        left_out=left_out,
    )


def final_look(
    after: Iterable[Any] | str,
    before: Iterable[Any] | str = (),
    *,
    name: str = "messages",
    of: str = "",
    same_as: str = "",
    empty: bool = False,
    without: str = "",
    left_out: int = 0,
) -> FinalLook:
    """Return a final read of a database, with the rows from before the load."""
    planned = PlannedRead(
        name=name, statement="SELECT", of=of, same_as=same_as, empty=empty, without=without
    )
    return FinalLook(planned=planned, before=look(before, 0), after=look(after, left_out=left_out))


def add(value: Any, step: Step = Step.OK, began: int = 100, ended: int = 200, **more: Any) -> Op:
    """Return the add of an element to `chat`; what is unknown never ended."""
    return Op(
        function=more.pop("function", Function.ADD),
        key=more.pop("key", "chat"),
        value=value,
        began=began,
        ended=0 if step is Step.UNKNOWN else ended,
        step=step,
        **more,
    )


def run_looks(
    check: Callable[[Told, Sequence[FinalLook]], Outcome],
    looks: Sequence[FinalLook],
    ops: Iterable[Op] = (),
    *asked: str,
    whole: bool = True,
) -> Outcome:
    """Run a checker of final reads over operations."""
    return run_check(lambda told: check(told, looks), ops, *asked, whole=whole)
