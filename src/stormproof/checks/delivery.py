"""The delivery checker: what a tally of the ledger means."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stormproof.checks.completeness import Completeness
from stormproof.checks.ledger import (
    MEMBER_SHIFT,
    Delivery,
    Entries,
    Suspects,
    Words,
    slices,
)
from stormproof.checks.membership import joined_above
from stormproof.checks.outcome import Key, Measurement, Outcome
from stormproof.checks.tally import RANK_MASK, Tally, tally_deliveries
from stormproof.checks.wording import counted
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.model.finding import Finding, Witness
from stormproof.model.ledger import EntryKind, split_key
from stormproof.model.record import Record
from stormproof.rules.windows import Windows

MEMBERS_NAMED = 4  # in a witness
TO_THE_END = "let the run go to its end, so that it can drain"
NOTHING_OWED = "no acknowledged message was owed to anybody"
CHECK_JOURNEY = "check that the journey sends messages and joins their scope"


def check_delivery(record: Record, windows: Windows, completeness: Completeness) -> Outcome:
    """Check that every acknowledged message arrived exactly once at each member, whole.

    What it does: joins what was acknowledged with what was received, by key, across all workers.
    Why it matters: an acknowledgement is a promise. What a failure looks like: lost, duplicated,
    foreign, corrupted, unexpected, misnumbered or reordered deliveries, each with its first
    witnesses. Limits: without a drain only gaps below a higher number prove a loss, and nothing
    proves that there is none; a message that no member was owed leaves the run undecided, and so
    do a run that owed nobody anything and a member that joined above later numbers.
    Source: Jepsen's total-queue and set-full.
    """
    drained = completeness.drain is not None
    tally = tally_deliveries(record.ledger, drained=drained, whole=completeness.workers_whole)
    findings = _findings(tally, record, windows, completeness)
    return Outcome(findings=findings, measured=_measure(tally, drained=drained))


def _measure(tally: Tally, *, drained: bool) -> dict[Key, Measurement]:
    receipts = tally.receipts
    wrong = {
        "delivery_lost": len(tally.lost),
        "delivery_duplicated": len(tally.doubled),
        "delivery_foreign": receipts.foreign.count,
        "delivery_corrupted": receipts.corrupted.count,
        "delivery_unexpected": receipts.unexpected.count,
        "delivery_misnumbered": receipts.misnumbered.count + len(tally.ledger.ambiguous),
        "delivery_reordered": tally.reordered,
    }
    why, remedy = "", ""
    if not drained:
        why = "the run was not drained: what has not arrived may have been on its way"
        remedy = TO_THE_END
    elif not tally.owed:
        why, remedy = NOTHING_OWED, CHECK_JOURNEY
    measured: dict[Key, Measurement] = {}
    for metric, times in wrong.items():
        doubtful = why and not times
        measured[metric, ""] = Measurement(
            value=None if doubtful else float(times),
            samples=max(tally.owed, times),
            why=why if doubtful else "",
            remedy=remedy if doubtful else "",
        )
    for metric, times in (
        ("messages_acknowledged", tally.acknowledged),
        ("messages_delivered", len(tally.received)),
        ("messages_recovered", tally.recovered),
    ):
        measured[metric, ""] = Measurement(value=float(times), samples=times)
    return measured


def _findings(
    tally: Tally, record: Record, windows: Windows, completeness: Completeness
) -> list[Finding]:
    findings = []
    if len(tally.missing):
        findings.append(_lost(tally, record, windows, completeness))
    if len(tally.doubled):
        findings.append(_duplicated(tally))
    receipts = tally.receipts
    findings += _suspects("foreign", "to users outside the scope", receipts.foreign, windows)
    findings += _suspects(
        "corrupted", "with another body than was sent", receipts.corrupted, windows
    )
    findings += _suspects(
        "unexpected", "of messages that nobody sent", receipts.unexpected, windows
    )
    if receipts.misnumbered.count or len(tally.ledger.ambiguous):
        findings.append(_misnumbered(tally, windows))
    if tally.reordered:
        findings.append(_reordered(tally, windows))
    if len(tally.refused):
        findings.append(_refused(tally))
    if completeness.workers_whole:
        findings += _joined_above(tally, record)
    if len(tally.unheard) and completeness.workers_whole:
        findings.append(_unheard(tally))
    elif not tally.owed and completeness.drain is not None:
        findings.append(
            Finding(kind="owed-to-nobody", title=NOTHING_OWED, count=1, advice=CHECK_JOURNEY)
        )
    return findings


def _misnumbered(tally: Tally, windows: Windows) -> Finding:
    ambiguous, received = tally.ledger.ambiguous, tally.receipts.misnumbered
    witnesses = [
        Witness(
            what=f"a message {_sender_text(int(key))}: its acknowledged number is not its alone",
            key=f"{int(key):x}",
        )
        for key in ambiguous[: FINDINGS_LISTED_MAX // 2]
    ]
    witnesses += [_witness(one, windows) for one in received.first]
    told = []
    if received.count:
        told.append(f"{counted(received.count, 'delivery')} under another number than acknowledged")
    if len(ambiguous):
        told.append(f"{counted(len(ambiguous), 'acknowledgement')} of a number given twice")
    return Finding(
        kind="misnumbered",
        title=" and ".join(told),
        count=received.count + len(ambiguous),
        witnesses=witnesses[:FINDINGS_LISTED_MAX],
        advice="give each message of a scope one number, once, where it is stored",
    )


def _reordered(tally: Tally, windows: Windows) -> Finding:
    shown = tally.receipts.late_first
    again = np.isin(np.array([pair for pair, _ in shown], np.uint64), tally.doubled)
    return Finding(
        kind="reordered",
        title=f"{counted(tally.reordered, 'delivery')} after a higher number of the same session",
        count=tally.reordered,
        witnesses=[
            _witness(one, windows)
            for (_, one), is_again in zip(shown, again.tolist(), strict=True)
            if not is_again
        ],
        advice="hand a session its messages in the order of their numbers, also after a resume",
    )


def _unheard(tally: Tally) -> Finding:
    messages = tally.ledger.messages
    return Finding(
        kind="owed-to-nobody",
        title=f"{counted(len(tally.unheard), 'acknowledged message')} of no member's concern:"
        " nobody had joined the scope below their numbers",
        count=len(tally.unheard),
        witnesses=[
            Witness(
                what=f"message {int(messages.number[rank])} of scope {int(messages.scope[rank])}"
                f" {_sender_text(int(messages.key[rank]))}",
                key=f"{int(messages.key[rank]):x}",
            )
            for rank in tally.unheard[:FINDINGS_LISTED_MAX].tolist()
        ],
        advice="have the journey join the scope before it sends into it",
    )


def _joined_above(tally: Tally, record: Record) -> list[Finding]:
    members = tally.ledger.members
    above = joined_above(record.ledger, tally.ledger).astype(np.int64)
    if not len(above):
        return []
    witnesses = [
        Witness(
            what=f"user {int(members.member[one]) >> MEMBER_SHIFT} joined scope"
            f" {int(members.member[one]) & 0xFFFFFFFF} above number {int(members.after[one])}"
        )
        for one in above[:FINDINGS_LISTED_MAX]
    ]
    return [
        Finding(
            kind="joined-above",
            title=f"{counted(len(above), 'member')} joined above numbers that were given later:"
            " nobody knows what was owed below them",
            count=len(above),
            witnesses=witnesses,
            advice="have the service name the newest number of a scope when a member joins",
        )
    ]


def _refused(tally: Tally) -> Finding:
    return Finding(
        kind="refused-delivered",
        title=f"{counted(len(tally.refused), 'message')} refused and delivered all the same",
        count=len(tally.refused),
        witnesses=[
            Witness(what=_sender_text(int(key)), key=f"{int(key):x}")
            for key in tally.refused[:FINDINGS_LISTED_MAX]
        ],
        advice="refuse before anything is stored",
    )


def _lost(tally: Tally, record: Record, windows: Windows, completeness: Completeness) -> Finding:
    messages, shown = tally.ledger.messages, tally.lost[:FINDINGS_LISTED_MAX]
    acknowledged = acknowledged_at(record.ledger, messages.key[shown.astype(np.int64)])
    missed_by = _missed_by(tally, shown)
    witnesses = []
    for rank in shown.tolist():
        key = int(messages.key[rank])
        at_ns = acknowledged.get(key, 0)
        what = (
            f"message {int(messages.number[rank])} of scope {int(messages.scope[rank])}"
            f" {_sender_text(key)}, acknowledged at {windows.at_s(at_ns):.3f} s,"
            f" never reached {_users_text(missed_by[rank])}"
        )
        witnesses.append(Witness(what=what, at_ns=at_ns, key=f"{key:x}"))
    return Finding(
        kind="lost",
        title=(
            f"{counted(len(tally.lost), 'acknowledged message')} lost:"
            f" {counted(len(tally.missing), 'delivery')} missing {_since(completeness)}"
        ),
        count=len(tally.lost),
        witnesses=witnesses,
        advice="follow a key from its acknowledgement through storage, fan-out and catch-up",
    )


def _since(completeness: Completeness) -> str:
    """Say what shows that what is missing will not come any more."""
    if completeness.drain is None:
        return "although later ones arrived"
    return "after the drain" if completeness.drain.caught_up else "at the drain's deadline"


def _missed_by(tally: Tally, ranks: Words) -> dict[int, list[int]]:
    """Return the users who miss each of a few ranks."""
    users: dict[int, list[int]] = {}
    for pair in tally.missing[np.isin(tally.missing & RANK_MASK, ranks)].tolist():
        member = int(tally.ledger.members.member[pair >> MEMBER_SHIFT])
        users.setdefault(pair & int(RANK_MASK), []).append(member >> MEMBER_SHIFT)
    return users


def _users_text(users: Sequence[int]) -> str:
    named = ", ".join(str(user) for user in users[:MEMBERS_NAMED])
    more = len(users) - MEMBERS_NAMED
    return (
        f"{'user' if len(users) == 1 else 'users'} {named}{f' and {more} more' if more > 0 else ''}"
    )


def acknowledged_at(segments: Sequence[Entries], keys: Words) -> dict[int, int]:
    """Return when each of a few keys was acknowledged (nanoseconds)."""
    found: dict[int, int] = {}
    for _, part, _ in slices(segments):
        chosen = part[(part["kind"] == EntryKind.OK) & np.isin(part["key"], keys)]
        for entry in chosen:
            found.setdefault(int(entry["key"]), int(entry["at_ns"]))
    return found


def _duplicated(tally: Tally) -> Finding:
    messages, members = tally.ledger.messages, tally.ledger.members
    witnesses = []
    for pair in tally.doubled[:FINDINGS_LISTED_MAX]:
        rank, member = int(pair & RANK_MASK), int(pair >> np.uint64(MEMBER_SHIFT))
        key = int(messages.key[rank])
        what = (
            f"message {int(messages.number[rank])} of scope {int(messages.scope[rank])}"
            f" {_sender_text(key)} came again to user {int(members.member[member]) >> MEMBER_SHIFT}"
        )
        witnesses.append(Witness(what=what, key=f"{key:x}"))
    return Finding(
        kind="duplicated",
        title=f"{counted(len(tally.doubled), 'delivery')} of messages that the user had already",
        count=len(tally.doubled),
        witnesses=witnesses,
        advice="look at what a resume sends again, and at retries without a key",
    )


def _suspects(kind: str, what: str, suspects: Suspects, windows: Windows) -> list[Finding]:
    if not suspects.count:
        return []
    witnesses = [_witness(one, windows) for one in suspects.first]
    title = f"{counted(suspects.count, 'delivery')} {what}"
    return [Finding(kind=kind, title=title, count=suspects.count, witnesses=witnesses)]


def _witness(one: Delivery, windows: Windows) -> Witness:
    what = (
        f"number {one.number} of scope {one.scope} {_sender_text(one.key)}"
        f" at user {one.user}, received at {windows.at_s(one.at_ns):.3f} s"
    )
    return Witness(what=what, at_ns=one.at_ns, key=f"{one.key:x}")


def _sender_text(key: int) -> str:
    worker, user, _ = split_key(key)
    return f"by user {user} (worker {worker})"
