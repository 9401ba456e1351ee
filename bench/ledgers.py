"""Made ledgers of ten million entries, one for each checker: those of a run in which all was well.

Operations take effect one after the other, a microsecond apart, and began and ended up to
`SPREAD_NS` around that, so that many are under way at once and what was read is right.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stormproof.model.history import (
    CHANGES,
    ELEMENTS_PER_ENTRY,
    OPERATION_FIELDS,
    READS,
    Function,
    Step,
    digest_word,
)
from stormproof.model.ledger import NUMPY_FIELDS, EntryKind, make_key

Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
Entries = NDArray[np.void]
ENTRIES: Final = 10_000_000
USERS: Final = 2_000
STEP_NS: Final = 1_000
SPREAD_NS: Final = 40_000
START_NS: Final = 1_000_000_000_000
SEED: Final = 20_261
MEMBERS: Final = 8  # of each scope: an invoke and an ok, then eight deliveries, are ten entries
SCOPES: Final = 100


@dataclass(kw_only=True)
class Deeds:
    """Operations in the order in which they take effect; `phase` parts those that must not overlap.

    `held` are the elements of the reads of sets, `count` for each operation, one after the other.
    """

    function: NDArray[np.uint8]
    key: Words
    value: Words
    user: Ints
    phase: Ints | None = None
    other: Words | None = None
    count: Ints | None = None
    held: Words | None = None


def entries_of(deeds: Deeds) -> Entries:
    """Return the entries of operations in the order in which they are written."""
    size = len(deeds.function)
    draw = np.random.Generator(np.random.PCG64(SEED))
    effect_ns = START_NS + np.arange(1, size + 1) * STEP_NS
    if deeds.phase is not None:
        effect_ns += deeds.phase * 4 * SPREAD_NS
    began_ns = effect_ns - draw.integers(0, SPREAD_NS, size)
    ended_ns = effect_ns + draw.integers(0, SPREAD_NS, size)
    count = np.zeros(size, np.int64) if deeds.count is None else deeds.count
    pieces = -(-count // ELEMENTS_PER_ENTRY)
    changes = np.flatnonzero(np.isin(deeds.function, CHANGES))
    others = np.flatnonzero(~np.isin(deeds.function, CHANGES))
    holding = np.repeat(np.arange(size), pieces)
    deed = np.concatenate([changes, changes, holding, others])
    at_ns = np.concatenate(
        [began_ns[changes], ended_ns[changes], ended_ns[holding], ended_ns[others]]
    )
    rows = np.zeros(len(deed), np.dtype(OPERATION_FIELDS))
    rows["user"], rows["at_ns"] = deeds.user[deed], at_ns
    first, second, third = len(changes), 2 * len(changes), 2 * len(changes) + len(holding)
    numbers = np.empty(len(changes), np.int64)
    numbers[np.argsort(began_ns[changes], kind="stable")] = np.arange(1, len(changes) + 1)
    rows["kind"][:first], rows["kind"][first:second] = Step.BEGAN, Step.OK
    rows["number"][:first] = rows["number"][first:second] = numbers
    rows["flags"][:first] = deeds.function[changes]
    rows["key"][:first], rows["value"][:first] = deeds.key[changes], deeds.value[changes]
    if deeds.held is not None:
        _hold(rows[second:third], deeds.held, count, pieces)
    rest = rows[third:]
    rest["kind"], rest["flags"] = Step.OK, deeds.function[others]
    rest["key"], rest["value"], rest["more"] = deeds.key[others], deeds.value[others], count[others]
    is_read = np.isin(deeds.function[others], READS)
    more = 0 if deeds.other is None else deeds.other[others]
    rest["other"] = np.where(is_read, began_ns[others].astype(np.uint64), more)
    return rows[np.lexsort((deed, at_ns))]


def _hold(rows: Entries, held: Words, count: Ints, pieces: Ints) -> None:
    """Write the elements of reads, three an entry."""
    rows["kind"], rows["more"] = Step.ELEMENTS, ELEMENTS_PER_ENTRY
    last = np.cumsum(pieces)[pieces > 0] - 1
    rows["more"][last] = (count - ELEMENTS_PER_ENTRY * (pieces - 1))[pieces > 0]
    three = np.zeros((len(rows), ELEMENTS_PER_ENTRY), np.uint64)
    three[np.arange(ELEMENTS_PER_ENTRY) < rows["more"][:, None]] = held
    rows["key"], rows["value"], rows["other"] = three.T


def _keys(number: int) -> Words:
    return np.array([digest_word(f"key:{one}") for one in range(number)], np.uint64)


def _users(size: int) -> Ints:
    return np.random.Generator(np.random.PCG64(SEED + 1)).integers(1, USERS + 1, size)


def _drawn(size: int, number: int) -> Ints:
    return np.random.Generator(np.random.PCG64(SEED + 2)).integers(0, number, size)


def _with_edges(which: Ints, number: int) -> tuple[Ints, Ints]:
    """Return which key each operation is on, each read once before and after, and the phases."""
    every = np.arange(number)
    phase = np.repeat([0, 1, 2], [number, len(which), number])
    return np.concatenate([every, which, every]), phase


def counters(number: int) -> Entries:
    """Return increments and reads, as many of each, of some counters."""
    which, phase = _with_edges(_drawn((ENTRIES - 2 * number) * 2 // 3, number), number)
    is_change = (phase == 1) & (np.arange(len(which)) % 2 == 0)
    value = np.where(is_change, 1, _so_far(which, is_change.astype(np.int64)))
    return entries_of(
        Deeds(
            function=np.where(is_change, Function.INCREMENT, Function.READ).astype(np.uint8),
            key=_keys(number)[which],
            value=value.astype(np.uint64),
            user=_users(len(which)),
            phase=phase,
        )
    )


def _so_far(which: Ints, by: Ints) -> Ints:
    """Return, an operation, the sum over those up to it that are on the same key."""
    order = np.argsort(which, kind="stable")
    sums = np.cumsum(by[order])
    first = np.searchsorted(which[order], np.arange(which.max() + 1))
    before = (sums - by[order])[first]
    found = np.empty(len(which), np.int64)
    found[order] = sums - before[which[order]]
    return found


def registers(number: int) -> Entries:
    """Return writes of values of their own and reads, as many of each, of some registers."""
    which, phase = _with_edges(_drawn((ENTRIES - 2 * number) * 2 // 3, number), number)
    place = np.arange(len(which))
    is_change = (phase == 1) & (place % 2 == 0) | (phase == 0)
    order = np.lexsort((place, which))
    last = np.maximum.accumulate(np.where(is_change[order], np.arange(len(which)), 0))
    value = np.empty(len(which), np.int64)
    value[order] = order[last] + 1
    return entries_of(
        Deeds(
            function=np.where(is_change, Function.WRITE, Function.READ).astype(np.uint8),
            key=_keys(number)[which],
            value=value.astype(np.uint64),
            user=_users(len(which)),
            phase=phase,
        )
    )


def sets(number: int, changes_each: int) -> Entries:
    """Return adds, a removal for every tenth, and reads of everything, of some sets."""
    return _grown(number, changes_each, Function.READ_SET)


def totals(number: int, changes_each: int) -> Entries:
    """Return adds, a removal for every tenth, and totals, of some sets."""
    return _grown(number, changes_each, Function.TOTAL)


def _grown(number: int, changes_each: int, reading: Function) -> Entries:
    """Return what is done to sets that grow, as many reads as fill the ledger."""
    changes = number * changes_each
    per_read = 1 + (changes_each * 4 // 5 // 2 / ELEMENTS_PER_ENTRY + 1 / 3) * (
        reading is Function.READ_SET
    )
    reads = int((ENTRIES - 2 * changes) / per_read)
    draw = np.random.Generator(np.random.PCG64(SEED + 3))
    is_change = draw.permutation(np.repeat([True, False], [changes, reads]))
    which, phase = _with_edges(_drawn(changes + reads, number), number)
    kinds, values, counts, held = _played(
        which.tolist(), np.concatenate([[False] * number, is_change, [False] * number]), reading
    )
    return entries_of(
        Deeds(
            function=np.frombuffer(kinds, np.uint8),
            key=_keys(number)[which],
            value=np.frombuffer(values, np.uint64),
            user=_users(len(which)),
            phase=phase,
            count=np.frombuffer(counts, np.int64),
            held=np.frombuffer(held, np.uint64),
        )
    )


def _played(
    which: list[int], is_change: NDArray[np.bool_], reading: Function
) -> tuple[bytearray, array[int], array[int], array[int]]:
    """Play changes and reads on sets; return functions, values, sizes and what reads held."""
    state: dict[int, array[int]] = {}
    kinds, values, counts, held = bytearray(), array("Q"), array("q"), array("Q")
    for place, (key, changes) in enumerate(zip(which, is_change.tolist(), strict=True)):
        mine = state.setdefault(key, array("Q"))
        if changes and place % 10 == 0 and len(mine) > 1:
            kinds.append(Function.REMOVE)
            values.append(mine.pop(len(mine) // 2))
            counts.append(0)
        elif changes:
            kinds.append(Function.ADD)
            values.append(place + 1)
            counts.append(0)
            mine.append(place + 1)
        else:
            kinds.append(reading)
            values.append(len(mine) if reading is Function.TOTAL else 0)
            counts.append(len(mine) if reading is Function.READ_SET else 0)
            if reading is Function.READ_SET:
                held.extend(mine)
    return kinds, values, counts, held


def unique_ids() -> Entries:
    """Return ids of three kinds, no two alike."""
    return _facts(Function.ISSUED, np.arange(ENTRIES, dtype=np.uint64), 3)


def effects() -> Entries:
    """Return effects of three kinds, each seen twice."""
    asked = np.arange(ENTRIES, dtype=np.uint64) // np.uint64(2)
    return _facts(Function.EFFECT, asked, 1, other=asked + np.uint64(7))


def _facts(function: Function, value: Words, kinds: int, other: Words | None = None) -> Entries:
    size = len(value)
    return entries_of(
        Deeds(
            function=np.full(size, function, np.uint8),
            key=_keys(kinds)[np.arange(size) % kinds],
            value=value,
            user=_users(size),
            other=other,
        )
    )


def isolation() -> Entries:
    """Return values of a thousand owners, who may see each, and who saw them."""
    owners, owned = 1_000, ENTRIES // 4
    function = np.full(ENTRIES, Function.SAW, np.uint8)
    function[:USERS], function[USERS : USERS + owned] = Function.MAY_SEE, Function.OWNS
    value = np.arange(ENTRIES) % owned
    owner = value % owners
    owner[:USERS] = (np.arange(USERS) + 1) % owners
    user = owner + np.where(np.arange(ENTRIES) % 2 == 0, owners, 0)
    user[:USERS] = np.arange(USERS) + 1
    user[user == 0] = owners
    return entries_of(
        Deeds(function=function, key=_keys(owners)[owner], value=value.astype(np.uint64), user=user)
    )


def delivery(messages: int) -> Entries:
    """Return the ledger of a healthy run: each message acknowledged and received by each member."""
    rows = np.zeros(SCOPES * MEMBERS + messages * (MEMBERS + 2), dtype=np.dtype(NUMPY_FIELDS))
    joined = rows[: SCOPES * MEMBERS]
    joined["kind"] = EntryKind.JOINED
    joined["user"] = np.arange(len(joined)) + 1
    joined["scope"] = np.arange(len(joined)) // MEMBERS + 1
    lives = rows[SCOPES * MEMBERS :].reshape(messages, MEMBERS + 2)
    order = np.arange(messages)
    scope = order % SCOPES + 1
    lives["scope"] = scope[:, None]
    lives["key"] = (np.uint64(make_key(0, 1, 0)) + order.astype(np.uint64))[:, None]
    lives["digest"] = lives["key"] + np.uint64(1)
    lives["at_ns"] = (np.arange(messages * (MEMBERS + 2)) * 1_000).reshape(lives.shape)
    lives["kind"] = [EntryKind.INVOKE, EntryKind.OK, *[EntryKind.RECEIVED] * MEMBERS]
    lives["number"] = (order // SCOPES + 1)[:, None]
    members = (scope - 1)[:, None] * MEMBERS + np.arange(MEMBERS) + 1
    lives["user"] = np.concatenate([members[:, :1], members[:, :1], members], axis=1)
    return rows


LEDGERS: Final[dict[str, Callable[[], Entries]]] = {
    "delivery": lambda: delivery(ENTRIES // (MEMBERS + 2)),
    "sets of one key": lambda: sets(1, 20_000),
    "sets of 10,000 keys": lambda: sets(10_000, 50),
    "counters of one key": lambda: counters(1),
    "counters of 100,000 keys": lambda: counters(100_000),
    "unique ids": unique_ids,
    "effects": effects,
    "isolation": isolation,
    "totals of 10,000 keys": lambda: totals(10_000, 200),
    "registers of 100,000 keys": lambda: registers(100_000),
}


def as_written(rows: Entries, workers: int) -> list[Entries]:
    """Return the ledger of each worker, users dealt out to them, changes numbered anew."""
    parts = []
    for worker in range(workers):
        mine = rows[rows["user"] % workers == worker]
        mine["worker"] = worker
        if mine.dtype != np.dtype(NUMPY_FIELDS):
            _renumber(mine)
        parts.append(mine)
    return parts


def _renumber(rows: Entries) -> None:
    numbered = np.flatnonzero(rows["number"] > 0)
    _, rows["number"][numbered] = np.unique(rows["number"][numbered], return_inverse=True)
    rows["number"][numbered] += 1
