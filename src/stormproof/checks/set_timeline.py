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

from stormproof.checks.history import History, Ints, Mask, Reads, Table
from stormproof.checks.ledger import FOREVER_NS, Words
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
class Timeline:
    """All elements, the reads of their keys by rank, and sightings that are odd.

    `strange` are (value, read) of what nobody added; `repeated` (element, read) of what one read
    held more than once.
    """

    elements: Elements
    reads: Reads
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
    keys = np.unique(adds.key)
    values = np.unique(adds.value)
    pairs, first = np.unique(_pairs(adds, keys, values), return_index=True)
    reads = _ranked(history.reads.of(Function.READ_SET), keys)
    of_key = (pairs >> _HALF).astype(np.int64)
    newest = _newest(reads, keys)[of_key]
    removed_ns = _removed_ns(history.changes.of(Function.REMOVE), pairs, keys, values)
    upto = _judged_upto(reads, keys, of_key, newest, removed_ns)
    scan = _Scan(
        history=history,
        reads=reads,
        read_keys=np.searchsorted(keys, reads.key).astype(np.uint64),
        values=values,
        pairs=pairs,
        is_direct=len(keys) == 1,
        upto=upto,
        expected=upto.copy(),
        present=np.full(len(pairs), NEVER, np.int64),
        seen_ns=np.full(len(pairs), FOREVER_NS, np.int64),
    )
    for low, high in _portions(reads.count):
        scan.take(low, high)
    oldest = newest - _reads_per_key(reads, keys)[of_key]
    began_ns, added_ns, refused = _outcomes(adds, pairs, keys, values)
    first_read_ns = _first_read_ns(reads, keys)[of_key]
    seen_first = scan.seen_ns < began_ns
    is_missed_first = (first_read_ns < began_ns) & ~seen_first
    elements = Elements(
        key=adds.key[first],
        value=adds.value[first],
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


def _followed(history: History) -> Table:
    """Return all adds but those to sets of which only totals were asked."""
    adds, reads = history.changes.of(Function.ADD), history.reads
    only_counted = np.setdiff1d(reads.of(Function.TOTAL).key, reads.of(Function.READ_SET).key)
    return adds.where(~np.isin(adds.key, only_counted)) if len(only_counted) else adds


def _pairs(table: Table, keys: Words, values: Words) -> Words:
    """Return index of the key << 32 | index of the value; both must be known."""
    high = np.searchsorted(keys, table.key).astype(np.uint64)
    return high << _HALF | np.searchsorted(values, table.value).astype(np.uint64)


def _ranked(reads: Reads, keys: Words) -> Reads:
    """Return the reads of known keys, by key and then by when they began."""
    mine = reads.where(np.isin(reads.key, keys))
    return mine.where(np.lexsort((mine.began_ns, mine.key)))


def _newest(reads: Reads, keys: Words) -> Ints:
    """Return, a key, the rank of its newest read; one below its oldest where there is none."""
    return np.searchsorted(reads.key, keys, side="right").astype(np.int64) - 1


def _reads_per_key(reads: Reads, keys: Words) -> Ints:
    right = np.searchsorted(reads.key, keys, side="right")
    return (right - np.searchsorted(reads.key, keys, side="left")).astype(np.int64)


def _portions(count: Ints) -> Iterator[tuple[int, int]]:
    """Yield ranges of ranks from the newest on, of about `TOGETHER` sightings each."""
    upto = np.concatenate([[0], np.cumsum(count)])
    high = len(count)
    while high > 0:
        low = int(np.searchsorted(upto, upto[high] - TOGETHER, side="left"))
        low = min(low, high - 1)
        yield low, high
        high = low


def _first_read_ns(reads: Reads, keys: Words) -> Ints:
    """Return, a key, when the first of its reads ended; FOREVER_NS where there is none."""
    first_ns = np.full(len(keys), FOREVER_NS, np.int64)
    np.minimum.at(first_ns, np.searchsorted(keys, reads.key), reads.ended_ns)
    return first_ns


def _outcomes(adds: Table, pairs: Words, keys: Words, values: Words) -> tuple[Ints, Ints, Mask]:
    """Return when the first add of each element began, when the first of them was acknowledged,
    and whether all were refused."""
    at = np.searchsorted(pairs, _pairs(adds, keys, values))
    began_ns = np.full(len(pairs), FOREVER_NS, np.int64)
    np.minimum.at(began_ns, at, adds.began_ns)
    added_ns = np.full(len(pairs), FOREVER_NS, np.int64)
    made = adds.step == Step.OK
    np.minimum.at(added_ns, at[made], adds.ended_ns[made])
    refused = np.ones(len(pairs), np.bool_)
    refused[at[adds.step != Step.REFUSED]] = False
    return began_ns, added_ns, refused


def _removed_ns(removes: Table, pairs: Words, keys: Words, values: Words) -> Ints:
    """Return when the first removal of each element began that may have been made."""
    maybe = removes.where(removes.step != Step.REFUSED)
    known = maybe.where(np.isin(maybe.key, keys) & np.isin(maybe.value, values))
    removed_ns = np.full(len(pairs), FOREVER_NS, np.int64)
    if len(known) and len(pairs):
        at, is_pair = _find(pairs, _pairs(known, keys, values))
        np.minimum.at(removed_ns, at[is_pair], known.began_ns[is_pair])
    return removed_ns


def _judged_upto(reads: Reads, keys: Words, of_key: Ints, newest: Ints, removed_ns: Ints) -> Ints:
    """Return, an element, the newest read whose silence says something about it.

    That is the last one before the first that may have met a removal of it.
    """
    upto = newest.copy()
    removed = np.flatnonzero(removed_ns < FOREVER_NS)
    if not len(removed):
        return upto
    begins = np.searchsorted(reads.key, keys)
    ends = np.searchsorted(reads.key, keys, side="right")
    starts = np.flatnonzero(np.diff(of_key[removed], prepend=-1))
    for low, high in zip(starts, np.append(starts[1:], len(removed)), strict=True):
        mine = removed[low:high]
        begin, end = int(begins[of_key[mine[0]]]), int(ends[of_key[mine[0]]])
        latest_ns = np.maximum.accumulate(reads.ended_ns[begin:end])
        upto[mine] = begin + np.searchsorted(latest_ns, removed_ns[mine]) - 1
    return upto


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scan:
    """What is known of all elements from the reads newer than those taken next."""

    history: History
    reads: Reads
    read_keys: Words  # the index of each read's key
    values: Words
    pairs: Words
    is_direct: bool  # an element's number is that of its value: there is one key
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
        before = np.repeat(np.cumsum(count) - count, count)
        found = self.history.elements[np.repeat(first, count) + np.arange(len(rank)) - before]
        element, is_known = _find(self.values, found)
        if not self.is_direct:
            pair = self.read_keys[rank] << _HALF | element.astype(np.uint64)
            element, is_pair = _find(self.pairs, pair)
            is_known &= is_pair
        if not is_known.all():
            self.strange.add(found[~is_known], rank[~is_known])
            element, rank = element[is_known], rank[is_known]
        older: Words = (high - rank).astype(np.uint64)
        return element.astype(np.uint64) << _HALF | older

    def _split(self, sightings: Words, high: int) -> tuple[Ints, Ints]:
        older = (sightings & np.uint64(0xFFFF_FFFF)).astype(np.int64)
        return (sightings >> _HALF).astype(np.int64), high - older


def _find(known: Words, words: Words) -> tuple[Ints, Mask]:
    """Return where each word is among rising ones, and whether it is there."""
    places = np.minimum(np.searchsorted(known, words), len(known) - 1)
    return places, known[places] == words
