"""What users may rely on who read sets: to find what they added, and what they found before."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from stormproof.checks.history import Reads, Told
from stormproof.checks.ledger import FOREVER_NS
from stormproof.kernel.limits import SET_COMPARISONS_MAX, SET_ENTRIES_HELD_MAX
from stormproof.model.history import Function, Step


class Missed(NamedTuple):
    """A read that misses an element which its user added, or had found, by `known_ns`."""

    key: int
    element: int
    user: int
    began_ns: int
    ended_ns: int
    known_ns: int


class TooMany(Exception):
    """Sets so large, read so often, that comparing them would take too long, or too much room."""


class _Look(NamedTuple):
    began_ns: int
    ended_ns: int
    elements: frozenset[int]


def without_own(told: Told) -> Iterator[Missed | None]:
    """Yield, a read of a set to which its user had added before, what it misses of that, or None.

    Raises:
        TooMany: there is more to compare than is allowed.
    """
    adds = told.history.changes.of(Function.ADD)
    adds = adds.where(adds.step == Step.OK)
    own: dict[tuple[int, int], list[tuple[int, int]]] = {}
    columns = (adds.user, adds.key, adds.ended_ns, adds.value)
    for user, key, ended_ns, value in zip(*(one.tolist() for one in columns), strict=True):
        own.setdefault((user, key), []).append((ended_ns, value))
    removed, compared = _removed(told), 0
    for (user, key), looks in _looks(told):
        waiting = sorted(own.get((user, key), ()), reverse=True)
        compared += len(looks) * len(waiting)
        if compared > SET_COMPARISONS_MAX:
            raise TooMany
        yield from _missed(user, key, looks, waiting, removed)


def without_found(told: Told) -> Iterator[Missed | None]:
    """Yield, a read of a set of which its user had read some before, what it misses, or None.

    Raises:
        TooMany: there is more to compare than is allowed.
    """
    removed, compared = _removed(told), 0
    for (user, key), looks in _looks(told):
        first_ns: dict[int, int] = {}
        for look in looks:
            for element in look.elements:
                first_ns[element] = min(first_ns.get(element, FOREVER_NS), look.ended_ns)
        waiting = sorted(((at_ns, element) for element, at_ns in first_ns.items()), reverse=True)
        compared += len(looks) * len(waiting)
        if compared > SET_COMPARISONS_MAX:
            raise TooMany
        yield from _missed(user, key, looks, waiting, removed)


def _missed(
    user: int,
    key: int,
    looks: list[_Look],
    waiting: list[tuple[int, int]],
    removed: AbstractSet[tuple[int, int]],
) -> Iterator[Missed | None]:
    """Yield what is missed by each look before which something was known, `waiting` newest first.

    None: nothing.
    """
    known: dict[int, int] = {}
    for look in looks:
        while waiting and waiting[-1][0] < look.began_ns:
            at_ns, element = waiting.pop()
            if (key, element) not in removed:
                known.setdefault(element, at_ns)
        if not known:
            continue
        missing = known.keys() - look.elements
        first = min(missing, key=known.__getitem__, default=None)
        if first is None:
            yield None
        else:
            yield Missed(key, first, user, look.began_ns, look.ended_ns, known[first])


def _looks(told: Told) -> Iterator[tuple[tuple[int, int], list[_Look]]]:
    """Yield the reads of each set by each user, in order of their begin."""
    reads = told.history.reads.of(Function.READ_SET)
    sizes = int(reads.count.sum())
    if sizes > SET_COMPARISONS_MAX:
        raise TooMany
    reads = reads.where(np.lexsort((reads.began_ns, reads.key, reads.user)))
    changed = (reads.user[1:] != reads.user[:-1]) | (reads.key[1:] != reads.key[:-1])
    edges = [0, *(np.flatnonzero(changed) + 1).tolist(), len(reads)]
    for low, high in pairwise(edges if len(reads) else []):
        if int(reads.count[low:high].sum()) > SET_ENTRIES_HELD_MAX:
            raise TooMany
        looks = [_look(told, reads, row) for row in range(low, high)]
        yield (int(reads.user[low]), int(reads.key[low])), looks


def _look(told: Told, reads: Reads, row: int) -> _Look:
    first, count = int(reads.first[row]), int(reads.count[row])
    elements = told.history.elements[first : first + count].tolist()
    return _Look(int(reads.began_ns[row]), int(reads.ended_ns[row]), frozenset(elements))


def _removed(told: Told) -> AbstractSet[tuple[int, int]]:
    removes = told.history.changes.of(Function.REMOVE)
    removes = removes.where(removes.step != Step.REFUSED)
    return set(zip(removes.key.tolist(), removes.value.tolist(), strict=True))
