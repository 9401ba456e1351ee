"""The checkers of what readers may rely on: own writes, no step back, and how old a read is."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, NamedTuple

from stormproof.checks.history import Told
from stormproof.checks.ledger import FOREVER_NS
from stormproof.checks.outcome import Key, Measurement, Outcome
from stormproof.checks.set_sessions import Missed, TooMany, without_found, without_own
from stormproof.checks.versions import (
    ABSENT,
    NEVER_NS,
    Look,
    Story,
    Version,
    overwritten_ns,
    stories_of,
)
from stormproof.checks.wording import counted
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.kernel.units import SECOND_NS
from stormproof.model.finding import Finding, Witness

CUT: Final = "the record was cut off: what is missing from it may explain what was read"
TELLING: Final = "and gave a value that can be told from all others"
REMEDY: Final = "have the journey write each key values of its own, read them, and let the run end"


class Chance(NamedTuple):
    """A read that may be a let-down: `version` is what it should know, or something later."""

    key: int
    look: Look
    version: Version
    late_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Promise:
    """One thing that readers rely on, and how a breach of it is told."""

    metric: str
    kind: str
    title: str
    advice: str
    of_values: Callable[[Story], Iterator[Chance]]
    of_sets: Callable[[Told], Iterator[Missed | None]]
    missed: str  # why the element should have been there
    untried: str  # why nothing could be a breach


def check_own_writes(told: Told) -> Outcome:
    """Check that whoever wrote something reads that, or something later.

    What it does: looks, a read, for a write by the same user that had been acknowledged and that is
    certainly later than what was read; in a set, for an element that the user had added. Why it
    matters: a person who saves and sees the old text saves again. What a failure looks like: "3
    reads without the reader's own earlier write". Limits: only an objective makes it run; values
    that were written to a key more than once say nothing, elements that somebody may have removed
    are not followed; a record that was cut off is undecided, and so is one in which nobody read
    after writing.
    Source: Terry et al., "Session guarantees", 1994.
    """
    return _outcome(
        told,
        _Promise(
            metric="reads_not_own_writes",
            kind="read-not-own-write",
            title="without the reader's own earlier write",
            advice="read from where was written, or wait until the copy has caught up",
            of_values=_after_own_write,
            of_sets=without_own,
            missed="its user had added",
            untried=f"no read came after an acknowledged write or add of its own user {TELLING}",
        ),
    )


def check_monotonic(told: Told) -> Outcome:
    """Check that no user reads something older than what it has read already.

    What it does: looks, a read, for an earlier read of the same user that gave a version certainly
    later, or an element that is not there now. Why it matters: a list that loses its newest entry
    on reload is reported as a loss. What a failure looks like: "2 reads older than an earlier one
    of the same user". Limits: those of the own writes; undecided where no user read twice.
    Source: Terry et al., "Session guarantees", 1994.
    """
    return _outcome(
        told,
        _Promise(
            metric="reads_not_monotonic",
            kind="read-stepped-back",
            title="older than an earlier one of the same user",
            advice="keep a user on one copy, or have it say how new its last read was",
            of_values=_after_own_read,
            of_sets=without_found,
            missed="its user had found",
            untried=f"no read came after one of the same user that found something, {TELLING}",
        ),
    )


def check_staleness(told: Told) -> Outcome:
    """Check how old what was read is: for how long it had been overwritten when the read began.

    What it does: of each read, finds the first acknowledged write that certainly came after what it
    gave; its age is the time from that write's acknowledgement to the read's begin. Why it matters:
    a cache may be behind, but for how long is a promise. What a failure looks like: "3 reads of
    what had been overwritten for up to 12.4 s". Limits: those of the own writes; undecided where no
    read came after an acknowledged write; of sets, `set_stale_s` tells it.
    Source: Bermbach and Tai, "Eventual consistency: how soon is eventual?", 2011.
    """
    stories = list(stories_of(told))
    found = [one for story in stories for one in _overwritten(story)]
    longest_s = max((one.late_ns for one in found), default=0) / SECOND_NS
    samples = sum(_after_writes(story) for story in stories)
    doubt = "" if told.history.whole else CUT
    doubt = doubt or ("" if samples else f"no read came after an acknowledged write {TELLING}")
    measured: dict[Key, Measurement] = {
        ("reads_stale", ""): _measurement(float(len(found)), samples, doubt),
        ("reads_stale_s", ""): _measurement(longest_s, samples, doubt),
    }
    is_broken = told.breaks("reads_stale", len(found)) or told.breaks("reads_stale_s", longest_s)
    if doubt or not found or not is_broken:
        return Outcome(measured=measured)
    found.sort(key=lambda one: -one.late_ns)
    finding = Finding(
        kind="read-stale",
        title=f"{counted(len(found), 'read')} of what had been overwritten for up to"
        f" {longest_s:.3f} s",
        count=len(found),
        witnesses=[_witness(one, told) for one in found[:FINDINGS_LISTED_MAX]],
        advice="look for a cache or a replica between the write and the read",
    )
    return Outcome(findings=[finding], measured=measured)


def _outcome(told: Told, promise: _Promise) -> Outcome:
    chances = [one for story in stories_of(told) for one in promise.of_values(story)]
    values = [one for one in chances if one.look.version.is_older_than(one.version)]
    looked, doubt = list[Missed | None](), "" if told.history.whole else CUT
    try:
        looked = list(promise.of_sets(told))
    except TooMany:
        doubt = doubt or "the sets are too large, and read too often, to be compared"
    sets = [one for one in looked if one is not None]
    samples, count = len(chances) + len(looked), len(values) + len(sets)
    doubt = doubt or ("" if samples else promise.untried)
    is_broken = told.history.whole and told.breaks(promise.metric, count)
    if is_broken and count:
        doubt = ""
    measured: dict[Key, Measurement] = {
        (promise.metric, ""): _measurement(float(count), samples, doubt)
    }
    if not is_broken or not count:
        return Outcome(measured=measured)
    witnesses = [_witness(one, told) for one in values[:FINDINGS_LISTED_MAX]]
    room = FINDINGS_LISTED_MAX - len(witnesses)
    witnesses += [_missed_witness(one, promise, told) for one in sets[:room]]
    finding = Finding(
        kind=promise.kind,
        title=f"{counted(count, 'read')} {promise.title}",
        count=count,
        witnesses=witnesses,
        advice=promise.advice,
    )
    return Outcome(findings=[finding], measured=measured)


def _measurement(value: float, samples: int, doubt: str) -> Measurement:
    if doubt:
        return Measurement(value=None, samples=0, why=doubt, remedy=REMEDY)
    return Measurement(value=value, samples=samples)


def _after_own_write(story: Story) -> Iterator[Chance]:
    """Yield reads with the newest write that their user had finished before."""
    own: dict[int, list[Version]] = {}
    for write in sorted(story.writes, key=lambda one: one.ended_ns):
        if write.is_made:
            own.setdefault(write.user, []).append(write)
    newest = {user: _newest_so_far(writes) for user, writes in own.items()}
    ends = {user: [write.ended_ns for write in writes] for user, writes in own.items()}
    for look in story.looks:
        before = bisect_left(ends.get(look.user, []), look.began_ns)
        if before:
            yield Chance(story.key, look, newest[look.user][before - 1])


def _after_own_read(story: Story) -> Iterator[Chance]:
    """Yield reads with the newest version that their user had read before they began.

    Not those before which only the value from before all writes was read: nothing is older.
    """
    by_user: dict[int, list[Look]] = {}
    for look in story.looks:
        by_user.setdefault(look.user, []).append(look)
    for looks in by_user.values():
        over = sorted(looks, key=lambda look: look.ended_ns)
        ends = [look.ended_ns for look in over]
        newest = _newest_so_far([look.version for look in over])
        for look in looks:
            before = bisect_left(ends, look.began_ns)
            if before and newest[before - 1].began_ns != NEVER_NS:
                yield Chance(story.key, look, newest[before - 1])


def _newest_so_far(versions: Sequence[Version]) -> list[Version]:
    """Return, a version, that of it and those before it whose write began last."""
    return list(accumulate(versions, _newer))


def _newer(one: Version, other: Version) -> Version:
    return other if other.began_ns > one.began_ns else one


def _after_writes(story: Story) -> int:
    """Return how many reads began after an acknowledged write, and so may be stale."""
    first_ns = overwritten_ns(story)[0]
    return sum(first_ns < look.began_ns for look in story.looks)


def _overwritten(story: Story) -> Iterator[Chance]:
    """Yield reads of what had certainly been overwritten when they began."""
    begins = [write.began_ns for write in story.writes]
    last_ended_at = {write.ended_ns: write for write in story.writes if write.is_made}
    earliest_ns = overwritten_ns(story)
    for look in story.looks:
        later = bisect_right(begins, look.version.ended_ns)
        over_ns = earliest_ns[later]
        if over_ns < look.began_ns and over_ns != FOREVER_NS:
            yield Chance(story.key, look, last_ended_at[over_ns], look.began_ns - over_ns)


def _witness(one: Chance, told: Told) -> Witness:
    look, version = one.look, one.version
    key = told.history.key_text(one.key)
    late = f", {one.late_ns / SECOND_NS:.3f} s after" if one.late_ns else " although"
    what = (
        f"{key} read as {_value_text(look.version.value, told)} by user {look.user} between"
        f" {told.at(look.began_ns)} and {told.at(look.ended_ns)}{late}"
        f" user {version.user} had set it to {_value_text(version.value, told)}"
        f" by {told.at(version.ended_ns)}"
    )
    return Witness(what=what, at_ns=look.began_ns)


def _value_text(value: int, told: Told) -> str:
    return "absent" if value == ABSENT else told.history.value_text(value)


def _missed_witness(one: Missed, promise: _Promise, told: Told) -> Witness:
    what = (
        f"{told.history.key_text(one.key)} read by user {one.user} between"
        f" {told.at(one.began_ns)} and {told.at(one.ended_ns)} without"
        f" {told.history.value_text(one.element)}, which {promise.missed} by"
        f" {told.at(one.known_ns)}"
    )
    return Witness(what=what, at_ns=one.began_ns)
