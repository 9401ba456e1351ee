"""The life of one message: due, sent, acknowledged, owed to whom, got by whom; what was near."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stormproof.checks.ledger import MEMBER_SHIFT, Entries, slices
from stormproof.checks.surroundings import (
    around_ns,
    breakings,
    faults_at,
    faults_between,
    in_order,
    surroundings,
)
from stormproof.checks.tally import Tally, owed_drained, owed_in_order
from stormproof.checks.wording import counted
from stormproof.kernel.limits import EXPLAINED_USERS_MAX
from stormproof.kernel.units import MICROSECOND_NS, SECOND_NS
from stormproof.model.event import DrainEvent
from stormproof.model.history import FIRST_KIND
from stormproof.model.ledger import EntryKind, split_key
from stormproof.model.record import Record
from stormproof.model.story import Moment, Story
from stormproof.rules.windows import Windows

MARGIN_S = 2.0  # of what was around
MISSING_FOLLOWED = 3  # users whose sessions are followed


class Entry(NamedTuple):
    """One entry of the ledger."""

    kind: EntryKind
    user: int
    scope: int
    number: int
    at_ns: int
    start_us: int
    intended_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """Everything that the ledger says of one message; users rise."""

    key: int
    entries: Sequence[Entry]
    owed: Sequence[int]
    missing: Sequence[int]
    again: Sequence[int]  # users who got it more than once

    def first(self, *kinds: EntryKind) -> Entry | None:
        """Return the first entry of some kinds."""
        return next((one for one in self.entries if one.kind in kinds), None)

    @property
    def receipts(self) -> list[Entry]:
        """Return every receipt, in order."""
        return [one for one in self.entries if one.kind is EntryKind.RECEIVED]


def life_of(record: Record, tally: Tally, key: int, *, drained: bool) -> Life:
    """Gather the life of the message with a key."""
    entries = list(_chosen(record, key=key)) if key else []
    owed = _owed(tally, key, drained=drained)
    got = Counter(one.user for one in entries if one.kind is EntryKind.RECEIVED)
    return Life(
        key=key,
        entries=entries,
        owed=owed,
        missing=sorted(set(owed) - set(got)),
        again=sorted(user for user, times in got.items() if times > 1),
    )


def tell_life(record: Record, windows: Windows, life: Life, title: str) -> Story:
    """Tell the life of a message, with the sessions of whoever misses it and what was around."""
    if not life.entries:
        return Story(title=title, facts=["the ledger has no entry of this message"])
    own = list(_own_moments(life, windows))
    sessions = [
        moment
        for user in (life.missing or life.again)[:MISSING_FOLLOWED]
        for moment in _sessions(record, windows, life, user)
    ]
    from_ns, to_ns = around_ns((one.at_ns for one in life.entries), MARGIN_S)
    near = surroundings(record, windows, from_ns, to_ns)
    # Who misses it may have been passed over much later: whatever came until then may be why.
    passed_s = max((one.at_s for one in sessions), default=windows.at_s(to_ns))
    later = breakings(record, windows, to_ns, passed_s) if life.missing else []
    moments, left_out = in_order([*own, *sessions, *near, *later])
    return Story(
        title=title,
        facts=list(_facts(record, windows, life, passed_s)),
        moments=moments,
        left_out=left_out,
        advice=list(_advice(record, windows, life, passed_s)),
    )


def users_text(users: Sequence[int]) -> str:
    """Name users, the first few one by one."""
    named = ", ".join(str(user) for user in users[:EXPLAINED_USERS_MAX])
    more = len(users) - EXPLAINED_USERS_MAX
    return f"{'user' if len(users) == 1 else 'users'} {named}{f' and {more} more' * (more > 0)}"


def _chosen(
    record: Record, *, key: int | None = None, user: int | None = None, scope: int | None = None
) -> Iterator[Entry]:
    """Yield the ledger's entries of a message, or of a user in a scope, by instant.

    Those of the history lie in the same ledger: their fields mean something else.
    """
    found: list[Entry] = []
    for _, part, _ in slices(record.ledger):
        chosen = part["kind"] < FIRST_KIND
        for name, wanted in (("key", key), ("user", user), ("scope", scope)):
            if wanted is not None:
                chosen &= part[name] == wanted
        found += _entries(part[chosen])
    yield from sorted(found, key=lambda one: one.at_ns)


def _entries(rows: Entries) -> list[Entry]:
    names = ("user", "scope", "number", "at_ns", "start_us", "intended_us")
    return [Entry(EntryKind(int(row["kind"])), *(int(row[name]) for name in names)) for row in rows]


def _owed(tally: Tally, key: int, *, drained: bool) -> list[int]:
    """Return the users who were owed a message, as far as the record can say."""
    ledger = tally.ledger
    ranks, is_sent = ledger.messages.ranks_of(np.array([key], np.uint64))
    if not is_sent[0] or ledger.messages.state[ranks[0]] != EntryKind.OK:
        return []
    owed = owed_drained(ledger) if drained else owed_in_order(ledger, tally.receipts)
    rank = np.uint64(ranks[0])
    members = owed.member[(owed.low <= rank) & (rank < owed.high)].astype(np.int64)
    return sorted({int(one) >> MEMBER_SHIFT for one in ledger.members.member[members]})


def _own_moments(life: Life, windows: Windows) -> Iterator[Moment]:
    """Tell what happened to the message itself."""
    sent = life.first(EntryKind.INVOKE)
    for one in life.entries:
        told = _told(one, sent)
        if told:
            yield Moment(at_s=windows.at_s(one.at_ns), about="message", what=told)
    ended = life.first(EntryKind.OK, EntryKind.FAIL, EntryKind.UNKNOWN)
    if ended is not None and ended.intended_us:
        due_ns = ended.at_ns - ended.intended_us * MICROSECOND_NS
        yield Moment(at_s=windows.at_s(due_ns), about="message", what="due to be sent")
    yield from _receipt_moments(life, windows)


def _told(one: Entry, sent: Entry | None) -> str:
    match one.kind:
        case EntryKind.INVOKE:
            return f"user {one.user} sends it into scope {one.scope}"
        case EntryKind.OK:
            after = f", {_ms(one, sent)} after it was sent" if sent else ""
            return f"acknowledged as number {one.number} of scope {one.scope}{after}"
        case EntryKind.FAIL:
            return "refused: it did not happen"
        case EntryKind.UNKNOWN:
            return "no answer that says whether it was taken"
        case _:
            return ""


def _ms(one: Entry, since: Entry) -> str:
    return f"{(one.at_ns - since.at_ns) / 1_000_000:.3g} ms"


def _receipt_moments(life: Life, windows: Windows) -> Iterator[Moment]:
    """Tell who got it: one by one, or together where they are many; repetitions always."""
    had: set[int] = set()
    firsts: list[Entry] = []
    for one in life.receipts:
        if one.user in had:
            what = f"user {one.user} gets it AGAIN, as number {one.number} of scope {one.scope}"
            yield Moment(at_s=windows.at_s(one.at_ns), about="message", what=what)
        else:
            firsts.append(one)
        had.add(one.user)
    if len(firsts) <= EXPLAINED_USERS_MAX:
        for one in firsts:
            what = f"user {one.user} gets it, as number {one.number} of scope {one.scope}"
            yield Moment(at_s=windows.at_s(one.at_ns), about="message", what=what)
        return
    users = users_text(sorted(one.user for one in firsts))
    last_s = windows.at_s(firsts[-1].at_ns)
    what = f"{counted(len(firsts), 'user')} get it, the last at {last_s:.3f} s: {users}"
    yield Moment(at_s=windows.at_s(firsts[0].at_ns), about="message", what=what)


def _sessions(record: Record, windows: Windows, life: Life, user: int) -> Iterator[Moment]:
    """Tell how a user was connected around the message, and which numbers it got around it."""
    told = life.first(EntryKind.OK) or life.entries[0]
    entries = list(_chosen(record, user=user, scope=told.scope))
    turns = [one for one in entries if one.kind in (EntryKind.JOINED, EntryKind.LEFT)]
    before = [one for one in turns if one.at_ns <= told.at_ns][-1:]
    after = [one for one in turns if one.at_ns > told.at_ns][:2]
    for one in (*before, *after):
        joined = one.kind is EntryKind.JOINED
        what = f"user {user} " + (
            f"joins scope {one.scope}: owed what is above number {one.number}"
            if joined
            else f"loses its connection to scope {one.scope}"
        )
        yield Moment(at_s=windows.at_s(one.at_ns), about="session", what=what)
    if told.kind is EntryKind.OK:
        for one in _neighbours(entries, told.number):
            skips = one.number > told.number and user in life.missing
            never = f", and never {told.number}" if skips else ""
            what = f"user {user} gets number {one.number} of scope {one.scope}{never}"
            yield Moment(at_s=windows.at_s(one.at_ns), about="session", what=what)


def _neighbours(entries: Sequence[Entry], number: int) -> list[Entry]:
    """Return the first receipts of the nearest number below and above one."""
    got = [one for one in entries if one.kind is EntryKind.RECEIVED]
    below = max(
        (one for one in got if one.number < number), key=lambda one: one.number, default=None
    )
    above = min(
        (one for one in got if one.number > number), key=lambda one: one.number, default=None
    )
    return [one for one in (below, above) if one is not None]


def _facts(record: Record, windows: Windows, life: Life, passed_s: float) -> Iterator[str]:
    worker, sender, sequence = split_key(life.key)
    yield f"key {life.key:x}: message {sequence} of user {sender} (worker {worker})"
    told = life.first(EntryKind.OK)
    if told is None:
        yield "never acknowledged: nobody is owed it"
    else:
        got = len(life.owed) - len(life.missing)
        owed = counted(len(life.owed), "user")
        yield f"owed to {owed}: {got} got it, {len(life.missing)} did not"
        if life.missing:
            yield f"never got it: {users_text(life.missing)}"
        faults = ", ".join(faults_at(windows, told.at_ns))
        yield f"in force when it was acknowledged: {faults or 'no fault'}"
        later = ", ".join(faults_between(windows, told.at_ns, passed_s))
        if life.missing and later:
            yield f"came before a later one was got: {later}"
    if life.again:
        yield f"got it more than once: {users_text(life.again)}"
    yield _drained(record, windows)


def _drained(record: Record, windows: Windows) -> str:
    drain = next((one for one in record.events if isinstance(one, DrainEvent)), None)
    if drain is None:
        return (
            "the run was not drained: only a higher number that arrived proves that one is missing"
        )
    how = "with everything there" if drain.caught_up else "at its deadline"
    return f"the drain ended at {windows.at_s(drain.at_ns):.3f} s {how}"


def _advice(record: Record, windows: Windows, life: Life, passed_s: float) -> Iterator[str]:
    told = life.first(EntryKind.OK)
    if told is None or not life.missing:
        return
    faults = faults_at(windows, told.at_ns)
    if faults:
        yield f"what becomes of an acknowledged message while {', '.join(faults)} is in force"
    if later := faults_between(windows, told.at_ns, passed_s):
        yield f"who had it in hand, not yet delivered, when {', '.join(later)} came"
    user = life.missing[0]
    entries = _chosen(record, user=user, scope=told.scope)
    turns = [one for one in entries if one.kind in (EntryKind.JOINED, EntryKind.LEFT)]
    before = [one for one in turns if one.at_ns <= told.at_ns]
    was_there = bool(before) and before[-1].kind is EntryKind.JOINED
    soon_gone = any(
        one.kind is EntryKind.LEFT and 0 < one.at_ns - told.at_ns < SECOND_NS for one in turns
    )
    at_s = windows.at_s(told.at_ns)
    if not was_there or soon_gone:
        yield f"user {user} was not connected for all of that time: what a resume sends again"
    elif life.receipts:
        yield (
            f"user {user} was connected when it was acknowledged ({at_s:.3f} s): the way from"
            " storage to its connection"
        )
    else:
        yield (
            f"nobody got it, and user {user} was connected when it was acknowledged ({at_s:.3f} s):"
            " whether it was stored, and what hands it out"
        )
