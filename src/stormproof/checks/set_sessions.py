"""What users may rely on who read sets: to find what they added, and what they found before.

Theory of operation. Reads are grouped by user and set. Of each group it is known which elements its
user should find from which instant on: those that somebody may have removed are left out. A read
lacks something when it holds fewer of the elements known before it began than there are. So no two
reads are compared, and the work grows with what the reads hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from stormproof.checks.history import Changes, History, Ints, Mask, Reads
from stormproof.checks.ledger import Words
from stormproof.checks.lookup import Lookup, dated
from stormproof.kernel.limits import FINDINGS_LISTED_MAX, SET_ENTRIES_HELD_MAX
from stormproof.model.history import Function, Step

TOGETHER: Final = 1 << 20  # elements that are looked at together
_HALF: Final = np.uint64(32)


class Missed(NamedTuple):
    """A read that misses an element which its user added, or had found, by `known_ns`."""

    key: int
    element: int
    user: int
    began_ns: int
    ended_ns: int
    known_ns: int


@dataclass(slots=True, kw_only=True)
class Missing:
    """How many reads could have missed something, how many did, and the first of these.

    `is_too_large`: what one user read of one set is too much to be held at once.
    """

    samples: int = 0
    count: int = 0
    shown: list[Missed] = field(default_factory=list)
    is_too_large: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looks:
    """Reads of sets by user, set and begin; those of one user and set are a group."""

    history: History
    reads: Reads
    of_group: Ints
    groups: int
    began_ns: Ints
    count: Ints

    def held(self, rows: Ints) -> tuple[Words, Ints]:
        """Return the elements of reads, and which of `rows` each is of."""
        count = self.count[rows]
        held = self.history.elements.of(self.reads.where(rows).first, count)
        return held, np.repeat(np.arange(len(rows)), count)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """Elements that the user of a group should find in its set, each from an instant on."""

    of_group: Ints
    element: Words
    from_ns: Ints

    def where(self, some: Mask) -> _Known:
        """Return some of the elements."""
        return _Known(
            of_group=self.of_group[some], element=self.element[some], from_ns=self.from_ns[some]
        )

    def before(self, of_group: Ints, began_ns: Ints, groups: int) -> Ints:
        """Return, a read, how many elements of its group were known when it began."""
        known, asked = dated([(self.of_group, self.from_ns), (of_group, began_ns)], groups)
        number = np.bincount(self.of_group, minlength=groups)
        begin = np.cumsum(number) - number
        known.sort()
        counts: Ints = np.searchsorted(known, asked) - begin[of_group]
        return counts


def without_own(history: History) -> Missing:
    """Find reads of sets that lack what their users had added before."""
    looks, missing = history.once(_looks), Missing()
    adds = history.changes.of(Function.ADD)
    known = _added(looks, adds.where(adds.step == Step.OK), history.once(_removed))
    due = known.before(looks.of_group, looks.began_ns, looks.groups)
    tried = np.flatnonzero(due > 0)
    missing.samples = len(tried)
    among = Lookup(known.of_group.view(np.uint64), known.element)
    for low, high in _portions(looks.count[tried], np.arange(len(tried))):
        rows = tried[low:high]
        held, look = looks.held(rows)
        at, is_known = among.find(looks.of_group[rows][look].view(np.uint64), held)
        is_known &= known.from_ns[at] < looks.began_ns[rows][look]
        found = look[is_known].astype(np.uint64) << _HALF | at[is_known].view(np.uint64)
        found.sort()
        is_new = np.ones(len(found), np.bool_)
        np.not_equal(found[1:], found[:-1], out=is_new[1:])
        _take(missing, looks, known, rows, due[rows], (found[is_new] >> _HALF).view(np.int64))
    return missing


def without_found(history: History) -> Missing:
    """Find reads of sets that lack what their users had found there before."""
    looks, missing = history.once(_looks), Missing()
    removed = history.once(_removed)
    number = np.bincount(looks.of_group, minlength=looks.groups)
    again = np.flatnonzero(number[looks.of_group] > 1)
    sizes = np.bincount(looks.of_group[again], weights=looks.count[again], minlength=looks.groups)
    if sizes.max(initial=0) > SET_ENTRIES_HELD_MAX:
        missing.is_too_large = True
        return missing
    for low, high in _portions(looks.count[again], looks.of_group[again]):
        rows = again[low:high]
        held, look = looks.held(rows)
        of_group = looks.of_group[rows]
        order = np.lexsort((held, of_group[look]))
        held, look = held[order], look[order]
        is_new = np.ones(len(held), np.bool_)
        is_new[1:] = (held[1:] != held[:-1]) | (of_group[look[1:]] != of_group[look[:-1]])
        known, at = _first_found(looks, rows, held, look, is_new)
        _, is_removed = removed.find(looks.reads.where(rows[look[is_new]]).key, known.element)
        is_held = known.from_ns[at] < looks.began_ns[rows][look]
        is_held &= ~is_removed[at]
        is_held[1:] &= is_new[1:] | (look[1:] != look[:-1])
        known = known.where(~is_removed)
        due = known.before(of_group, looks.began_ns[rows], looks.groups)
        missing.samples += int(np.count_nonzero(due))
        _take(missing, looks, known, rows, due, look[is_held])
    return missing


def _first_found(
    looks: _Looks, rows: Ints, held: Words, look: Ints, is_new: Mask
) -> tuple[_Known, Ints]:
    """Return when each element was found first in its group, and which one each sighting is of."""
    starts = np.flatnonzero(is_new)
    ended_ns = looks.reads.where(rows).ended_ns
    from_ns = ended_ns[look]
    if len(starts):
        from_ns = np.minimum.reduceat(from_ns, starts)
    known = _Known(
        of_group=looks.of_group[rows[look[starts]]], element=held[starts], from_ns=from_ns
    )
    return known, np.cumsum(is_new) - 1


def _take(
    missing: Missing, looks: _Looks, known: _Known, rows: Ints, due: Ints, found: Ints
) -> None:
    """Count reads that hold fewer of the known elements than are due; `found`: whose each is."""
    short = rows[np.bincount(found, minlength=len(rows)) < due]
    missing.count += len(short)
    for row in short[: FINDINGS_LISTED_MAX - len(missing.shown)].tolist():
        missing.shown.append(_missed(looks, known, row))


def _missed(looks: _Looks, known: _Known, row: int) -> Missed:
    """Return what a read misses: of all that the element which was known first."""
    read, began_ns = looks.reads.where(np.array([row])), int(looks.began_ns[row])
    some = known.where((known.of_group == looks.of_group[row]) & (known.from_ns < began_ns))
    order = np.lexsort((some.element, some.from_ns))
    from_ns = dict(zip(some.element[order].tolist(), some.from_ns[order].tolist(), strict=True))
    held, _ = looks.held(np.array([row]))
    missing = from_ns.keys() - frozenset(held.tolist())
    first = min(missing, key=from_ns.__getitem__)
    user, key, ended_ns = int(read.user[0]), int(read.key[0]), int(read.ended_ns[0])
    return Missed(key, first, user, began_ns, ended_ns, from_ns[first])


def _looks(history: History) -> _Looks:
    reads = history.reads.of(Function.READ_SET)
    reads = reads.where(np.lexsort((reads.began_ns, reads.key, reads.user))).unkept()
    user, key = reads.user, reads.key
    is_new = np.ones(len(reads), np.bool_)
    is_new[1:] = (user[1:] != user[:-1]) | (key[1:] != key[:-1])
    of_group = np.cumsum(is_new) - 1
    return _Looks(
        history=history,
        reads=reads,
        of_group=of_group,
        groups=int(np.count_nonzero(is_new)),
        began_ns=reads.began_ns,
        count=reads.count,
    )


def _added(looks: _Looks, adds: Changes, removed: Lookup) -> _Known:
    """Return the elements that users added to sets which they read, from their acknowledgement."""
    first = np.flatnonzero(np.diff(looks.of_group, prepend=-1))
    groups = looks.reads.where(first)
    of_group, is_read = Lookup(groups.key, groups.user.astype(np.uint64)).find(
        adds.key, adds.user.astype(np.uint64)
    )
    is_meant = is_read & ~removed.find(adds.key, adds.value)[1]
    adds, of_group = adds.where(is_meant), of_group[is_meant]
    element, ended_ns = adds.value, adds.ended_ns
    order = np.lexsort((ended_ns, element, of_group))
    of_group, element = of_group[order], element[order]
    is_new = np.ones(len(order), np.bool_)
    is_new[1:] = (of_group[1:] != of_group[:-1]) | (element[1:] != element[:-1])
    return _Known(
        of_group=of_group[is_new], element=element[is_new], from_ns=ended_ns[order][is_new]
    )


def _removed(history: History) -> Lookup:
    """Return what somebody may have removed from which set."""
    removes = history.changes.of(Function.REMOVE)
    removes = removes.where(removes.step != Step.REFUSED)
    return Lookup(removes.key, removes.value)


def _portions(count: Ints, of_group: Ints) -> Iterator[tuple[int, int]]:
    """Yield ranges of reads with about as many elements as are looked at together.

    Those of a group, which rise, are not parted.
    """
    if not len(count):
        return
    portion = (np.cumsum(count + 1) - count - 1) // TOGETHER
    first = np.flatnonzero(np.diff(of_group, prepend=-1))
    portion = np.repeat(portion[first], np.diff(np.append(first, len(count))))
    edges = [0, *(np.flatnonzero(np.diff(portion)) + 1).tolist(), len(count)]
    yield from pairwise(edges)
