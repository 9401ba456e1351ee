"""Isolation is told in bounded memory, however many owners a value has."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from tests.builders import healthy_record

from stormproof.checks.history import Table, Told, read_history
from stormproof.checks.isolation import check_isolation
from stormproof.model.history import Function, Step
from stormproof.rules.windows import windows_of

OWNERS, VALUES, USERS = 3_000, 40, 40
PEAK_BYTES = 120 << 20


Ints = NDArray[np.int64]


def facts(function: Function, key: Ints, value: Ints, user: Ints) -> Table:
    """Return facts of one function, as many as there are keys."""
    size = len(key)
    return Table(
        function=np.full(size, function, np.uint8),
        flags=np.zeros(size, np.uint8),
        step=np.full(size, Step.OK, np.uint8),
        user=user.astype(np.uint32),
        key=key.astype(np.uint64),
        value=value.astype(np.uint64),
        other=np.zeros(size, np.uint64),
        began_ns=np.arange(size),
        ended_ns=np.arange(size),
    )


def joined(*tables: Table) -> Table:
    """Return all facts together."""
    columns = {name: np.concatenate([getattr(one, name) for one in tables]) for name in COLUMNS}
    return Table(**columns)


COLUMNS = ("function", "flags", "step", "user", "key", "value", "other", "began_ns", "ended_ns")


def test_sights_of_what_thousands_own_take_bounded_memory() -> None:
    """Of values with 3,000 owners, seen by users who may see 3,000 others, each sight is foreign,
    and looking them all up takes no memory for each owner of each sight."""
    owner = np.arange(OWNERS)
    none = np.zeros(1, np.int64)
    owns = facts(
        Function.OWNS,
        np.tile(owner, VALUES),
        np.repeat(np.arange(VALUES), OWNERS),
        np.zeros(OWNERS * VALUES, np.int64),
    )
    may_see = facts(
        Function.MAY_SEE,
        np.tile(owner + OWNERS, USERS),
        np.zeros(OWNERS * USERS, np.int64),
        np.repeat(np.arange(USERS), OWNERS),
    )
    saw = facts(
        Function.SAW,
        np.zeros(USERS * VALUES, np.int64),
        np.tile(np.arange(VALUES), USERS),
        np.repeat(np.arange(USERS), VALUES),
    )
    one_fine = facts(Function.MAY_SEE, none + 7, none, none)
    history = read_history([], whole=True)
    told = Told(
        history=replace(history, facts=joined(owns, may_see, saw, one_fine)),
        windows=windows_of(healthy_record()),
    )
    tracemalloc.start()
    outcome = check_isolation(told)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert outcome.measured["isolation_foreign", ""].value == (USERS - 1) * VALUES
    assert peak < PEAK_BYTES
