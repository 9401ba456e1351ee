"""Exact delivery: every acknowledged message reached every member once, whole, and nobody else.

Theory of operation. Messages are ranked by (scope, acknowledged first, number), so that what a
member is owed is a range of ranks: from the first acknowledged number above its JOINED to the end
of its scope. A delivery is one 64-bit word, member index << 32 | rank; sorted, all deliveries of a
member lie together, doubles lie side by side, and what is missing from a range shows by counting.

What is owed depends on what the record can say. Drained (every segment whole, the drain ended):
everything from the first JOINED on. Otherwise only what the order of numbers proves: within one
session a higher number arrived, so that all acknowledged ones between its `after` and it were due.

Source: Jepsen, `checker.clj` (set-full, total-queue): lost, duplicated, unexpected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stormproof.checks.ledger import (
    MEMBER_SHIFT,
    SCOPE_SHIFT,
    SLICE,
    TURN_SHIFT,
    Entries,
    Ledger,
    Receipts,
    Words,
    read_ledger,
    read_receipts,
)
from stormproof.model.ledger import EntryKind

UNSURE = (EntryKind.INVOKE, EntryKind.UNKNOWN)  # without an answer that tells
RANK_MASK = np.uint64(0xFFFF_FFFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What members are owed: for each row a member's index and its ranks [low, high)."""

    member: Words
    low: Words
    high: Words

    @property
    def deliveries(self) -> int:
        """Return how many deliveries are owed."""
        return int((self.high - self.low).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Everything that the ledger says about delivery; `missing` are pairs like `received`."""

    ledger: Ledger
    receipts: Receipts
    received: Words
    doubled: Words
    missing: Words
    lost: Words  # ranks of messages that at least one member misses, rising
    owed: int
    unheard: Words  # ranks of acknowledged messages that nobody was owed, rising
    reordered: int  # first deliveries that came after a higher number of the same session
    acknowledged: int
    recovered: int  # messages whose sending is unknown, and that arrived
    refused: Words  # keys of messages that were refused and yet delivered


def tally_deliveries(segments: Sequence[Entries], *, drained: bool, whole: bool) -> Tally:
    """Count what was delivered and what was not.

    Args:
        segments: the ledger of each worker, in the order written.
        drained: all that was to arrive has arrived; what is missing is lost.
        whole: no segment was cut off.
    """
    ledger = read_ledger(segments)
    receipts = read_receipts(segments, ledger, whole=whole)
    received, doubled = _split_doubles(receipts.pairs)
    owed = owed_drained(ledger) if drained else owed_in_order(ledger, receipts)
    missing = _missing(owed, received)
    state = ledger.messages.state
    arrived = np.zeros(len(state), np.bool_)
    for start in range(0, len(received), SLICE):
        arrived[(received[start : start + SLICE] & RANK_MASK).astype(np.int64)] = True
    late = np.concatenate([received[:0], *receipts.late])
    return Tally(
        ledger=ledger,
        receipts=receipts,
        received=received,
        doubled=doubled,
        missing=missing,
        lost=np.unique(missing & RANK_MASK),
        owed=owed.deliveries,
        unheard=_unheard(ledger),
        reordered=int(np.count_nonzero(~np.isin(late, doubled))),
        acknowledged=int(np.count_nonzero(state == EntryKind.OK)),
        recovered=int(np.count_nonzero(arrived & np.isin(state, UNSURE))),
        refused=ledger.messages.key[arrived & (state == EntryKind.FAIL)],
    )


def _split_doubles(pairs: Words) -> tuple[Words, Words]:
    """Return rising pairs once each, and every repetition beyond the first."""
    again = np.zeros(len(pairs), np.bool_)
    np.equal(pairs[1:], pairs[:-1], out=again[1:])
    if not again.any():
        return pairs, pairs[:0]
    return pairs[~again], pairs[again]


def owed_drained(ledger: Ledger) -> Owed:
    """Return every acknowledged number above each member's first JOINED."""
    members, order = ledger.members, ledger.messages.order
    base = members.scope_index << np.uint64(SCOPE_SHIFT)
    return Owed(
        member=np.arange(len(members.member), dtype=np.uint64),
        low=_places(order, base + (members.after + 1).astype(np.uint64)),
        high=_places(order, base + np.uint64(1 << MEMBER_SHIFT)),
    )


def _unheard(ledger: Ledger) -> Words:
    """Return the acknowledged messages above no member's first JOINED: nobody can miss them."""
    owed = owed_drained(ledger)
    change = np.zeros(len(ledger.messages.order) + 1, np.int64)
    np.add.at(change, owed.low.astype(np.int64), 1)
    np.subtract.at(change, owed.high.astype(np.int64), 1)
    nobody = np.cumsum(change)[:-1] == 0
    return np.flatnonzero(nobody & (ledger.messages.state == EntryKind.OK)).astype(np.uint64)


def owed_in_order(ledger: Ledger, receipts: Receipts) -> Owed:
    """Return, a session, every acknowledged number between its `after` and the highest it got."""
    members, order = ledger.members, ledger.messages.order
    proven = (members.turn_after >= 0) & (receipts.heights > members.turn_after)
    member = members.turn[proven] >> np.uint64(TURN_SHIFT)
    base = members.scope_index[member.astype(np.int64)] << np.uint64(SCOPE_SHIFT)
    return Owed(
        member=member,
        low=_places(order, base + (members.turn_after[proven] + 1).astype(np.uint64)),
        high=_places(order, base + (receipts.heights[proven] + 1).astype(np.uint64)),
    )


def _places(order: Words, words: Words) -> Words:
    return np.searchsorted(order, words).astype(np.uint64)


def _missing(owed: Owed, received: Words) -> Words:
    """Return what is owed and not received, as pairs, rising, each once."""
    base = owed.member << np.uint64(MEMBER_SHIFT)
    first = np.searchsorted(received, base | owed.low)
    last = np.searchsorted(received, base | owed.high)
    short = np.flatnonzero((last - first) < (owed.high - owed.low).astype(np.int64))
    found = [np.empty(0, np.uint64)]
    for row in short:
        low, high = int(owed.low[row]), int(owed.high[row])
        absent = np.ones(high - low, np.bool_)
        absent[
            ((received[first[row] : last[row]] & RANK_MASK) - owed.low[row]).astype(np.int64)
        ] = False
        found.append(base[row] | (np.flatnonzero(absent).astype(np.uint64) + owed.low[row]))
    return np.unique(np.concatenate(found))
