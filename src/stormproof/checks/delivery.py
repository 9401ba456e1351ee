"""Exact delivery: every acknowledged message reached every member once, whole, and nobody else.

Theory of operation. Messages are ranked by (scope, acknowledged first, number), so that what a
member is owed is a range of ranks: from the first acknowledged number above its JOINED to the end
of its scope. A delivery is one 64-bit word, member index << 32 | rank; sorted, all deliveries of a
member lie together, doubles lie side by side, and what is missing from a range shows by counting.

What is owed depends on what the record can say. Drained (every segment whole, the drain ended):
everything from the first JOINED on. Otherwise only what the order of numbers proves: within one
session a higher number arrived, so that all acknowledged ones between its `after` and it were due.

Source: Jepsen, `checker.clj` (set-full, total-queue): lost, duplicated, unexpected, recovered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stormproof.checks.completeness import Completeness
from stormproof.checks.ledger import (
    MEMBER_SHIFT,
    SCOPE_SHIFT,
    SLICE,
    TURN_SHIFT,
    Entries,
    Ledger,
    Receipts,
    Suspects,
    Words,
    read_ledger,
    read_receipts,
    slices,
)
from stormproof.checks.outcome import Key, Measurement, Outcome
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.model.finding import Finding, Witness
from stormproof.model.ledger import EntryKind, split_key
from stormproof.model.record import Record
from stormproof.rules.windows import Windows

MEMBERS_NAMED = 4  # in a witness
RANK_MASK = np.uint64(0xFFFF_FFFF)
TO_THE_END = "let the run go to its end, so that it can drain"


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
class DeliveryCount:
    """Everything that the ledger says about delivery; `missing` are pairs like `received`."""

    ledger: Ledger
    receipts: Receipts
    received: Words
    doubled: Words
    missing: Words
    owed: int
    acknowledged: int
    recovered: int
    refused: Words  # keys of messages that were refused and yet delivered

    @property
    def lost(self) -> Words:
        """Return the ranks of messages that at least one member misses, rising."""
        return np.unique(self.missing & RANK_MASK)


def count_deliveries(segments: Sequence[Entries], *, drained: bool, whole: bool) -> DeliveryCount:
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
    state = ledger.messages.state
    arrived = np.zeros(len(state), np.bool_)
    for start in range(0, len(received), SLICE):
        arrived[(received[start : start + SLICE] & RANK_MASK).astype(np.int64)] = True
    pending = (state == EntryKind.UNKNOWN) | (state == EntryKind.INVOKE)
    return DeliveryCount(
        ledger=ledger,
        receipts=receipts,
        received=received,
        doubled=doubled,
        missing=_missing(owed, received),
        owed=owed.deliveries,
        acknowledged=int(np.count_nonzero(state == EntryKind.OK)),
        recovered=int(np.count_nonzero(arrived & pending)),
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


def check_delivery(record: Record, windows: Windows, completeness: Completeness) -> Outcome:
    """Check that every acknowledged message arrived exactly once at each member, whole.

    What it does: joins what was acknowledged with what was received, by key, across all workers.
    Why it matters: an acknowledgement is a promise. What a failure looks like: lost, duplicated,
    foreign, corrupted or unexpected deliveries, each with its first witnesses. Limits: without a
    drain only gaps below a higher number prove a loss, and nothing proves that there is none.
    Source: Jepsen's total-queue and set-full.
    """
    drained = completeness.drain is not None
    counted = count_deliveries(record.ledger, drained=drained, whole=completeness.workers_whole)
    findings = _findings(counted, record, windows, completeness)
    return Outcome(findings=findings, measured=_measure(counted, drained=drained))


def _measure(counted: DeliveryCount, *, drained: bool) -> dict[Key, Measurement]:
    receipts = counted.receipts
    wrong = {
        "delivery_lost": len(counted.lost),
        "delivery_duplicated": len(counted.doubled),
        "delivery_foreign": receipts.foreign.count,
        "delivery_corrupted": receipts.corrupted.count,
        "delivery_unexpected": receipts.unexpected.count,
    }
    why, remedy = "", ""
    if not drained:
        why = "the run was not drained: what has not arrived may have been on its way"
        remedy = TO_THE_END
    elif not counted.owed:
        why = "no acknowledged message was owed to anybody"
        remedy = "check that the journey sends messages and joins their scope"
    measured: dict[Key, Measurement] = {}
    for metric, count in wrong.items():
        doubtful = why and not count
        measured[metric, ""] = Measurement(
            value=None if doubtful else float(count),
            samples=max(counted.owed, count),
            why=why if doubtful else "",
            remedy=remedy if doubtful else "",
        )
    for metric, count in (
        ("messages_acknowledged", counted.acknowledged),
        ("messages_delivered", len(counted.received)),
    ):
        measured[metric, ""] = Measurement(value=float(count), samples=count)
    return measured


def _findings(
    counted: DeliveryCount, record: Record, windows: Windows, completeness: Completeness
) -> list[Finding]:
    findings = []
    if len(counted.missing):
        findings.append(_lost(counted, record, windows, completeness))
    if len(counted.doubled):
        findings.append(_duplicated(counted))
    receipts = counted.receipts
    findings += _suspects("foreign", "reached users outside their scope", receipts.foreign, windows)
    findings += _suspects("corrupted", "did not arrive as sent", receipts.corrupted, windows)
    findings += _suspects("unexpected", "were never sent by anybody", receipts.unexpected, windows)
    if len(counted.refused):
        findings.append(
            Finding(
                kind="refused-delivered",
                title=f"{len(counted.refused)} messages were refused and delivered all the same",
                count=len(counted.refused),
                witnesses=[
                    Witness(what=_sender_text(int(key)), key=f"{int(key):x}")
                    for key in counted.refused[:FINDINGS_LISTED_MAX]
                ],
                advice="refuse before anything is stored",
            )
        )
    return findings


def _lost(
    counted: DeliveryCount, record: Record, windows: Windows, completeness: Completeness
) -> Finding:
    ranks = counted.lost
    messages = counted.ledger.messages
    acknowledged = acknowledged_at(record.ledger, messages.key[ranks[:FINDINGS_LISTED_MAX]])
    late = completeness.drain is not None and not completeness.drain.caught_up
    how = "by the drain's deadline" if late else "although later ones did"
    if completeness.drain is not None and completeness.drain.caught_up:
        how = "although the drain said that all had arrived"
    witnesses = []
    for rank in ranks[:FINDINGS_LISTED_MAX].astype(np.int64):
        key = int(messages.key[rank])
        at_ns = acknowledged.get(key, 0)
        what = (
            f"message {int(messages.number[rank])} of scope {int(messages.scope[rank])}"
            f" {_sender_text(key)}, acknowledged at {windows.at_s(at_ns):.3f} s,"
            f" never reached {_missed_by(counted, int(rank))}"
        )
        witnesses.append(Witness(what=what, at_ns=at_ns, key=f"{key:x}"))
    return Finding(
        kind="lost",
        title=(
            f"{len(ranks)} acknowledged messages did not arrive {how}"
            f" ({len(counted.missing)} deliveries missing)"
        ),
        count=len(ranks),
        witnesses=witnesses,
        advice="follow a key from its acknowledgement through storage, fan-out and catch-up",
    )


def _missed_by(counted: DeliveryCount, rank: int) -> str:
    rows = counted.missing[(counted.missing & RANK_MASK) == np.uint64(rank)]
    members = counted.ledger.members.member[(rows >> np.uint64(MEMBER_SHIFT)).astype(np.int64)]
    users = [str(int(member) >> MEMBER_SHIFT) for member in members]
    named, more = users[:MEMBERS_NAMED], len(users) - MEMBERS_NAMED
    tail = f" and {more} more" if more > 0 else ""
    return f"{'user' if len(users) == 1 else 'users'} {', '.join(named)}{tail}"


def acknowledged_at(segments: Sequence[Entries], keys: Words) -> dict[int, int]:
    """Return when each of a few keys was acknowledged (nanoseconds)."""
    found: dict[int, int] = {}
    for _, part, _ in slices(segments):
        chosen = part[(part["kind"] == EntryKind.OK) & np.isin(part["key"], keys)]
        for entry in chosen:
            found.setdefault(int(entry["key"]), int(entry["at_ns"]))
    return found


def _duplicated(counted: DeliveryCount) -> Finding:
    messages, members = counted.ledger.messages, counted.ledger.members
    witnesses = []
    for pair in counted.doubled[:FINDINGS_LISTED_MAX]:
        rank, member = int(pair & RANK_MASK), int(pair >> np.uint64(MEMBER_SHIFT))
        key = int(messages.key[rank])
        what = (
            f"message {int(messages.number[rank])} of scope {int(messages.scope[rank])}"
            f" {_sender_text(key)} came again to user {int(members.member[member]) >> MEMBER_SHIFT}"
        )
        witnesses.append(Witness(what=what, key=f"{key:x}"))
    return Finding(
        kind="duplicated",
        title=f"{len(counted.doubled)} deliveries of messages that the user had already",
        count=len(counted.doubled),
        witnesses=witnesses,
        advice="look at what a resume sends again, and at retries without a key",
    )


def _suspects(kind: str, what: str, suspects: Suspects, windows: Windows) -> list[Finding]:
    if not suspects.count:
        return []
    witnesses = [
        Witness(
            what=(
                f"number {one.number} of scope {one.scope} {_sender_text(one.key)}"
                f" at user {one.user}, received at {windows.at_s(one.at_ns):.3f} s"
            ),
            at_ns=one.at_ns,
            key=f"{one.key:x}",
        )
        for one in suspects.first
    ]
    title = f"{suspects.count} deliveries {what}"
    return [Finding(kind=kind, title=title, count=suspects.count, witnesses=witnesses)]


def _sender_text(key: int) -> str:
    worker, user, _ = split_key(key)
    return f"by user {user} (worker {worker})"
