"""The ledgers of all workers as one, read a column at a time.

Nothing of an entry is copied before somebody asks for it: a ledger of millions is held once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stormproof.checks.ledger import Entries, Words
from stormproof.model.history import ELEMENTS_PER_ENTRY, OPERATION_FIELDS, Step

Ints = NDArray[np.int64]
Places = NDArray[np.uint32]
_ELEMENTS: Final = ("key", "value", "other")  # where an entry holds three


@dataclass(frozen=True, slots=True)
class Segments:
    """The ledgers of all workers, end to end: the place of an entry is its index among all."""

    parts: tuple[Entries, ...]

    @property
    def starts(self) -> Ints:
        """Return the place of each ledger's first entry, and one behind the last."""
        return np.cumsum([0, *(len(one) for one in self.parts)])

    def column(self, name: str, places: Places | Ints) -> NDArray[Any]:
        """Return a field of some entries."""
        if len(self.parts) == 1:
            return self.parts[0][name][places]
        found = np.empty(len(places), np.dtype(OPERATION_FIELDS)[name])
        starts = self.starts
        is_rising = bool((places[1:] >= places[:-1]).all())
        edges = np.searchsorted(places, starts.astype(places.dtype)) if is_rising else starts
        for index, (start, part) in enumerate(zip(starts.tolist(), self.parts, strict=False)):
            rows: Any = slice(edges[index], edges[index + 1])
            if not is_rising:
                rows = np.flatnonzero((places >= start) & (places < start + len(part)))
            found[rows] = part[name][places[rows] - start]
        return found


@dataclass(frozen=True, slots=True)
class Held:
    """The elements of all reads of sets, three an entry: those of a read are a range of it."""

    segments: Segments

    def __getitem__(self, some: slice) -> Words:
        """Return the elements of one read, `first : first + count`."""
        first, end = int(some.start), int(some.stop)
        return self.of(np.array([first]), np.array([end - first]))

    def of(self, first: Ints, count: Ints) -> Words:
        """Return the elements of reads, one read after the other.

        Raises:
            ValueError: they are not where a worker writes them.
        """
        pieces = pieces_of(count)
        before = np.cumsum(pieces) - pieces
        places = np.arange(pieces.sum())
        places += np.repeat(first // ELEMENTS_PER_ENTRY - before, pieces)
        if len(places) and (
            places.min() < 0 or bool((self.segments.column("kind", places) != Step.ELEMENTS).any())
        ):
            raise ValueError("the elements of a read are not ahead of it")
        three = np.empty((len(places), ELEMENTS_PER_ENTRY), np.uint64)
        for index, name in enumerate(_ELEMENTS):
            three[:, index] = self.segments.column(name, places)
        over = np.flatnonzero(count % ELEMENTS_PER_ENTRY)
        if not len(over):
            return three.ravel()
        is_held = np.ones(three.shape, np.bool_)
        last = (before + pieces - 1)[over]
        is_held[last] = np.arange(ELEMENTS_PER_ENTRY) < (count % ELEMENTS_PER_ENTRY)[over][:, None]
        held: Words = three[is_held]
        return held


def pieces_of(count: Ints) -> Ints:
    """Return how many entries hold so many elements."""
    pieces: Ints = -(-count // ELEMENTS_PER_ENTRY)
    return pieces
