"""Which write a read value is from, and whether that is certainly older than another.

A value that was written once to its key names its write. One version is certainly older than
another when its write ended before the other's began; the value that a key had before all writes is
older than every write. A value that was written more than once says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stormproof.checks.history import History, Ints, Mask
from stormproof.checks.ledger import FOREVER_NS, Words
from stormproof.checks.lookup import Lookup, dated, distinct
from stormproof.checks.register_blocks import Block, Rows, blocks_of, named

NEVER_NS: Final = -1  # when the value from before all writes was written
NONE: Final = -1  # no write
_USER: Final = np.uint64(32)


@dataclass(frozen=True, kw_only=True)
class Versions:
    """The writes of some keys, and the reads whose version is known: by key, then begin.

    `of_look` is the write whose value each read gave, NONE for what was there before all.
    """

    keys: Words
    writes: Rows
    looks: Rows
    of_look: Ints

    @cached_property
    def began_ns(self) -> Ints:
        """Return when the write of what each read gave began, NEVER_NS before all."""
        return self._of_write(self.writes.began_ns)

    @cached_property
    def ended_ns(self) -> Ints:
        """Return when the write of what each read gave had ended, NEVER_NS before all."""
        return self._of_write(self.writes.ended_ns)

    def _of_write(self, at_ns: Ints) -> Ints:
        if not len(at_ns):
            return np.full(len(self.of_look), NEVER_NS, np.int64)
        return np.where(self.of_look == NONE, NEVER_NS, at_ns[self.of_look])

    @cached_property
    def overwriting(self) -> Ints:
        """Return, a read, of the writes certainly later than what it gave that acknowledged first.

        Not an acknowledged one: NONE. Whether it was before the read is another question.
        """
        of_key = self.looks.of_key
        later = self._first_of_key[of_key]
        known = np.flatnonzero((self.of_look != NONE) & (self.ended_ns < FOREVER_NS))
        began, ended = dated(
            [
                (self.writes.of_key, self.writes.began_ns),
                (of_key[known], self.ended_ns[known]),
            ],
            len(self.keys),
        )
        later[known] = np.searchsorted(began, ended, side="right")
        later[self.ended_ns == FOREVER_NS] = len(self.writes)
        return self._acknowledged_from(later, of_key)

    @cached_property
    def first_acknowledged(self) -> Ints:
        """Return, a key, the write of it that was acknowledged first; NONE for no such."""
        return self._acknowledged_from(self._first_of_key, np.arange(len(self.keys)))

    def _acknowledged_from(self, later: Ints, of_key: Ints) -> Ints:
        """Return, of a key, the first acknowledged of its writes from a place on."""
        made = np.flatnonzero(self.writes.is_made)
        if not len(made):
            return np.full(len(later), NONE, np.int64)
        over = dated([(self.writes.of_key[made], self.writes.ended_ns[made])], len(self.keys))[0]
        by_rank = np.argsort(over, kind="stable")
        rank = np.empty(len(made), np.int64)
        rank[by_rank] = np.arange(len(made))
        # The lowest from each place on: those of a key are below all of the key behind.
        first = np.minimum.accumulate(rank[::-1])[::-1]
        at = np.searchsorted(made, later)
        found = made[by_rank[first[np.minimum(at, len(made) - 1)]]]
        is_found = (at < len(made)) & (self.writes.of_key[found] == of_key)
        return np.where(is_found, found, NONE)

    def acknowledged_with(self, write: int) -> int:
        """Return the last begun of the writes of a key that were acknowledged at one instant."""
        writes = self.writes
        is_alike = writes.is_made & (writes.of_key == writes.of_key[write])
        is_alike &= writes.ended_ns == writes.ended_ns[write]
        return int(np.flatnonzero(is_alike)[-1])

    @cached_property
    def _first_of_key(self) -> Ints:
        first: Ints = np.searchsorted(self.writes.of_key, np.arange(len(self.keys))).astype(
            np.int64
        )
        return first


def versions_of(history: History) -> Iterator[Versions]:
    """Yield every key that was written, but for those that are incremented as well, in blocks."""
    for block in blocks_of(history, raised=False):
        yield _versions(block)


def _versions(block: Block) -> Versions:
    is_read = block.rows.is_read
    writes, reads = block.rows.where(~is_read), block.rows.where(is_read)
    writes = writes.where(_by_begin(writes, len(block.keys), stable=True))
    of_read, is_written = _written(writes, reads)
    is_ambiguous = np.bincount(_written(writes, writes)[0], minlength=len(writes)) > 1
    # A value that was read before its write was there before that as well.
    mine = of_read[is_written]
    read_ns = np.full(len(writes), FOREVER_NS, np.int64)
    np.minimum.at(read_ns, mine, reads.ended_ns[is_written])
    is_ambiguous |= read_ns < writes.began_ns
    is_known = ~is_written | ~is_ambiguous[of_read]
    looks, of_look = reads.where(is_known), np.where(is_written, of_read, NONE)[is_known]
    order = _by_begin(looks, len(block.keys), stable=False)
    return Versions(
        keys=block.keys, writes=writes, looks=looks.where(order), of_look=of_look[order]
    )


def _written(writes: Rows, rows: Rows) -> tuple[Ints, Mask]:
    """Return, a row, the first found of the writes of its key with its value, and if there is."""
    known = Lookup(*named(writes.of_key, writes.value, writes.is_absent))
    return known.find(*named(rows.of_key, rows.value, rows.is_absent))


def _by_begin(rows: Rows, keys: int, *, stable: bool) -> Ints:
    """Return rows in the order of key and begin, and of equal ones in that of what they say."""
    (began,) = dated([(rows.of_key, rows.began_ns)], keys)
    order = np.argsort(began)
    ordered = began[order]
    if not bool((ordered[1:] == ordered[:-1]).any()):
        return order
    if stable:
        return np.argsort(began, kind="stable")
    return np.lexsort((rows.user, rows.value, ~rows.is_absent, rows.ended_ns, began))


def newest_known(known: tuple[Words, Ints, Ints], asked: tuple[Words, Ints]) -> Ints:
    """Return, of what is asked, the newest that was known in its group before; NONE for nothing.

    Args:
        known: the group of each, when it was known, and when it began: the newest began last, and
            of equal ones was known first. Known at one instant are in the order given.
        asked: the group of each, and when it was asked.
    """
    groups, at_ns, began_ns = known
    every = distinct(groups)
    found = np.full(len(asked[0]), NONE, np.int64)
    of_asked, is_grouped = Lookup(every).find(asked[0])
    some = np.flatnonzero(is_grouped)
    if not len(some):
        return found
    of_known = Lookup(every).find(groups)[0]
    over, before = dated([(of_known, at_ns), (of_asked[some], asked[1][some])], len(every))
    order = np.argsort(over, kind="stable")
    (began,) = dated([(of_known[order], began_ns[order])], len(every))
    by_rank = len(order) - 1 - np.argsort(began[::-1], kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[by_rank] = np.arange(len(order))
    newest = by_rank[np.maximum.accumulate(rank)]
    at = np.searchsorted(over[order], before) - 1
    mine = order[newest[np.maximum(at, 0)]]
    is_found = (at >= 0) & (of_known[mine] == of_asked[some])
    found[some[is_found]] = mine[is_found]
    return found


def grouped(rows: Rows) -> NDArray[np.uint64]:
    """Return a word for the key and user of each row: equal ones are of one user and key."""
    words: Words = rows.of_key.astype(np.uint64) << _USER | rows.user
    return words
