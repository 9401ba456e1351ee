"""The set checker: every element that was acknowledged is there to stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from stormproof.checks.history import Ints, Mask, Told
from stormproof.checks.ledger import FOREVER_NS
from stormproof.checks.outcome import Measurement, Outcome
from stormproof.checks.set_timeline import (
    NEVER,
    Elements,
    Sightings,
    Timeline,
    timeline_of,
)
from stormproof.checks.wording import counted
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.kernel.units import SECOND_NS
from stormproof.model.finding import Finding, Witness

READ_AT_THE_END: Final = "have each set read once more when the load has ended, as in `settle`"
READ_FIRST: Final = "have each set read once before its first add, as in `prepare`"
UNKEPT: Final = "a read was too large to be kept: it may have held what others missed"
CUT: Final = "the record was cut off: what is missing from it may explain what was read"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fate:
    """What became of each element; `missed_ns` is when the last read began that missed it."""

    missed_ns: Ints
    is_lost: Mask
    is_stale: Mask
    is_unread: Mask
    is_followed: Mask  # acknowledged, and not removed before a read could hold it


def check_sets(told: Told) -> Outcome:
    """Check that every element whose add was acknowledged is in every later read of its set.

    What it does: an element is known from its acknowledgement on, or from the end of the first read
    that held it. Lost: a read that began after that missed it, and so did all that began later.
    Stale: such a read missed it, and a later one held it. Why it matters: an acknowledgement is a
    promise. What a failure looks like: "2 acknowledged elements lost", each with its set, its
    instants, and the read that missed it. Limits: an element is followed until somebody may have
    removed it; one that all reads until then missed may be late or lost, and leaves the run
    undecided, as one does that no later read could have held, and a record that was cut off. What
    was refused and yet seen is held against the set only if a read before shows that it was not
    there at first.
    Source: Jepsen's set-full.
    """
    timeline = timeline_of(told.history)
    fate = _fate_of(timeline)
    findings = []
    if told.history.has_whole_sets:
        findings += _lost(timeline, fate, told)
        findings += _refused(timeline, told)
    findings += _asked(timeline, fate, told)
    why, remedy = _doubt(timeline, fate, told)
    if told.history.has_whole_sets and (
        fate.is_unread.any() or _is_nothing_followed(timeline, fate)
    ):
        findings.append(_unread(timeline, fate, told, why, remedy))
    return Outcome(findings=findings, measured=_measure(timeline, fate, told, why, remedy))


def _fate_of(timeline: Timeline) -> _Fate:
    elements, reads = timeline.elements, timeline.reads
    missed = elements.absent > NEVER
    missed_ns = np.full(len(elements), NEVER, np.int64)
    missed_ns[missed] = reads.began_ns[elements.absent[missed]]
    is_broken = missed_ns > elements.known_ns
    is_last = elements.absent > elements.present
    is_read = (elements.present > elements.absent) | is_broken
    is_acknowledged = elements.added_ns < FOREVER_NS
    is_doubtful = is_broken & is_last & elements.removed
    return _Fate(
        missed_ns=missed_ns,
        is_lost=is_broken & is_last & ~elements.removed,
        is_stale=is_broken & ~is_last,
        is_unread=is_doubtful | (is_acknowledged & ~is_read & ~elements.removed),
        is_followed=is_acknowledged & (is_read | ~elements.removed),
    )


def _is_nothing_followed(timeline: Timeline, fate: _Fate) -> bool:
    """Return whether elements were acknowledged, and each was removed before a read could hold
    it."""
    is_acknowledged = timeline.elements.added_ns < FOREVER_NS
    return bool(is_acknowledged.any()) and not fate.is_followed.any()


def _doubt(timeline: Timeline, fate: _Fate, told: Told) -> tuple[str, str]:
    """Return why nothing lost would be no proof, and what to do."""
    unread = int(np.count_nonzero(fate.is_unread))
    if not told.history.whole:
        return CUT, "let the run go to its end"
    if not told.history.has_all_reads:
        return UNKEPT, "have the journey read smaller sets, or a part of one"
    if not (timeline.elements.added_ns < FOREVER_NS).any():
        return "no add was acknowledged", "check what the journey tells the ledger"
    if _is_nothing_followed(timeline, fate):
        why = "no acknowledged element could be read before somebody may have removed it"
        return why, "have the set read between an add and the removal of what was added"
    if unread and bool(timeline.elements.removed[fate.is_unread].all()):
        why = f"{counted(unread, 'element')} missed until somebody removed them: lost, or late"
        return why, "have the set read until it holds what was added, and only then remove it"
    if unread:
        return (
            f"{counted(unread, 'acknowledged element')} could be in no later read",
            READ_AT_THE_END,
        )
    return "", ""


def _measure(
    timeline: Timeline, fate: _Fate, told: Told, why: str, remedy: str
) -> dict[tuple[str, str], Measurement]:
    elements = timeline.elements
    followed = int(np.count_nonzero(fate.is_followed))
    lost = int(np.count_nonzero(fate.is_lost))

    def count(times: int, *, needs_whole: bool) -> Measurement:
        if why and (not times or (needs_whole and not told.history.has_whole_sets)):
            return Measurement(value=None, samples=0, why=why, remedy=remedy)
        return Measurement(value=float(times), samples=max(followed, times))

    stale_ns = (fate.missed_ns - elements.known_ns)[fate.is_stale]
    stale_s = Measurement(
        value=None if lost else float(stale_ns.max(initial=0)) / SECOND_NS,
        samples=followed,
        beyond="lost" if lost else "",
        why=why if not told.history.has_whole_sets or not (lost or len(stale_ns)) else "",
        remedy=remedy,
    )
    return {
        ("set_lost", ""): count(lost, needs_whole=True),
        ("set_stale", ""): count(len(stale_ns), needs_whole=True),
        ("set_stale_s", ""): stale_s,
        ("set_unexpected", ""): count(timeline.strange.count, needs_whole=True),
        ("set_repeated", ""): count(timeline.repeated.count, needs_whole=False),
        ("set_refused_seen", ""): _refused_seen(timeline, count),
    }


def _refused_seen(timeline: Timeline, count: Callable[..., Measurement]) -> Measurement:
    """Measure what was refused and seen; what may have been there at first proves nothing."""
    refused = int(np.count_nonzero(timeline.is_refused_seen))
    doubtful = int(np.count_nonzero(timeline.is_refused_doubtful))
    if refused or not doubtful:
        return count(refused, needs_whole=True)
    why = f"{counted(doubtful, 'refused element')} seen, and nobody knows what was there at first"
    return Measurement(value=None, samples=0, why=why, remedy=READ_FIRST)


def _lost(timeline: Timeline, fate: _Fate, told: Told) -> list[Finding]:
    lost = np.flatnonzero(fate.is_lost)
    if not len(lost):
        return []
    elements, reads = timeline.elements, timeline.reads
    witnesses = []
    for one in lost[:FINDINGS_LISTED_MAX].tolist():
        known_ns, read = int(elements.known_ns[one]), int(elements.absent[one])
        seen = int(elements.present[one])
        last = f", last seen by a read at {told.at(int(reads.began_ns[seen]))}" if seen >= 0 else ""
        what = (
            f"{_element_text(elements, one, told)}, known at {told.at(known_ns)}{last}, missed"
            f" by user {int(reads.user[read])} in the read begun"
            f" at {told.at(int(fate.missed_ns[one]))}"
        )
        witnesses.append(Witness(what=what, at_ns=known_ns))
    return [
        Finding(
            kind="set-lost",
            title=f"{counted(len(lost), 'element')} lost: known, and missed by every later read",
            count=len(lost),
            witnesses=witnesses,
            advice="follow an element from its acknowledgement through storage to the read",
        )
    ]


def _refused(timeline: Timeline, told: Told) -> list[Finding]:
    elements, reads = timeline.elements, timeline.reads
    refused = np.flatnonzero(timeline.is_refused_seen)
    if not len(refused):
        return []
    witnesses = []
    for one in refused[:FINDINGS_LISTED_MAX].tolist():
        read = int(elements.present[one])
        began_ns = int(reads.began_ns[read])
        what = (
            f"{_element_text(elements, one, told)}, refused, and seen by user"
            f" {int(reads.user[read])} in the read begun at {told.at(began_ns)}"
        )
        witnesses.append(Witness(what=what, at_ns=began_ns))
    return [
        Finding(
            kind="set-refused-seen",
            title=f"{counted(len(refused), 'element')} refused and added all the same",
            count=len(refused),
            witnesses=witnesses,
            advice="refuse before anything is stored",
        )
    ]


def _unread(timeline: Timeline, fate: _Fate, told: Told, why: str, remedy: str) -> Finding:
    elements = timeline.elements
    is_unread = fate.is_unread if fate.is_unread.any() else elements.added_ns < FOREVER_NS
    unread = np.flatnonzero(is_unread)
    shown = unread[:FINDINGS_LISTED_MAX].tolist()
    return Finding(
        kind="set-unread",
        title=why,
        count=len(unread),
        witnesses=[
            Witness(
                what=f"{_element_text(elements, one, told)}, known at"
                f" {told.at(int(elements.known_ns[one]))}",
                at_ns=int(elements.known_ns[one]),
            )
            for one in shown
        ],
        advice=remedy,
    )


def _element_text(elements: Elements, one: int, told: Told) -> str:
    value = told.history.value_text(int(elements.value[one]))
    return f"{value} of {told.history.key_text(int(elements.key[one]))}"


def _asked(timeline: Timeline, fate: _Fate, told: Told) -> list[Finding]:
    """Return what only an objective makes wrong: a set may be allowed to lag, or to hold others."""
    findings = []
    if told.history.has_whole_sets:
        findings += _stale(timeline, fate, told)
        findings += _sightings(
            "set-unexpected",
            "set_unexpected",
            f"{counted(timeline.strange.count, 'sighting')} of elements that nobody added",
            timeline.strange,
            timeline,
            told,
        )
    findings += _sightings(
        "set-repeated",
        "set_repeated",
        f"{counted(timeline.repeated.count, 'element')} more than once in one read",
        timeline.repeated,
        timeline,
        told,
    )
    return findings


def _stale(timeline: Timeline, fate: _Fate, told: Told) -> list[Finding]:
    elements, reads = timeline.elements, timeline.reads
    stale = np.flatnonzero(fate.is_stale)
    late_s = (fate.missed_ns - elements.known_ns)[stale] / SECOND_NS
    longest_s = float(late_s.max(initial=0))
    is_broken = told.breaks("set_stale", len(stale)) or told.breaks("set_stale_s", longest_s)
    if not len(stale) or not is_broken:
        return []
    worst = np.argsort(-late_s, kind="stable")[:FINDINGS_LISTED_MAX]
    witnesses = []
    for one, lag_s in zip(stale[worst].tolist(), late_s[worst].tolist(), strict=True):
        known_ns, read = int(elements.known_ns[one]), int(elements.absent[one])
        what = (
            f"{_element_text(elements, one, told)}, known at {told.at(known_ns)}, missed by user"
            f" {int(reads.user[read])} in the read begun {lag_s:.3f} s later"
        )
        witnesses.append(Witness(what=what, at_ns=known_ns))
    title = f"{counted(len(stale), 'element')} missed by reads for up to {longest_s:.3f} s"
    return [
        Finding(
            kind="set-stale",
            title=title,
            count=len(stale),
            witnesses=witnesses,
            advice="look for a cache or a replica between the change and the read",
        )
    ]


def _sightings(
    kind: str, metric: str, title: str, sightings: Sightings, timeline: Timeline, told: Told
) -> list[Finding]:
    if not sightings.count or not told.breaks(metric, sightings.count):
        return []
    reads, elements = timeline.reads, timeline.elements
    witnesses = []
    for one, read in sightings.shown:
        is_strange = sightings is timeline.strange
        value = told.history.value_text(one if is_strange else int(elements.value[one]))
        began_ns = int(reads.began_ns[read])
        what = (
            f"{value} of {told.history.key_text(int(reads.key[read]))}, seen by user"
            f" {int(reads.user[read])} in the read begun at {told.at(began_ns)}"
        )
        witnesses.append(Witness(what=what, at_ns=began_ns))
    return [Finding(kind=kind, title=title, count=sightings.count, witnesses=witnesses)]
