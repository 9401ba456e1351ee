"""When each element of each set was known, last seen and last missed, over all reads.

Theory of operation. Elements are numbered by (key, value), reads by (key, begin). Reads are gone
through from the newest of each key to the oldest, many at once. While every read so far held an
element, the read expected next is one lower; the first that is not the expected one shows that the
expected one missed the element, and nothing older can change that. So one number an element is
all that is kept, however many reads there are.

Source: Jepsen, `checker.clj`, set-full: known, last present, last absent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stormproof.checks.history import Changes, History, Ints, Mask, Reads
from stormproof.checks.ledger import FOREVER_NS, Words
from stormproof.checks.lookup import Lookup, dated
from stormproof.model.history import Function, Step

TOGETHER: Final = 1 << 20  # sightings looked at together
SHOWN_MAX: Final = 100
_HALF: Final = np.uint64(32)
NEVER: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Elements:
    """Every element that was ever added, by (key, value): a row an element.

    `known_ns` is the earlier of the first acknowledgement and the end of the first read that held
    it, FOREVER_NS for never; `present` and `absent` are the ranks of the reads begun last that held
    and that missed it, NEVER for none. Where somebody may have removed it, only reads count as
    missing it that had ended before, with all reads of the set that had begun earlier.
    """

    key: Words
    value: Words
    added_ns: Ints  # when the first add of it was acknowledged
    known_ns: Ints
    present: Ints
    absent: Ints
    refused: Mask  # every add of it was refused
    removed: Mask  # somebody may have removed it
    seen_first: Mask  # a read held it that ended before its first add began
    missed_first_ns: Ints  # when such a read ended, none having held it; FOREVER_NS for none

    def __len__(self) -> int:
        """Return the number of elements."""
        return len(self.key)


@dataclass(slots=True, kw_only=True)
class Sightings:
    """What reads held that they should not: how often, and the first few as (element, read)."""

    count: int = 0
    shown: list[tuple[int, int]] = field(default_factory=list)

    def add(self, elements: Words | Ints, ranks: Ints) -> None:
        """Count sightings."""
        self.count += len(elements)
        room = SHOWN_MAX - len(self.shown)
        few = zip(elements[:room].tolist(), ranks[:room].tolist(), strict=True)
        self.shown += few


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """The reads of sets that elements were added to, by rank: by key, then begin."""

    of_key: Ints  # the index of each one's key among those that were added to
    key: Words
    user: NDArray[np.uint32]
    began_ns: Ints
    ended_ns: Ints
    first: Ints
    count: Ints

    def __len__(self) -> int:
        """Return the number of reads."""
        return len(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """All elements, the reads of their keys by rank, and sightings that are odd.

    `strange` are (value, read) of what nobody added; `repeated` (element, read) of what one read
    held more than once.
    """

    elements: Elements
    reads: Looks
    strange: Sightings
    repeated: Sightings

    @property
    def is_refused_seen(self) -> Mask:
        """Which elements were not there at first, were always refused, and came all the same."""
        elements = self.elements
        mask: Mask = self._is_refused_held.copy()
        rows = np.flatnonzero(mask)
        began_ns = self.reads.began_ns[elements.present[rows]]
        mask[rows] = began_ns > elements.missed_first_ns[rows]
        return mask

    @property
    def is_refused_doubtful(self) -> Mask:
        """Which elements were always refused, and seen, and may have been there at first."""
        mask: Mask = self._is_refused_held & ~self.elements.seen_first & ~self.is_refused_seen
        return mask

    @property
    def _is_refused_held(self) -> Mask:
        mask: Mask = self.elements.refused & (self.elements.present > NEVER)
        return mask


def timeline_of(history: History) -> Timeline:
    """Follow every added element through every read of its key."""
    adds = _followed(history)
    added = _added(adds)
    reads = _ranked(history.reads.of(Function.READ_SET), added.keys)
    edges = np.searchsorted(reads.of_key, np.arange(len(added.keys) + 1)).astype(np.int64)
    oldest, newest = edges[:-1][added.of_key] - 1, edges[1:][added.of_key] - 1
    known = Lookup(added.of_key.view(np.uint64), added.value)
    removed_ns = _removed_ns(history.changes.of(Function.REMOVE), added, known)
    upto = _judged_upto(reads, added, newest, removed_ns)
    scan = _Scan(
        history=history,
        reads=reads,
        known=known,
        upto=upto,
        expected=upto.copy(),
        present=np.full(len(added.key), NEVER, np.int64),
        seen_ns=np.full(len(added.key), FOREVER_NS, np.int64),
    )
    for low, high in _portions(reads.count):
        scan.take(low, high)
    began_ns, added_ns, refused = _outcomes(adds, added)
    first_read_ns = _first_read_ns(reads, len(added.keys))[added.of_key]
    seen_first = scan.seen_ns < began_ns
    is_missed_first = (first_read_ns < began_ns) & ~seen_first
    elements = Elements(
        key=added.key,
        value=added.value,
        added_ns=added_ns,
        known_ns=np.minimum(added_ns, scan.seen_ns),
        present=scan.present,
        absent=np.where(scan.expected > oldest, scan.expected, NEVER),
        refused=refused,
        removed=removed_ns < FOREVER_NS,
        seen_first=seen_first,
        missed_first_ns=np.where(is_missed_first, first_read_ns, FOREVER_NS),
    )
    return Timeline(elements=elements, reads=reads, strange=scan.strange, repeated=scan.repeated)


def _followed(history: History) -> Changes:
    """Return all adds but those to sets of which only totals were asked, or that no journey read
    because a final read is made of what is stored."""
    adds, reads = history.changes.of(Function.ADD), history.reads
    stored = np.array(sorted(history.stored), np.uint64)
    others = np.concatenate([reads.of(Function.TOTAL).key, stored])
    unfollowed = np.setdiff1d(others, reads.of(Function.READ_SET).key)
    return adds.where(~np.isin(adds.key, unfollowed)) if len(unfollowed) else adds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Added:
    """Every element once, by (key, value), and which one each add is of."""

    keys: Words
    key: Words
    value: Words
    of_key: Ints  # the index of each element's key
    of_add: Ints


def _added(adds: Changes) -> _Added:
    key, value = adds.key, adds.value
    order = np.lexsort((value, key))
    key, value = key[order], value[order]
    is_new_key, is_new = np.ones(len(key), np.bool_), np.ones(len(key), np.bool_)
    np.not_equal(key[1:], key[:-1], out=is_new_key[1:])
    is_new[1:] = is_new_key[1:] | (value[1:] != value[:-1])
    of_add = np.empty(len(key), np.int64)
    of_add[order] = np.cumsum(is_new) - 1
    return _Added(
        keys=key[is_new_key],
        key=key[is_new],
        value=value[is_new],
        of_key=(np.cumsum(is_new_key) - 1)[is_new],
        of_add=of_add,
    )


def _ranked(reads: Reads, keys: Words) -> Looks:
    """Return the reads of known keys, by key and then by when they began."""
    of_key, is_known = Lookup(keys).find(reads.key)
    mine, of_key = reads.where(is_known), of_key[is_known]
    order = np.argsort(dated([(of_key, mine.began_ns)], len(keys))[0], kind="stable")
    mine = mine.where(order)
    return Looks(
        of_key=of_key[order],
        key=mine.key,
        user=mine.user,
        began_ns=mine.began_ns,
        ended_ns=mine.ended_ns,
        first=mine.first,
        count=mine.count,
    )


def _portions(count: Ints) -> Iterator[tuple[int, int]]:
    """Yield ranges of ranks from the newest on, of about `TOGETHER` sightings each."""
    upto = np.concatenate([[0], np.cumsum(count)])
    high = len(count)
    while high > 0:
        low = int(np.searchsorted(upto, upto[high] - TOGETHER, side="left"))
        low = min(low, high - 1)
        yield low, high
        high = low


def _first_read_ns(reads: Looks, keys: int) -> Ints:
    """Return, a key, when the first of its reads ended; FOREVER_NS where there is none."""
    first_ns = np.full(keys, FOREVER_NS, np.int64)
    np.minimum.at(first_ns, reads.of_key, reads.ended_ns)
    return first_ns


def _outcomes(adds: Changes, added: _Added) -> tuple[Ints, Ints, Mask]:
    """Return when the first add of each element began, when the first of them was acknowledged,
    and whether all were refused."""
    began_ns = np.full(len(added.key), FOREVER_NS, np.int64)
    np.minimum.at(began_ns, added.of_add, adds.began_ns)
    added_ns = np.full(len(added.key), FOREVER_NS, np.int64)
    made = adds.step == Step.OK
    np.minimum.at(added_ns, added.of_add[made], adds.ended_ns[made])
    refused = np.ones(len(added.key), np.bool_)
    refused[added.of_add[adds.step != Step.REFUSED]] = False
    return began_ns, added_ns, refused


def _removed_ns(removes: Changes, added: _Added, known: Lookup) -> Ints:
    """Return when the first removal of each element began that may have been made."""
    maybe = removes.where(removes.step != Step.REFUSED)
    removed_ns = np.full(len(added.key), FOREVER_NS, np.int64)
    of_key, is_key = Lookup(added.keys).find(maybe.key)
    at, is_element = known.find(of_key.view(np.uint64), maybe.value)
    is_element &= is_key
    np.minimum.at(removed_ns, at[is_element], maybe.began_ns[is_element])
    return removed_ns


def _judged_upto(reads: Looks, added: _Added, newest: Ints, removed_ns: Ints) -> Ints:
    """Return, an element, the newest read whose silence says something about it.

    That is the last one before the first that may have met a removal of it.
    """
    upto = newest.copy()
    removed = np.flatnonzero(removed_ns < FOREVER_NS)
    over, gone = dated(
        [(reads.of_key, reads.ended_ns), (added.of_key[removed], removed_ns[removed])],
        len(added.keys),
    )
    # The latest so far of each key: those of a key are above all of the key before.
    upto[removed] = np.searchsorted(np.maximum.accumulate(over), gone) - 1
    return upto


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scan:
    """What is known of all elements from the reads newer than those taken next."""

    history: History
    reads: Looks
    known: Lookup  # of the elements, by index of the key and value
    upto: Ints  # the newest read whose silence counts
    expected: Ints
    present: Ints
    seen_ns: Ints
    strange: Sightings = field(default_factory=Sightings)
    repeated: Sightings = field(default_factory=Sightings)

    def take(self, low: int, high: int) -> None:
        """Take the reads of the ranks [low, high), which are the next older ones."""
        sightings = self._sightings(low, high)
        if not len(sightings):
            return
        sightings.sort()
        again = np.zeros(len(sightings), np.bool_)
        np.equal(sightings[1:], sightings[:-1], out=again[1:])
        if again.any():
            element, rank = self._split(np.unique(sightings[again]), high)
            self.repeated.add(element, rank)
            sightings = sightings[~again]
        element, rank = self._split(sightings, high)
        is_judged = rank <= self.upto[element]
        if not is_judged.all():
            self._see(element[~is_judged], rank[~is_judged])
            element, rank = element[is_judged], rank[is_judged]
            if not len(element):
                return
        starts = np.flatnonzero(np.concatenate([[True], element[1:] != element[:-1]]))
        mine = element[starts]
        lengths = np.diff(np.append(starts, len(element)))
        place = np.arange(len(element)) - np.repeat(starts, lengths)
        missed = rank != np.repeat(self.expected[mine], lengths) - place
        run = np.minimum.reduceat(np.where(missed, place, len(element)), starts)
        self.expected[mine] -= np.minimum(run, lengths)
        self.present[mine] = np.maximum(self.present[mine], rank[starts])
        seen_ns = np.minimum.reduceat(self.reads.ended_ns[rank], starts)
        self.seen_ns[mine] = np.minimum(self.seen_ns[mine], seen_ns)

    def _see(self, element: Ints, rank: Ints) -> None:
        """Note sightings of elements that may have been removed by then."""
        np.maximum.at(self.present, element, rank)
        np.minimum.at(self.seen_ns, element, self.reads.ended_ns[rank])

    def _sightings(self, low: int, high: int) -> Words:
        """Return element << 32 | how much older than rank `high` each read is that held it."""
        count, first = self.reads.count[low:high], self.reads.first[low:high]
        rank = np.repeat(np.arange(low, high), count)
        found = self.history.elements.of(first, count)
        of_key = np.repeat(self.reads.of_key[low:high], count).view(np.uint64)
        element, is_known = self.known.find(of_key, found)
        if not is_known.all():
            self.strange.add(found[~is_known], rank[~is_known])
            element, rank = element[is_known], rank[is_known]
        older: Words = (high - rank).astype(np.uint64)
        return element.astype(np.uint64) << _HALF | older

    def _split(self, sightings: Words, high: int) -> tuple[Ints, Ints]:
        older = (sightings & np.uint64(0xFFFF_FFFF)).astype(np.int64)
        return (sightings >> _HALF).astype(np.int64), high - older
