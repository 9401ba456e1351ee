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
from stormproof.checks.ledger import Words
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
    rows = relevant(block)
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
        samples=_samples(rows),
        off=rows.where(order[off]),
        ahead=rows.where(order[off - 1]),
        off_key=block.keys[of_key[off]],
        off_at=2 * off,
        stretches=_stretches(block, rows, order, (began, over), is_alone, is_same_key),
    )


def _samples(rows: Rows) -> int:
    """Return how many say what a key was: reads, and compare-and-sets that were made."""
    return int(np.count_nonzero(rows.is_read | ((rows.function == Function.CAS) & rows.is_made)))


def relevant(block: Block) -> Rows:
    """Leave out unknown writes whose value nobody saw: without them as much is explained."""
    rows = block.rows
    lost = np.flatnonzero(~rows.is_made & ~rows.is_read & ~block.is_raised[rows.of_key])
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
    found = _Zones(
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
class _Zones:
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
        mine, starts = self._by_value(mine)
        first_over, last_began, is_clear = self._zones(mine, starts)
        of_stretch = self.of_stretch[mine[starts]]
        is_judged = np.zeros(number, np.bool_)
        is_judged[of_stretch] = True
        is_judged[of_stretch[~is_clear]] = False
        states[is_judged] = HOLDS
        one, other = _conflicts(first_over, last_began, of_stretch)
        is_meant = is_judged[of_stretch[one]]
        one, other = one[is_meant], other[is_meant]
        states[of_stretch[one]] = BROKEN
        # Of two the one whose last operation began later, and of all these the earliest.
        is_one = last_began[one] >= last_began[other]
        later, earlier = np.where(is_one, one, other), np.where(is_one, other, one)
        told = np.argsort(last_began[later], kind="stable")
        told = told[np.unique(of_stretch[later[told]], return_index=True)[1]]
        ends = np.append(starts[1:], len(mine))
        for value, before in zip(later[told].tolist(), earlier[told].tolist(), strict=True):
            some = mine[starts[value] : ends[value]]
            last = some[np.argmax(self.began[some])]
            conflict[of_stretch[value]] = (last, mine[starts[before]])
        return states, conflict

    def _by_value(self, mine: Ints) -> tuple[Ints, Ints]:
        """Return rows by stretch and value, and where each value begins."""
        value, is_absent = self.value[mine], self.is_absent[mine]
        of_stretch = 2 * self.of_stretch[mine] + is_absent
        order = np.lexsort((value, of_stretch))
        value, of_stretch = value[order], of_stretch[order]
        is_new = np.ones(len(mine), np.bool_)
        is_new[1:] = (value[1:] != value[:-1]) | (of_stretch[1:] != of_stretch[:-1])
        return mine[order], np.flatnonzero(is_new)

    def _zones(self, mine: Ints, starts: Ints) -> tuple[Ints, Ints, Mask]:
        """Return, a value, its first end, its last begin, and whether its reads name its write.

        They do where it was written at most once, and none of them had ended before that. What was
        not written was there ahead of everything.
        """
        is_write = self.function[mine] == Function.WRITE
        began, over = self.began[mine], self.over[mine]
        writes = np.add.reduceat(is_write.astype(np.int64), starts)
        written = np.minimum.reduceat(np.where(is_write, began, NO_SOONER), starts)
        read_over = np.minimum.reduceat(np.where(is_write, NO_SOONER, over), starts)
        first_over = np.minimum.reduceat(over, starts)
        ahead = self.began[self.edges[self.of_stretch[mine[starts]]]] - 1
        is_clear = (writes <= 1) & ((writes == 0) | (read_over >= written))
        return (
            np.where(writes == 0, ahead, first_over),
            np.maximum.reduceat(began, starts),
            is_clear,
        )


def _all_of(mask: Mask, of_group: Ints, groups: int) -> Mask:
    """Return, a group, whether something is so of all that is of it."""
    is_all = np.ones(groups, np.bool_)
    is_all[of_group[~mask]] = False
    return is_all


def _conflicts(first_over: Ints, last_began: Ints, of_stretch: Ints) -> tuple[Ints, Ints]:
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
