"""What was done to single values, some keys at a time: millions of rows never stand side by side.

A block has all operations of its keys, changes first, each table in the order of the ledger. What
was certainly not made is left out, and so is a key that was never written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Final, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from stormproof.checks.history import Bytes, Changes, History, Ints, Mask, Reads, Told
from stormproof.checks.ledger import FOREVER_NS, Words
from stormproof.checks.lookup import Lookup, dated, distinct
from stormproof.checks.wording import counted
from stormproof.model.history import (
    FLAG_ABSENT,
    FLAG_EXPECTS_ABSENT,
    FUNCTION_MASK,
    Function,
    Step,
)

TOGETHER: Final = 1 << 18  # rows of a block, or those of one key where it has more
ABSENT: Final = -1
_SPREAD: Final = np.uint64(0x9E37_79B9_7F4A_7C15)  # odd: 2**64 over the golden ratio
RAISED_REMEDY: Final = (
    "ask for register_nonlinearizable, which judges such keys, or count in keys of their own"
)
WRITERS: Final = (Function.WRITE, Function.CAS)
Indices = NDArray[np.int32]
AnyTable = TypeVar("AnyTable", Changes, Reads)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Operations on registers; `value` and `other` of what is absent are 0.

    `ended_ns` of what is unknown is FOREVER_NS. `other` is what a compare-and-set expects.
    """

    of_key: Ints  # the index of each one's key among those of the block
    function: Bytes
    value: Words
    is_absent: Mask
    other: Words
    expects_absent: Mask
    began_ns: Ints
    ended_ns: Ints
    user: NDArray[np.uint32]
    is_made: Mask  # it was acknowledged, or is a read

    def __len__(self) -> int:
        """Return the number of operations."""
        return len(self.of_key)

    def where(self, rows: Mask | Ints | slice) -> Self:
        """Return some of the operations."""
        return type(self)(**{one.name: getattr(self, one.name)[rows] for one in fields(self)})

    @property
    def is_read(self) -> Mask:
        """Return which are reads."""
        mask: Mask = self.function == Function.READ
        return mask

    def value_of(self, row: int) -> int:
        """Return the value of one, ABSENT for nothing at all."""
        return ABSENT if self.is_absent[row] else int(self.value[row])

    def dated(self, keys: int) -> tuple[Ints, Ints]:
        """Return begins and ends as numbers that order by key, then instant.

        What never ended does so behind all that did.
        """
        is_open = self.ended_ns == FOREVER_NS
        over_ns = self.ended_ns
        if is_open.any():
            last_ns = max(int(self.began_ns.max()), int(over_ns[~is_open].max(initial=0)))
            over_ns = np.where(is_open, last_ns + 1, over_ns)
        began, over = dated([(self.of_key, self.began_ns), (self.of_key, over_ns)], keys)
        return began, over


@dataclass(frozen=True, kw_only=True)
class Block:
    """Some keys, rising, with everything that was done to them.

    `of_change` and `of_read` are the index of the key of each among `keys`.
    """

    keys: Words
    is_raised: Mask  # a key: it was incremented as well
    changes: Changes
    of_change: Indices
    reads: Reads
    of_read: Indices

    def __len__(self) -> int:
        """Return the number of operations."""
        return len(self.of_change) + len(self.of_read)

    @cached_property
    def rows(self) -> Rows:
        """Return all operations side by side."""
        return _rows(self.changes, self.of_change, self.reads, self.of_read)

    def parts(self, number: int) -> Iterator[Rows]:
        """Yield the operations in so many parts, all that name a value in one of them."""
        of_changes, of_reads = (_part(one.value, number) for one in (self.changes, self.reads))
        for part in range(number):
            some, others = np.flatnonzero(of_changes == part), np.flatnonzero(of_reads == part)
            yield _rows(
                self.changes.where(some).unkept(),
                self.of_change[some],
                self.reads.where(others).unkept(),
                self.of_read[others],
            )


def _part(value: Words, number: int) -> Bytes:
    """Return, a value, which of at most 256 parts it is in; equal values are in the same."""
    words = value * _SPREAD
    words >>= np.uint64(40)
    words %= np.uint64(number)
    return words.astype(np.uint8)


def blocks_of(history: History, *, raised: bool) -> Iterator[Block]:
    """Yield all keys that were written, by their words, a block at a time.

    Args:
        history: what journeys told.
        raised: with those that were incremented as well, and with their increments; else none
            that was, or may have been.
    """
    changes = _may_be(history)
    increased = distinct(changes.of(Function.INCREMENT).key)
    keys = distinct(changes.of(*WRITERS).key)
    if len(increased) and not raised:
        keys = keys[~np.isin(keys, increased)]
    if not len(keys):
        return
    known = Lookup(keys)
    changes, of_change = _among(changes, known)
    reads, of_read = _among(history.reads.of(Function.READ), known)
    number = np.bincount(of_change, minlength=len(keys)) + np.bincount(of_read, minlength=len(keys))
    of_block = (np.cumsum(number) - number) // TOGETHER
    edges = np.searchsorted(of_block, np.arange(of_block[-1] + 2))
    written, read = _dealt(of_block, of_change), _dealt(of_block, of_read)
    for (low, high), some, others in zip(
        zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True), written, read, strict=True
    ):
        if low < high:
            yield Block(
                keys=keys[low:high],
                is_raised=np.isin(keys[low:high], increased),
                changes=changes.where(some).unkept(),
                of_change=of_change[some] - low,
                reads=reads.where(others).unkept(),
                of_read=of_read[others] - low,
            )


def raised_doubt(told: Told) -> str:
    """Say that there are keys, read, of which an increment leaves open what was read; or nothing.

    A value that is what was written and what was added to it names no write, so that only a search
    for an order judges such keys; where that is asked for, it answers for them.
    """
    keys = told.history.once(raised_as_well)
    if not len(keys) or is_searched(told):
        return ""
    name = told.history.key_text(int(keys[0]))
    text = "incremented as well as written, which tells no versions apart"
    return f"{counted(len(keys), 'key')} {text} (first: {name})"


def is_searched(told: Told) -> bool:
    """Return whether an objective asks that every key which was written be linearizable."""
    return told.breaks("register_nonlinearizable", 1)


def raised_as_well(history: History) -> Words:
    """Return the keys that were, or may have been, both written and incremented, and were read."""
    changes = _may_be(history)
    increased = distinct(changes.of(Function.INCREMENT).key)
    if not len(increased):
        return increased
    both = increased[np.isin(increased, changes.of(*WRITERS).key)]
    raised: Words = both[np.isin(both, history.reads.of(Function.READ).key)]
    return raised


def _may_be(history: History) -> Changes:
    """Return the changes of registers that were not refused."""
    tried = history.changes.of(*WRITERS, Function.INCREMENT)
    return tried.where(tried.step != Step.REFUSED)


def _among(table: AnyTable, known: Lookup) -> tuple[AnyTable, Indices]:
    """Return what is of known keys, and the index of each one's key."""
    of_key, is_known = known.find(table.key)
    if is_known.all():
        return table.unkept(), of_key.astype(np.int32)
    return table.where(is_known).unkept(), of_key[is_known].astype(np.int32)


def _dealt(of_block: Ints, of_key: Indices) -> list[Indices]:
    """Return the rows of each block, rising."""
    mine = of_block[of_key].astype(np.uint16 if of_block[-1] < 1 << 16 else np.int64)
    order = np.argsort(mine, kind="stable").astype(np.int32)
    edges = np.searchsorted(mine[order], np.arange(of_block[-1] + 2))
    return [
        order[low:high] for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]


def _rows(changes: Changes, of_change: Indices, reads: Reads, of_read: Indices) -> Rows:
    flags = np.concatenate([changes.flags, reads.flags])
    is_absent, expects_absent = (flags & FLAG_ABSENT) != 0, (flags & FLAG_EXPECTS_ABSENT) != 0
    function = flags & np.uint8(FUNCTION_MASK)

    def both(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(changes, name), getattr(reads, name)])

    value, other = both("value"), np.zeros(len(flags), np.uint64)
    value[is_absent] = 0
    if (function == Function.CAS).any():
        other[: len(changes)] = changes.other
        other[expects_absent] = 0
    return Rows(
        of_key=np.concatenate([of_change, of_read]).astype(np.int64),
        function=function,
        value=value,
        is_absent=is_absent,
        other=other,
        expects_absent=expects_absent,
        began_ns=both("began_ns"),
        ended_ns=both("ended_ns"),
        user=both("user"),
        is_made=both("step") == Step.OK,
    )


def named(of_key: Ints, value: Words, is_absent: Mask) -> tuple[Words, Words]:
    """Return words that tell values of keys apart."""
    return (2 * of_key + is_absent).view(np.uint64), value
