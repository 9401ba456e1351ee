"""The ledger as tables: messages in rank order, members, sessions, and deliveries between them.

Receipts are the bulk of a ledger: they are read in slices, and each becomes 8 bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.kernel.units import SECOND_NS
from stormproof.model.ledger import FLAG_CORRUPTED, NUMPY_FIELDS, EntryKind

Words = NDArray[np.uint64]
Entries = NDArray[np.void]
SLICE = 1 << 20  # entries looked at together
JOIN_GRACE_NS = 5 * SECOND_NS  # a receipt that came with the handshake precedes its JOINED
NO_DIGEST = 2**64 - 1  # no text has it: its length would not fit
SCOPE_SHIFT = 33
MEMBER_SHIFT = 32
TURN_SHIFT = 40
FOREVER_NS = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """Every message that was sent, in rank order: by (scope, acknowledged first, number).

    `order` holds scope index << 33 | unacknowledged << 32 | number; `state` the last outcome's
    EntryKind (INVOKE: none); `by_key` and `ranks` map a key to its rank.
    """

    key: Words
    order: Words
    scope: Words
    number: Words
    digest: Words
    state: NDArray[np.uint8]
    by_key: Words
    ranks: NDArray[np.int64]

    def ranks_of(self, keys: Words) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the rank of each key, and whether there is such a message."""
        if not len(self.by_key):
            return np.zeros(len(keys), np.int64), np.zeros(len(keys), np.bool_)
        places = np.minimum(np.searchsorted(self.by_key, keys), len(self.by_key) - 1)
        return self.ranks[places], self.by_key[places] == keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """Every (user, scope) that ever joined: `member` is user << 32 | scope, rising.

    `after` is the number of the first JOINED. Sessions are JOINED and LEFT in order: `turn` is
    member index << 40 | position in the ledger, `turn_after` the JOINED's number, -1 for LEFT.
    """

    member: Words
    scope_index: Words
    after: NDArray[np.int64]
    turn: Words
    turn_after: NDArray[np.int64]

    def indices_of(self, members: Words) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the index of each user << 32 | scope, and whether it ever joined."""
        if not len(self.member):
            return np.zeros(len(members), np.int64), np.zeros(len(members), np.bool_)
        places = np.minimum(np.searchsorted(self.member, members), len(self.member) - 1)
        return places.astype(np.int64), self.member[places] == members


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What was sent by whom to which members.

    `ambiguous` holds the keys whose acknowledged number is not theirs alone: it is another
    message's too, or the same message was acknowledged under two.
    """

    messages: Messages
    members: Members
    ambiguous: Words


class Delivery(NamedTuple):
    """One receipt that should not be, as a witness."""

    key: int
    user: int
    scope: int
    number: int
    at_ns: int


def deliveries_of(entries: Entries) -> list[Delivery]:
    """Return a few receipts as witnesses."""
    names = ("key", "user", "scope", "number", "at_ns")
    return [Delivery(*(int(entry[name]) for name in names)) for entry in entries]


@dataclass(slots=True, kw_only=True)
class Suspects:
    """Count receipts of a kind that should not be; keep the first ones."""

    count: int = 0
    first: list[Delivery] = field(default_factory=list)

    def add(self, entries: Entries) -> None:
        """Count entries."""
        self.count += len(entries)
        self.first += deliveries_of(entries[: FINDINGS_LISTED_MAX - len(self.first)])


@dataclass(slots=True, kw_only=True)
class Receipts:
    """Every receipt: `pairs` (member index << 32 | rank, rising) and those that should not be.

    `heights` holds the highest number that came in each turn of `Members`, -1 for none; `late`
    the pairs that came below it within a session, `late_first` the first of these receipts.
    """

    pairs: Words
    heights: NDArray[np.int64]
    late: list[Words] = field(default_factory=list)
    late_first: list[tuple[int, Delivery]] = field(default_factory=list)  # with its pair
    foreign: Suspects = field(default_factory=Suspects)
    corrupted: Suspects = field(default_factory=Suspects)
    unexpected: Suspects = field(default_factory=Suspects)
    misnumbered: Suspects = field(default_factory=Suspects)


def slices(segments: Sequence[Entries]) -> Iterator[tuple[int, Entries, Entries]]:
    """Yield (position in the whole ledger, some entries, the segment they are from)."""
    position = 0
    for segment in segments:
        for start in range(0, len(segment), SLICE):
            yield position + start, segment[start : start + SLICE], segment
        position += len(segment)


def read_ledger(segments: Sequence[Entries]) -> Ledger:
    """Read everything but the receipts: what was sent and acknowledged, and who joined what."""
    sent = columns(segments, EntryKind.INVOKE)
    acknowledged = columns(segments, EntryKind.OK)
    turns = columns(segments, EntryKind.JOINED, EntryKind.LEFT)
    keys = np.concatenate([sent["key"], acknowledged["key"]])
    by_key, first = np.unique(keys, return_index=True)
    scope = np.concatenate([sent["scope"], acknowledged["scope"]])[first]
    unknown = np.full(len(acknowledged["key"]), NO_DIGEST, np.uint64)
    digest = np.concatenate([sent["digest"], unknown])[first]
    state = np.full(len(by_key), EntryKind.INVOKE, np.uint8)
    for kind in (EntryKind.UNKNOWN, EntryKind.FAIL):
        state[np.isin(by_key, columns(segments, kind)["key"])] = kind
    places = np.searchsorted(by_key, acknowledged["key"])
    state[places] = EntryKind.OK
    number = np.zeros(len(by_key), np.uint64)
    number[places] = acknowledged["number"]
    twice = np.unique(acknowledged["key"][number[places] != acknowledged["number"]])
    scopes = np.unique(np.concatenate([scope, turns["scope"]]))
    messages = _rank(by_key, scopes, scope, number, digest, state)
    return Ledger(
        messages=messages,
        members=_read_members(turns, scopes),
        ambiguous=np.union1d(twice, _sharing_a_number(messages)),
    )


def _sharing_a_number(messages: Messages) -> Words:
    """Return the keys acknowledged under a number that another message of the scope has."""
    shared = np.zeros(len(messages.order), np.bool_)
    np.equal(messages.order[1:], messages.order[:-1], out=shared[1:])
    keys: Words = messages.key[shared & (messages.state == EntryKind.OK)]
    return keys


def columns(segments: Sequence[Entries], *kinds: EntryKind) -> dict[str, Words]:
    """Return the columns of all entries of some kinds, and their `position` in the ledger."""
    names = ("kind", "user", "scope", "number", "key", "digest", "at_ns")
    found: dict[str, list[Words]] = {name: [] for name in (*names, "position")}
    for position, part, _ in slices([*segments, np.empty(0, np.dtype(NUMPY_FIELDS))]):
        where = np.flatnonzero(np.isin(part["kind"], kinds))
        found["position"].append((where + position).astype(np.uint64))
        for name in names:
            found[name].append(part[name][where].astype(np.uint64))
    empty = np.empty(0, np.uint64)
    return {name: np.concatenate([empty, *columns]) for name, columns in found.items()}


def _rank(
    by_key: Words,
    scopes: Words,
    scope: Words,
    number: Words,
    digest: Words,
    state: NDArray[np.uint8],
) -> Messages:
    """Put messages, given in key order, into rank order."""
    order = np.searchsorted(scopes, scope).astype(np.uint64) << np.uint64(SCOPE_SHIFT)
    order |= (state != EntryKind.OK).astype(np.uint64) << np.uint64(MEMBER_SHIFT)
    order |= number
    by_rank = np.argsort(order, kind="stable")
    ranks = np.empty(len(by_key), np.int64)
    ranks[by_rank] = np.arange(len(by_key))
    return Messages(
        key=by_key[by_rank],
        order=order[by_rank],
        scope=scope[by_rank],
        number=number[by_rank],
        digest=digest[by_rank],
        state=state[by_rank],
        by_key=by_key,
        ranks=ranks,
    )


def _read_members(turns: dict[str, Words], scopes: Words) -> Members:
    joins = turns["kind"] == EntryKind.JOINED
    every = turns["user"] << np.uint64(MEMBER_SHIFT) | turns["scope"]
    member, first = np.unique(every[joins], return_index=True)
    known = np.isin(every, member)  # a LEFT alone makes nobody a member
    index = np.searchsorted(member, every[known]).astype(np.uint64)
    turn = index << np.uint64(TURN_SHIFT) | turns["position"][known]
    after = np.where(joins, turns["number"].astype(np.int64), -1)[known]
    by_turn = np.argsort(turn)
    scope = turns["scope"][joins][first]
    return Members(
        member=member,
        scope_index=np.searchsorted(scopes, scope).astype(np.uint64),
        after=turns["number"][joins][first].astype(np.int64),
        turn=turn[by_turn],
        turn_after=after[by_turn],
    )


def read_receipts(segments: Sequence[Entries], ledger: Ledger, *, whole: bool) -> Receipts:
    """Read all receipts and hold each against what was sent and who is a member.

    Args:
        segments: the ledger.
        ledger: what `read_ledger` returned for it.
        whole: every segment is whole. If not, a key that is not in it may have been sent all the
            same, and a receipt at its very end may have come just before its JOINED.
    """
    total = sum(
        int(np.count_nonzero(part["kind"] == EntryKind.RECEIVED)) for _, part, _ in slices(segments)
    )
    receipts = Receipts(
        pairs=np.empty(total, np.uint64),
        heights=np.full(len(ledger.members.turn), -1, np.int64),
    )
    filled = 0
    for position, part, segment in slices(segments):
        where = np.flatnonzero(part["kind"] == EntryKind.RECEIVED)
        end_ns = FOREVER_NS if whole else int(segment["at_ns"][-1]) - JOIN_GRACE_NS
        entries = part[where]
        pairs, fine = _read_slice(entries, ledger, receipts, whole=whole, said_until_ns=end_ns)
        receipts.pairs[filled : filled + len(pairs)] = pairs
        filled += len(pairs)
        below = _raise_heights(receipts.heights, ledger.members, entries, where + position)
        _note_late(receipts, entries[fine & below], pairs[below[fine]])
    receipts.pairs = receipts.pairs[:filled]
    receipts.pairs.sort()
    return receipts


def _read_slice(
    entries: Entries, ledger: Ledger, receipts: Receipts, *, whole: bool, said_until_ns: int
) -> tuple[Words, NDArray[np.bool_]]:
    """Return the deliveries to members among some receipts, and which receipts these are.

    Counts those that should not be.
    """
    messages = ledger.messages
    ranks, is_sent = messages.ranks_of(entries["key"])
    flagged = (entries["flags"] & FLAG_CORRUPTED) != 0
    is_unreadable = flagged & (entries["key"] == 0)
    is_sent &= ~is_unreadable
    members, is_member = ledger.members.indices_of(_member_words(entries))
    elsewhere = np.zeros(len(entries), np.bool_)
    altered = np.zeros(len(entries), np.bool_)
    renumbered = np.zeros(len(entries), np.bool_)
    digests = messages.digest[ranks[is_sent]]
    elsewhere[is_sent] = messages.scope[ranks[is_sent]] != entries["scope"][is_sent]
    altered[is_sent] = (digests != entries["digest"][is_sent]) & (digests != NO_DIGEST)
    renumbered[is_sent] = messages.number[ranks[is_sent]] != entries["number"][is_sent]
    renumbered[is_sent] &= messages.state[ranks[is_sent]] == EntryKind.OK
    stranger = ~is_member & (entries["at_ns"] <= max(0, said_until_ns))
    receipts.corrupted.add(entries[flagged | altered])
    receipts.foreign.add(entries[is_sent & (elsewhere | stranger)])
    receipts.misnumbered.add(entries[renumbered & ~elsewhere])
    if whole:
        receipts.unexpected.add(entries[~is_sent & ~is_unreadable])
    fine = is_sent & ~elsewhere & is_member
    pairs = members[fine].astype(np.uint64) << np.uint64(MEMBER_SHIFT)
    return pairs | ranks[fine].astype(np.uint64), fine


def _note_late(receipts: Receipts, entries: Entries, pairs: Words) -> None:
    """Keep the receipts that came below a number their session had already."""
    if not len(pairs):
        return
    receipts.late.append(pairs)
    room = FINDINGS_LISTED_MAX - len(receipts.late_first)
    shown = zip(pairs[:room].tolist(), deliveries_of(entries[:room]), strict=True)
    receipts.late_first += shown


def _member_words(entries: Entries) -> Words:
    words: Words = entries["user"].astype(np.uint64) << np.uint64(MEMBER_SHIFT)
    return words | entries["scope"].astype(np.uint64)


def _raise_heights(
    heights: NDArray[np.int64], members: Members, entries: Entries, positions: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Raise the highest number of the turn in which each receipt came.

    Returns which receipts came in a session that had a higher number already.
    """
    below = np.zeros(len(entries), np.bool_)
    if not len(members.turn):
        return below
    index, is_member = members.indices_of(_member_words(entries))
    word = index.astype(np.uint64) << np.uint64(TURN_SHIFT) | positions.astype(np.uint64)
    turn = np.searchsorted(members.turn, word) - 1
    same = (members.turn[turn] >> np.uint64(TURN_SHIFT)) == index.astype(np.uint64)
    inside = is_member & (turn >= 0) & same
    turns, numbers = turn[inside], entries["number"][inside].astype(np.int64)
    in_order = np.argsort(turns, kind="stable")
    turns, numbers = turns[in_order], numbers[in_order]
    # The highest so far in its own turn: a turn's words are above all words of the turn before.
    highest = np.maximum.accumulate(turns << SCOPE_SHIFT | np.maximum(numbers, heights[turns]))
    in_session = members.turn_after[turns] >= 0
    places = np.flatnonzero(inside)[in_order]
    below[places] = in_session & (numbers < (highest & ((1 << SCOPE_SHIFT) - 1)))
    np.maximum.at(heights, turns, numbers)
    return below
