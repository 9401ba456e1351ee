"""The checkers of what readers may rely on: own writes, no step back, and how old a read is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from stormproof.checks.history import History, Ints, Told
from stormproof.checks.outcome import Key, Measurement, Outcome
from stormproof.checks.register_blocks import ABSENT, RAISED_REMEDY, Rows, raised_doubt
from stormproof.checks.set_sessions import Missed, Missing, without_found, without_own
from stormproof.checks.versions import NONE, Versions, grouped, newest_known, versions_of
from stormproof.checks.wording import counted
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.kernel.units import SECOND_NS
from stormproof.model.finding import Finding, Witness

CUT: Final = "the record was cut off: what is missing from it may explain what was read"
TELLING: Final = "and gave a value that can be told from all others"
REMEDY: Final = "have the journey write each key values of its own, read them, and let the run end"


class _Deed(NamedTuple):
    """A read, or the write of a version."""

    value: int
    began_ns: int
    ended_ns: int
    user: int


class _Doubt(NamedTuple):
    """Why there is no answer, and what would give one; empty where there is one."""

    why: str
    remedy: str


class LetDown(NamedTuple):
    """A read that gave less than `version`, which it should know, or something later."""

    key: int
    look: _Deed
    version: _Deed
    late_ns: int = 0


@dataclass(slots=True, kw_only=True)
class _Found:
    """How many reads could have been let-downs, how many are, and those that are told."""

    samples: int = 0
    count: int = 0
    longest_ns: int = 0
    shown: list[LetDown] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Promise:
    """One thing that readers rely on, and how a breach of it is told."""

    metric: str
    kind: str
    title: str
    advice: str
    of_values: Callable[[_Judged], _Found]
    of_sets: Callable[[History], Missing]
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
    after writing, or a key that was written was incremented as well.
    Source: Terry et al., "Session guarantees", 1994.
    """
    return _outcome(
        told,
        _Promise(
            metric="reads_not_own_writes",
            kind="read-not-own-write",
            title="without the reader's own earlier write",
            advice="read from where was written, or wait until the copy has caught up",
            of_values=lambda judged: judged.own,
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
            of_values=lambda judged: judged.again,
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
    found = told.history.once(_judged).overwritten
    longest_s, samples = found.longest_ns / SECOND_NS, found.samples
    untried = "" if samples else f"no read came after an acknowledged write {TELLING}"
    is_broken = told.breaks("reads_stale", found.count) or told.breaks("reads_stale_s", longest_s)
    doubt = _doubt(told, untried, is_broken=is_broken and found.count > 0)
    measured: dict[Key, Measurement] = {
        ("reads_stale", ""): _measurement(float(found.count), samples, doubt),
        ("reads_stale_s", ""): _measurement(longest_s, samples, doubt),
    }
    if doubt.why or not found.count or not is_broken:
        return Outcome(measured=measured)
    finding = Finding(
        kind="read-stale",
        title=f"{counted(found.count, 'read')} of what had been overwritten for up to"
        f" {longest_s:.3f} s",
        count=found.count,
        witnesses=[_witness(one, told) for one in found.shown],
        advice="look for a cache or a replica between the write and the read",
    )
    return Outcome(findings=[finding], measured=measured)


def _outcome(told: Told, promise: _Promise) -> Outcome:
    values, sets = promise.of_values(told.history.once(_judged)), promise.of_sets(told.history)
    samples, count = values.samples + sets.samples, values.count + sets.count
    is_broken = count > 0 and told.history.whole and told.breaks(promise.metric, count)
    untried = "" if samples else promise.untried
    if sets.is_too_large:
        untried = "the sets are too large, and read too often, to be compared"
    doubt = _doubt(told, untried, is_broken=is_broken)
    measured: dict[Key, Measurement] = {
        (promise.metric, ""): _measurement(float(count), samples, doubt)
    }
    if not is_broken:
        return Outcome(measured=measured)
    witnesses = [_witness(one, told) for one in values.shown]
    room = FINDINGS_LISTED_MAX - len(witnesses)
    witnesses += [_missed_witness(one, promise, told) for one in sets.shown[:room]]
    finding = Finding(
        kind=promise.kind,
        title=f"{counted(count, 'read')} {promise.title}",
        count=count,
        witnesses=witnesses,
        advice=promise.advice,
    )
    return Outcome(findings=[finding], measured=measured)


def _doubt(told: Told, untried: str, *, is_broken: bool) -> _Doubt:
    """Return why what was found is no basis for a verdict; a breach needs no more than itself."""
    if not told.history.whole:
        return _Doubt(CUT, REMEDY)
    if is_broken:
        return _Doubt("", "")
    raised = raised_doubt(told)
    return _Doubt(raised, RAISED_REMEDY) if raised else _Doubt(untried, REMEDY)


def _measurement(value: float, samples: int, doubt: _Doubt) -> Measurement:
    if doubt.why:
        return Measurement(value=None, samples=0, why=doubt.why, remedy=doubt.remedy)
    return Measurement(value=value, samples=samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """The reads of all registers, by what they are held against."""

    own: _Found = field(default_factory=_Found)
    again: _Found = field(default_factory=_Found)
    overwritten: _Found = field(default_factory=_Found)


def _judged(history: History) -> _Judged:
    """Hold the reads of registers against all that readers rely on, in one pass over them."""
    judged = _Judged()
    for some in versions_of(history):
        _add_older(judged.own, some, _own_write(some))
        _add_older(judged.again, some, _own_read(some), by_user=True)
        _add_overwritten(judged.overwritten, some)
    return judged


def _add_older(found: _Found, some: Versions, known: Ints, *, by_user: bool = False) -> None:
    """Find reads of what is certainly older than the write that they should know, or NONE."""
    tried = np.flatnonzero(known != NONE)
    found.samples += len(tried)
    rows = tried[some.ended_ns[tried] < some.writes.began_ns[known[tried]]]
    found.count += len(rows)
    rows = _user_by_user(some, rows) if by_user and len(rows) else rows
    few = rows[: FINDINGS_LISTED_MAX - len(found.shown)].tolist()
    found.shown += [_let_down(some, row, int(known[row])) for row in few]


def _user_by_user(some: Versions, rows: Ints) -> Ints:
    """Return reads of each key by their users, in the order in which these read it first."""
    groups = grouped(some.looks)
    every, first = np.unique(groups, return_index=True)
    first = first[np.searchsorted(every, groups[rows])]
    return rows[np.lexsort((rows, first, some.looks.of_key[rows]))]


def _add_overwritten(found: _Found, some: Versions) -> None:
    """Find reads of what had certainly been overwritten when they began, and the latest of them."""
    looks, first = some.looks, some.first_acknowledged[some.looks.of_key]
    over_ns = np.append(some.writes.ended_ns, 0)
    found.samples += int(np.count_nonzero((first != NONE) & (over_ns[first] < looks.began_ns)))
    by = some.overwriting
    rows = np.flatnonzero((by != NONE) & (over_ns[by] < looks.began_ns))
    found.count += len(rows)
    late_ns = looks.began_ns[rows] - over_ns[by[rows]]
    found.longest_ns = max(found.longest_ns, int(late_ns.max(initial=0)))
    few = np.argsort(-late_ns, kind="stable")[:FINDINGS_LISTED_MAX]
    found.shown += [
        _let_down(some, row, some.acknowledged_with(int(by[row])), late)
        for row, late in zip(rows[few].tolist(), late_ns[few].tolist(), strict=True)
    ]
    found.shown.sort(key=lambda one: -one.late_ns)
    del found.shown[FINDINGS_LISTED_MAX:]


def _own_write(some: Versions) -> Ints:
    """Return, a read, the newest write that its user had finished before; NONE for no such."""
    made = np.flatnonzero(some.writes.is_made)
    writes, looks = some.writes.where(made), some.looks
    known = (grouped(writes), writes.ended_ns, writes.began_ns)
    newest = newest_known(known, (grouped(looks), looks.began_ns))
    return np.where(newest == NONE, NONE, np.append(made, NONE)[newest])


def _own_read(some: Versions) -> Ints:
    """Return, a read, the newest version that its user had read before it began.

    NONE where only the value from before all writes was read: nothing is older. A read that began
    no later than the write of its value may have found the same value from before all writes.
    """
    groups, looks = grouped(some.looks), some.looks
    later = np.flatnonzero((some.of_look != NONE) & (looks.began_ns > some.began_ns))
    known = (groups[later], looks.ended_ns[later], some.began_ns[later])
    newest = newest_known(known, (groups, looks.began_ns))
    return np.where(newest == NONE, NONE, np.append(some.of_look[later], NONE)[newest])


def _let_down(some: Versions, row: int, write: int, late_ns: int = 0) -> LetDown:
    key = int(some.keys[some.looks.of_key[row]])
    return LetDown(key, _deed(some.looks, row), _deed(some.writes, write), late_ns)


def _deed(rows: Rows, row: int) -> _Deed:
    return _Deed(
        rows.value_of(row),
        int(rows.began_ns[row]),
        int(rows.ended_ns[row]),
        int(rows.user[row]),
    )


def _witness(one: LetDown, told: Told) -> Witness:
    look, version = one.look, one.version
    key = told.history.key_text(one.key)
    late = f", {one.late_ns / SECOND_NS:.3f} s after" if one.late_ns else " although"
    what = (
        f"{key} read as {_value_text(look.value, told)} by user {look.user} between"
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
