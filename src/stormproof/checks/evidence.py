"""Is the evidence all there? What the generator said of itself, and whom nothing was asked of.

What it does: turn the workers' warnings about their own work, seconds that a worker wrote no frame
of, and senders who never joined what they sent into, into findings.
Why it matters: a user who could not log in, a journey that raised, a member who never listened, a
worker that was not there: each makes a run look healthier than it was.
A failure looks like: "3 users were not prepared" or "47 senders never joined their scope".
Limits: such findings never fail a target; they keep a run from passing.
Source: "missing evidence is never a pass", law 2.
"""

from __future__ import annotations

import numpy as np

from stormproof.checks.outcome import Outcome
from stormproof.checks.wording import counted
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import OriginEvent, Phase, PhaseEvent, WarningEvent, WorkerEvent
from stormproof.model.finding import Finding, Witness
from stormproof.model.ledger import EntryKind
from stormproof.model.record import Record

# Warning code -> what it takes away, and what to do.
TAKES_AWAY = {
    "journey-error": ("a journey raised an error of its own", "mend the journey, and run again"),
    "users-not-prepared": (
        "users were not prepared, and the load ran without them",
        "look at the failures of the preparation, and run again",
    ),
    "users-not-settled": (
        "users could not settle at the end, so what they were owed may be missing",
        "look at the failures after the load, and run again",
    ),
    "operations-cut": (
        "operations that were under way were cut with their iterations, so their times are unknown",
        "give gracefulStop more time, or the operations a shorter timeout",
    ),
    "feed-used-up": (
        "a feed had no row left, so iterations did nothing",
        "give the feed more rows, or another order, and run again",
    ),
    "odd-number": (
        "messages were acknowledged under what is no number, so nobody knows who was owed them",
        "mend the service, or what the journey takes for the number",
    ),
    "generator-limit": (
        "the load generator ran into a limit of its own machine",
        "raise the limit it names, or lower the load",
    ),
    "read-too-large": (
        "a read of a set was too large to keep, so what it held is missing",
        "have the journey read smaller sets, or a part of one",
    ),
    "metric-refused": (
        "a custom metric was given what it cannot keep, and that is missing from it",
        "mend the journey, and run again",
    ),
    "keeper": (
        "the keeper of the stack could not do all of its work: something may be left behind",
        "end or remove what it names by hand, and run again",
    ),
    "stray-error": (
        "the load generator had an error of its own",
        "report this with the record: it is a defect of stormproof",
    ),
}


def check_evidence(record: Record) -> Outcome:
    """Find what the record says is missing from it."""
    findings = [*_told_by_workers(record), *_unframed(record), *_silent_senders(record)]
    return Outcome(findings=findings)


def _told_by_workers(record: Record) -> list[Finding]:
    findings = []
    for code, (title, advice) in TAKES_AWAY.items():
        told = [e for e in record.events if isinstance(e, WarningEvent) and e.code == code]
        if told:
            witnesses = [Witness(what=e.text, at_ns=e.at_ns) for e in told[:FINDINGS_LISTED_MAX]]
            findings.append(
                Finding(kind=code, title=title, count=len(told), witnesses=witnesses, advice=advice)
            )
    return findings


def _unframed(record: Record) -> list[Finding]:
    """Find workers that left out seconds between the load's start and its stop; the dead are told
    elsewhere."""
    seconds = _seconds_to_stop(record)
    died = {e.worker for e in record.events if isinstance(e, WorkerEvent) and e.step == "died"}
    witnesses = []
    for worker in sorted(set(range(record.plan.workers)) - died):
        written = {frame.second for frame in record.frames if frame.worker == worker}
        missing = sorted(set(seconds) - written)
        if missing:
            told = f"{len(missing)} of {len(seconds)} s, the first of them {missing[0]}"
            witnesses.append(Witness(what=f"worker {worker} wrote no frame of {told}"))
    if not witnesses:
        return []
    return [
        Finding(
            kind="frames-missing",
            title=witnesses[0].what,
            count=len(witnesses),
            witnesses=witnesses,
            advice="look for the worker's last words in the record's logs, and run again",
        )
    ]


def _seconds_to_stop(record: Record) -> range:
    """Return the whole seconds from the load's start to its stop; none where either is unknown."""
    origin_ns = next((e.at_ns for e in record.events if isinstance(e, OriginEvent)), None)
    stops = (e.at_ns for e in record.events if isinstance(e, PhaseEvent) and e.phase is Phase.STOP)
    stop_ns = next(stops, None)
    if origin_ns is None or stop_ns is None:
        return range(0)
    return range((stop_ns - origin_ns) // SECOND_NS)


def _silent_senders(record: Record) -> list[Finding]:
    """Find users who sent into a scope they never joined: nobody knows what they were owed."""
    sent = _pairs(record, EntryKind.INVOKE)
    joined = _pairs(record, EntryKind.JOINED)
    absent = np.setdiff1d(sent, joined)
    if not len(absent):
        return []
    witnesses = [
        Witness(what=f"user {int(pair) >> 32} never joined scope {int(pair) & 0xFFFFFFFF}")
        for pair in absent[:FINDINGS_LISTED_MAX]
    ]
    return [
        Finding(
            kind="never-joined",
            title=f"{counted(len(absent), 'sender')} never joined what they sent into",
            count=len(absent),
            witnesses=witnesses,
            advice="have the journey wait until it is in before it sends",
        )
    ]


def _pairs(record: Record, kind: EntryKind) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Return the distinct (user, scope) of all entries of a kind, packed into 64 bits."""
    found = [np.zeros(0, np.uint64)]
    for segment in record.ledger:
        rows = segment[segment["kind"] == kind]
        packed = rows["user"].astype(np.uint64) << np.uint64(32)
        found.append(np.unique(packed | rows["scope"].astype(np.uint64)))
    return np.unique(np.concatenate(found))
