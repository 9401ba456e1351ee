"""What of the registers is decided without a search: a sweep over all keys of a block at once.

Theory of operation. Where every operation of a key had ended before the next began, there is one
order only: each read, and each comparison, must give what the operation ahead of it left. What
went on at once is a stretch, with the operation ahead of it, which fixes the value, and the one
behind. In a stretch of plain writes of values of their own, reads name their write. A value's zone
goes from the first end to the last begin of its write and reads: all of it must come before another
value one of whose operations began later than one of its own had ended. Two values that must both
come before the other are a contradiction, and there is an order where no two are (a cycle among
more would hold one among two). Zones that go forwards must not overlap, and none that goes
backwards may lie within one that goes forwards. All other stretches are for the search.

Source: Herlihy and Wing, 1990 (locality); Gibbons and Korach, "Testing shared memories", 1997
(zones).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from stormproof.checks.history import Bytes, Ints, Mask
from stormproof.checks.ledger import FOREVER_NS, Words
from stormproof.checks.lookup import Lookup
from stormproof.checks.register_blocks import Block, Rows, named
from stormproof.model.history import Function

NO_SOONER: Final = np.iinfo(np.int64).max
UNDECIDED, HOLDS, BROKEN = np.arange(3, dtype=np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretches:
    """Stretches of keys that are not known to hold, each a range of `rows` as the ledger has them.

    `at` orders those of a key, and what `Sweep.off` names. Of one that is known to be broken
    `conflict` are two rows: of the later value, and of that which it may have been.
    """

    rows: Rows
    edges: Ints
    key: Words
    at: Ints
    is_broken: Mask
    conflict: Ints

    def __len__(self) -> int:
        """Return the number of stretches."""
        return len(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What a sweep over a block found.

    `off` and `ahead` are operations that do not give what the one ahead of them left, the first of
    each key, and that one.
    """

    samples: int
    off: Rows
    ahead: Rows
    off_key: Words
    off_at: Ints
    stretches: Stretches


def sweep(block: Block) -> Sweep:
    """Decide what can be decided of a block of keys without a search."""
    rows = relevant(block.rows, block.is_raised)
    began, over = rows.dated(len(block.keys))
    order = np.argsort(began)
    began, over, of_key = began[order], over[order], rows.of_key[order]
    is_same_key = np.zeros(len(rows), np.bool_)
    np.equal(of_key[1:], of_key[:-1], out=is_same_key[1:])
    is_alone = _alone(began, over) & ~block.is_raised[of_key]
    off = np.flatnonzero(is_alone & is_same_key & _before(is_alone))
    off = off[_contradicts(rows, order[off], order[off - 1])]
    off = off[np.unique(of_key[off], return_index=True)[1]]
    return Sweep(
        samples=_samples(rows, len(block.keys)),
        off=rows.where(order[off]),
        ahead=rows.where(order[off - 1]),
        off_key=block.keys[of_key[off]],
        off_at=2 * off,
        stretches=_stretches(block, rows, order, (began, over), is_alone, is_same_key),
    )


def _samples(rows: Rows, keys: int) -> int:
    """Return how many could have been wrong: reads, and compare-and-sets that were made, that began
    when a change of their key had been acknowledged."""
    changed = rows.is_made & ~rows.is_read
    first_ns = np.full(keys, FOREVER_NS, np.int64)
    np.minimum.at(first_ns, rows.of_key[changed], rows.ended_ns[changed])
    tells = rows.is_read | ((rows.function == Function.CAS) & rows.is_made)
    return int(np.count_nonzero(tells & (rows.began_ns > first_ns[rows.of_key])))


def relevant(rows: Rows, is_raised: Mask) -> Rows:
    """Leave out unknown writes whose value nobody saw: without them as much is explained.

    Args:
        rows: with all that names a value that any of them names.
        is_raised: a key: it was incremented, so that no value tells what was seen.
    """
    lost = np.flatnonzero(~rows.is_made & ~rows.is_read & ~is_raised[rows.of_key])
    if not len(lost):
        return rows
    known = Lookup(*named(rows.of_key[lost], rows.value[lost], rows.is_absent[lost]))
    is_seen = np.zeros(len(lost), np.bool_)
    read, compared = rows.is_read, rows.function == Function.CAS
    for of_key, value, is_absent in (
        (rows.of_key[read], rows.value[read], rows.is_absent[read]),
        (rows.of_key[compared], rows.other[compared], rows.expects_absent[compared]),
    ):
        at, is_known = known.find(*named(of_key, value, is_absent))
        is_seen[at[is_known]] = True
    at, _ = known.find(*named(rows.of_key[lost], rows.value[lost], rows.is_absent[lost]))
    is_kept = np.ones(len(rows), np.bool_)
    is_kept[lost] = is_seen[at]
    return rows.where(is_kept)


def _before(mask: Mask) -> Mask:
    """Return, a row, what is so of the one ahead of it."""
    return np.concatenate([[False], mask[:-1]])


def _behind(mask: Mask) -> Mask:
    """Return, a row, what is so of the one behind it."""
    return np.concatenate([mask[1:], [False]])


def _alone(began: Ints, over: Ints) -> Mask:
    """Return which operations, in order of their begin, went on while no other of their key did."""
    is_first = np.ones(len(began), np.bool_)
    np.less(np.maximum.accumulate(over)[:-1], began[1:], out=is_first[1:])
    is_first[:-1] &= is_first[1:]
    return is_first


def _contradicts(rows: Rows, some: Ints, ahead: Ints) -> Mask:
    """Return which operations do not give what others left, all having gone on alone."""
    compares = (rows.function[some] == Function.CAS) & rows.is_made[some]
    given = np.where(compares, rows.other[some], rows.value[some])
    is_absent = np.where(compares, rows.expects_absent[some], rows.is_absent[some])
    differs: Mask = (given != rows.value[ahead]) | (is_absent != rows.is_absent[ahead])
    differs &= (rows.function[some] == Function.READ) | compares
    return differs


def _stretches(
    block: Block,
    rows: Rows,
    order: Ints,
    dated: tuple[Ints, Ints],
    is_alone: Mask,
    is_same_key: Mask,
) -> Stretches:
    """Return the stretches that are not known to hold."""
    is_held = ~is_alone
    is_held |= _behind(~is_alone & is_same_key) | (_before(~is_alone) & is_same_key)
    held = np.flatnonzero(is_held)
    is_first = (~(is_same_key & _before(is_held)))[held]
    edges = np.append(np.flatnonzero(is_first), len(held))
    order = order[held]
    of_stretch = np.cumsum(is_first) - 1
    found = Zones(
        function=np.where(is_first & is_alone[held], Function.WRITE, rows.function[order]),
        value=rows.value[order],
        is_absent=rows.is_absent[order],
        of_stretch=of_stretch,
        edges=edges,
        began=dated[0][held],
        over=dated[1][held],
    )
    states, conflict = found.judge()
    left = np.flatnonzero(states != HOLDS)
    chosen = np.flatnonzero((states != HOLDS)[of_stretch])
    as_told = chosen[np.lexsort((order[chosen], of_stretch[chosen]))]
    new = np.zeros(len(held), np.int64)
    new[as_told] = np.arange(len(as_told))
    sizes = np.diff(edges)[left]
    return Stretches(
        rows=rows.where(order[as_told]),
        edges=np.concatenate([[0], np.cumsum(sizes)]),
        key=block.keys[rows.of_key[order[edges[left]]]],
        at=2 * held[edges[left]] + 1,
        is_broken=states[left] == BROKEN,
        conflict=new[conflict[left]],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """The values of stretches, each with its rows, from one edge to the next.

    Attributes:
        first_over: the first end of what is of a value.
        last_began: its last begin.
        write_over: the first end of its writes, later than everything where there is none.
        is_unwritten: whether nobody wrote it.
        is_clear: whether its reads name its write.
    """

    rows: Ints
    edges: Ints
    of_stretch: Ints
    first_over: Ints
    last_began: Ints
    write_over: Ints
    is_unwritten: Mask
    is_clear: Mask

    def conflicts(self) -> tuple[Ints, Ints]:
        """Return pairs of values that must both come before the other."""
        return conflicting(self.first_over, self.last_began, self.of_stretch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Zones:
    """Stretches side by side, their operations in order of key and begin.

    `began` and `over` order by key, then instant, so that they compare within a stretch, and what
    is of a later stretch is higher.
    """

    function: Bytes
    value: Words
    is_absent: Mask
    of_stretch: Ints
    edges: Ints
    began: Ints
    over: Ints

    def judge(self) -> tuple[Bytes, Ints]:
        """Return the state of each stretch, and two rows of one that is BROKEN.

        These are the later operation of two values that must both come before the other, and one
        of the other value.
        """
        number = len(self.edges) - 1
        states = np.full(number, UNDECIDED, np.uint8)
        conflict = np.zeros((number, 2), np.int64)
        is_plain = np.isin(self.function, (Function.READ, Function.WRITE))
        mine = np.flatnonzero(_all_of(is_plain, self.of_stretch, number)[self.of_stretch])
        if not len(mine):
            return states, conflict
        every = self.values(mine)
        states[every.of_stretch] = HOLDS
        states[every.of_stretch[~every.is_clear]] = UNDECIDED
        is_judged = states == HOLDS
        states[every.of_stretch[every.conflicts()[0]]] = UNDECIDED
        sure = self.values(self._sure_of(every))
        one, other = sure.conflicts()
        is_meant = is_judged[sure.of_stretch[one]]
        one, other = one[is_meant], other[is_meant]
        states[sure.of_stretch[one]] = BROKEN
        # Of two the one whose last operation began later, and of all these the earliest.
        is_one = sure.last_began[one] >= sure.last_began[other]
        later, earlier = np.where(is_one, one, other), np.where(is_one, other, one)
        told = np.argsort(sure.last_began[later], kind="stable")
        told = told[np.unique(sure.of_stretch[later[told]], return_index=True)[1]]
        for value, before in zip(later[told].tolist(), earlier[told].tolist(), strict=True):
            some = sure.rows[sure.edges[value] : sure.edges[value + 1]]
            last = some[np.argmax(self.began[some])]
            conflict[sure.of_stretch[value]] = (last, sure.rows[sure.edges[before]])
        return states, conflict

    def _sure_of(self, every: Values) -> Ints:
        """Return the rows of values without the reads that may have found the same from before.

        A read that began before the write of its value was over may have found what was there ahead
        of all writes, if that was the same. It was not where a first operation by itself tells what
        it was, or a read of what nobody wrote.
        """
        is_told = self._begin_alone()
        is_told[every.of_stretch[every.is_unwritten]] = True
        number = every.edges[1:] - every.edges[:-1]
        rows = every.rows
        is_sure = (self.function[rows] == Function.WRITE) | is_told[self.of_stretch[rows]]
        is_sure |= self.began[rows] > np.repeat(every.write_over, number)
        sure: Ints = rows[is_sure]
        return sure

    def _begin_alone(self) -> Mask:
        """Return, a stretch, whether its first operation was over before any other began."""
        first, following = self.edges[:-1], np.minimum(self.edges[:-1] + 1, len(self.began) - 1)
        is_alone: Mask = self.over[first] < self.began[following]
        return is_alone | (self.edges[1:] - self.edges[:-1] < 2)

    def _by_value(self, mine: Ints) -> tuple[Ints, Ints]:
        """Return rows by stretch and value, and where each value begins."""
        value, is_absent = self.value[mine], self.is_absent[mine]
        of_stretch = 2 * self.of_stretch[mine] + is_absent
        order = np.lexsort((value, of_stretch))
        value, of_stretch = value[order], of_stretch[order]
        is_new = np.ones(len(mine), np.bool_)
        is_new[1:] = (value[1:] != value[:-1]) | (of_stretch[1:] != of_stretch[:-1])
        return mine[order], np.flatnonzero(is_new)

    def values(self, mine: Ints) -> Values:
        """Return the values of some rows.

        Reads name their write where it was written at most once, and none of them had ended before
        that. What was not written was there ahead of everything.
        """
        mine, starts = self._by_value(mine)
        is_write = self.function[mine] == Function.WRITE
        began, over = self.began[mine], self.over[mine]
        writes = np.add.reduceat(is_write.astype(np.int64), starts)
        written = np.minimum.reduceat(np.where(is_write, began, NO_SOONER), starts)
        write_over = np.minimum.reduceat(np.where(is_write, over, NO_SOONER), starts)
        read_over = np.minimum.reduceat(np.where(is_write, NO_SOONER, over), starts)
        of_stretch = self.of_stretch[mine[starts]]
        ahead = self.began[self.edges[of_stretch]] - 1
        return Values(
            rows=mine,
            edges=np.append(starts, len(mine)),
            of_stretch=of_stretch,
            first_over=np.where(writes == 0, ahead, np.minimum.reduceat(over, starts)),
            last_began=np.maximum.reduceat(began, starts),
            write_over=write_over,
            is_unwritten=writes == 0,
            is_clear=(writes <= 1) & ((writes == 0) | (read_over >= written)),
        )


def _all_of(mask: Mask, of_group: Ints, groups: int) -> Mask:
    """Return, a group, whether something is so of all that is of it."""
    is_all = np.ones(groups, np.bool_)
    is_all[of_group[~mask]] = False
    return is_all


def conflicting(first_over: Ints, last_began: Ints, of_stretch: Ints) -> tuple[Ints, Ints]:
    """Return pairs of values of a stretch that must both come before the other.

    At least one pair of each stretch that has any.
    """
    ahead = np.flatnonzero(first_over < last_began)
    ahead = ahead[np.argsort(first_over[ahead], kind="stable")]
    one, other = ahead[:-1], ahead[1:]
    meets = (first_over[other] < last_began[one]) & (of_stretch[one] == of_stretch[other])
    back = np.flatnonzero(first_over >= last_began)
    at = np.searchsorted(first_over[ahead], last_began[back]) - 1
    back, around = back[at >= 0], ahead[at[at >= 0]]
    within = (first_over[back] < last_began[around]) & (of_stretch[back] == of_stretch[around])
    return (
        np.concatenate([one[meets], back[within]]),
        np.concatenate([other[meets], around[within]]),
    )
