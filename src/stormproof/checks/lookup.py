"""Where words are among known ones, and instants as small numbers: what joins tables of millions.

Theory of operation. A binary search among a million words waits for memory twenty times, one after
the other. Here each known row has a slot that follows from its words, or the next free one behind
it; looking up a million words at once is a few passes that wait side by side. Rows are compared
whole, so that words which share a slot are told apart. Words that somebody chose so that all share
one slot are searched for instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Indices = NDArray[np.int32] | NDArray[np.int64]
PROBES_MAX: Final = 100
TOGETHER: Final = 1 << 17  # rows looked up together: what that takes stays near the core
_SPREAD: Final = np.uint64(0x9E37_79B9_7F4A_7C15)  # odd: 2**64 over the golden ratio
_MIX: Final = np.uint64(0xD6E8_FEB8_6659_FD93)
_WORD_BITS: Final = 64


class Lookup:
    """Find rows of one or two columns of words among known rows, each known once."""

    def __init__(self, *known: Words) -> None:
        """Take the columns of the known rows."""
        self._known = known
        size = len(known[0])
        bits = max(4, (2 * size - 1).bit_length())
        self._shift = np.uint64(_WORD_BITS - bits)
        self._slots = np.full(1 << bits, -1, np.int32)
        self._probes = self._fill(size)

    def _fill(self, size: int) -> int:
        """Give each row a slot; return how many are looked at for any of them, 0 for too many."""
        slot, waiting = self._first_slot(self._known), np.arange(size, dtype=np.int32)
        for probes in range(1, PROBES_MAX + 1):
            free = self._slots[slot] < 0
            self._slots[slot[free]] = waiting[free]
            left = self._slots[slot] != waiting
            if not left.any():
                return probes
            waiting, slot = waiting[left], self._after(slot[left])
        return 0

    def _first_slot(self, columns: Sequence[Words]) -> Ints:
        words = columns[-1] * _SPREAD
        for column in columns[:-1]:
            words ^= words >> np.uint64(32)
            words += column
            words *= _MIX
        words >>= self._shift
        return words.view(np.int64)

    def _after(self, slot: Ints) -> Ints:
        after: Ints = (slot + 1) & (len(self._slots) - 1)
        return after

    def find(self, *words: Words) -> tuple[Ints, Mask]:
        """Return, a row, the index of the known row with the same words, and whether there is one.

        The index of what is not known is 0.
        """
        size = len(words[0])
        found, is_known = np.zeros(size, np.int64), np.zeros(size, np.bool_)
        if not len(self._known[0]):
            return found, is_known
        if not self._probes:
            return self._search(words)
        for start in range(0, size, TOGETHER):
            some = slice(start, start + TOGETHER)
            self._look(found[some], is_known[some], [one[some] for one in words])
        return found, is_known

    def _look(self, found: Ints, is_known: Mask, words: Sequence[Words]) -> None:
        """Look rows up in their slots, and then in those behind."""
        slot = self._first_slot(words)
        place = self._slots[slot]
        is_known[:] = (place >= 0) & self._is_same(place, words)
        waiting = np.flatnonzero((place >= 0) & ~is_known)
        found[is_known], slot = place[is_known], slot[waiting]
        for _ in range(1, self._probes):
            if not len(waiting):
                break
            slot = self._after(slot)
            place = self._slots[slot]
            is_here = (place >= 0) & self._is_same(place, [one[waiting] for one in words])
            found[waiting[is_here]], is_known[waiting[is_here]] = place[is_here], True
            is_elsewhere = (place >= 0) & ~is_here
            waiting, slot = waiting[is_elsewhere], slot[is_elsewhere]

    def _is_same(self, place: NDArray[np.int32], words: Sequence[Words]) -> Mask:
        """Return which words are those of the known row at `place`; -1 is any row."""
        same: Mask = self._known[0][place] == words[0]
        for known, column in zip(self._known[1:], words[1:], strict=True):
            same &= known[place] == column
        return same

    def _search(self, words: Sequence[Words]) -> tuple[Ints, Mask]:
        """Find rows without slots, by the ranks of their words."""
        known_code = np.zeros(len(self._known[0]), np.uint64)
        code, is_known = np.zeros(len(words[0]), np.uint64), np.ones(len(words[0]), np.bool_)
        for known, column in zip(self._known, words, strict=True):
            values = np.unique(known)
            rank = np.minimum(np.searchsorted(values, column), len(values) - 1)
            is_known &= values[rank] == column
            code = code * np.uint64(len(values)) + rank.astype(np.uint64)
            known_code *= np.uint64(len(values))
            known_code += np.searchsorted(values, known).astype(np.uint64)
        order = np.argsort(known_code)
        at = np.minimum(np.searchsorted(known_code[order], code), len(order) - 1)
        found = order[at]
        is_known &= known_code[found] == code
        return np.where(is_known, found, 0), is_known


def distinct(words: Words) -> Words:
    """Return each word once, rising: of millions, where `np.unique` hashes each by itself."""
    rising = np.sort(words)
    is_new = np.ones(len(rising), np.bool_)
    np.not_equal(rising[1:], rising[:-1], out=is_new[1:])
    return rising if is_new.all() else rising[is_new]


def dated(tables: Sequence[tuple[Indices, Ints]], keys: int) -> list[Ints]:
    """Return, a table of (index of the key, instant), numbers that order by key, then instant.

    Args:
        tables: the numbers of all of them compare with each other.
        keys: how many there are.
    """
    bits = _WORD_BITS - 1 - max(keys - 1, 0).bit_length()
    filled = [at_ns for _, at_ns in tables if len(at_ns)]
    first_ns = min((int(one.min()) for one in filled), default=0)
    last_ns = max((int(one.max()) for one in filled), default=0)
    if last_ns - first_ns < 1 << bits:
        return [_packed(key, bits, at_ns - first_ns) for key, at_ns in tables]
    known_ns = np.unique(np.concatenate(filled))
    return [_packed(key, bits, np.searchsorted(known_ns, at_ns)) for key, at_ns in tables]


def _packed(key: Indices, bits: int, low: Ints) -> Ints:
    words = key.astype(np.int64)
    words <<= bits
    words |= low
    return words
