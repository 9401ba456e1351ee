"""The set checker: every element that was acknowledged is there to stay."""

from __future__ import annotations

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
CUT: Final = "the record was cut off: what is missing from it may explain what was read"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fate:
    """What became of each element; `missed_ns` is when the last read began that missed it."""

    missed_ns: Ints
    is_lost: Mask
    is_stale: Mask
    is_unread: Mask


def check_sets(told: Told) -> Outcome:
    """Check that every element whose add was acknowledged is in every later read of its set.

    What it does: an element is known from its acknowledgement on, or from the end of the first read
    that held it. Lost: a read that began after that missed it, and so did all that began later.
    Stale: such a read missed it, and a later one held it. Why it matters: an acknowledgement is a
    promise. What a failure looks like: "2 acknowledged elements lost", each with its set, its
    instants, and the read that missed it. Limits: an element that somebody may have removed is not
    followed; in a record that was cut off only what was refused and yet there is found; an element
    that no later read could have held leaves the run undecided.
    Source: Jepsen's set-full.
    """
    timeline = timeline_of(told.history)
    fate = _fate_of(timeline)
    findings = []
    if told.history.whole:
        findings += _lost(timeline, fate, told)
    findings += _refused(timeline, told)
    findings += _asked(timeline, fate, told)
    unread = int(np.count_nonzero(fate.is_unread))
    if unread and told.history.whole:
        findings.append(_unread(timeline, fate, told, unread))
    return Outcome(findings=findings, measured=_measure(timeline, fate, told, unread))


def _fate_of(timeline: Timeline) -> _Fate:
    elements, reads = timeline.elements, timeline.reads
    missed = elements.absent > NEVER
    missed_ns = np.full(len(elements), NEVER, np.int64)
    missed_ns[missed] = reads.began_ns[elements.absent[missed]]
    is_broken = (missed_ns > elements.known_ns) & ~elements.removed
    is_last = elements.absent > elements.present
    is_read = (elements.present > elements.absent) | is_broken
    acknowledged = (elements.added_ns < FOREVER_NS) & ~elements.removed
    return _Fate(
        missed_ns=missed_ns,
        is_lost=is_broken & is_last,
        is_stale=is_broken & ~is_last,
        is_unread=acknowledged & ~is_read,
    )


def _measure(
    timeline: Timeline, fate: _Fate, told: Told, unread: int
) -> dict[tuple[str, str], Measurement]:
    elements = timeline.elements
    acknowledged = int(np.count_nonzero(elements.added_ns < FOREVER_NS))
    lost = int(np.count_nonzero(fate.is_lost))
    why, remedy = "", ""
    if not told.history.whole:
        why, remedy = CUT, "let the run go to its end"
    elif not acknowledged:
        why, remedy = "no add was acknowledged", "check what the journey tells the ledger"
    elif unread:
        why = f"{counted(unread, 'acknowledged element')} could be in no later read"
        remedy = READ_AT_THE_END

    def count(times: int, *, needs_whole: bool) -> Measurement:
        if why and (not times or (needs_whole and not told.history.whole)):
            return Measurement(value=None, samples=0, why=why, remedy=remedy)
        return Measurement(value=float(times), samples=max(acknowledged, times))

    stale_ns = (fate.missed_ns - elements.known_ns)[fate.is_stale]
    stale_s = Measurement(
        value=None if lost else float(stale_ns.max(initial=0)) / SECOND_NS,
        samples=acknowledged,
        beyond="lost" if lost else "",
        why=why if not told.history.whole or not (lost or len(stale_ns)) else "",
        remedy=remedy,
    )
    refused = int(np.count_nonzero(_is_refused_seen(elements)))
    return {
        ("set_lost", ""): count(lost, needs_whole=True),
        ("set_stale", ""): count(len(stale_ns), needs_whole=True),
        ("set_stale_s", ""): stale_s,
        ("set_unexpected", ""): count(timeline.strange.count, needs_whole=True),
        ("set_repeated", ""): count(timeline.repeated.count, needs_whole=False),
        ("set_refused_seen", ""): count(refused, needs_whole=False),
    }


def _is_refused_seen(elements: Elements) -> Mask:
    mask: Mask = elements.refused & (elements.present > NEVER)
    return mask


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
    refused = np.flatnonzero(_is_refused_seen(elements))
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


def _unread(timeline: Timeline, fate: _Fate, told: Told, count: int) -> Finding:
    elements = timeline.elements
    shown = np.flatnonzero(fate.is_unread)[:FINDINGS_LISTED_MAX].tolist()
    return Finding(
        kind="set-unread",
        title=f"{counted(count, 'acknowledged element')} could be in no later read of their set",
        count=count,
        witnesses=[
            Witness(
                what=f"{_element_text(elements, one, told)}, acknowledged at"
                f" {told.at(int(elements.added_ns[one]))}",
                at_ns=int(elements.added_ns[one]),
            )
            for one in shown
        ],
        advice=READ_AT_THE_END,
    )


def _element_text(elements: Elements, one: int, told: Told) -> str:
    value = told.history.value_text(int(elements.value[one]))
    return f"{value} of {told.history.key_text(int(elements.key[one]))}"


def _asked(timeline: Timeline, fate: _Fate, told: Told) -> list[Finding]:
    """Return what only an objective makes wrong: a set may be allowed to lag, or to hold others."""
    findings = []
    if told.history.whole:
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
