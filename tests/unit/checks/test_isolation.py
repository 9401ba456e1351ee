"""Isolation is told in bounded memory, however many owners a value has."""

from __future__ import annotations

import tracemalloc

import numpy as np
from numpy.typing import NDArray
from tests.builders import healthy_record

from stormproof.checks.history import Told, read_history
from stormproof.checks.isolation import check_isolation
from stormproof.model.history import OPERATION_FIELDS, Function, Step
from stormproof.rules.windows import windows_of

OWNERS, VALUES, USERS = 3_000, 40, 40
PEAK_BYTES = 120 << 20


Ints = NDArray[np.int64]


def facts(function: Function, key: Ints, value: Ints, user: Ints) -> NDArray[np.void]:
    """Return facts of one function, as many as there are keys."""
    rows = np.zeros(len(key), np.dtype(OPERATION_FIELDS))
    rows["kind"], rows["flags"] = Step.OK, function
    rows["key"], rows["value"], rows["user"] = key, value, user
    rows["at_ns"] = np.arange(len(key))
    return rows


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
    ledger = np.concatenate([owns, may_see, saw, one_fine])
    history = read_history([ledger], whole=True)
    told = Told(history=history, windows=windows_of(healthy_record()))
    tracemalloc.start()
    outcome = check_isolation(told)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert outcome.measured["isolation_foreign", ""].value == (USERS - 1) * VALUES
    assert peak < PEAK_BYTES
