"""The reconciliation: what is there when all is over is what all changes together make."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

import numpy as np

from stormproof.checks.history import Reads, Table, Told
from stormproof.checks.ledger import FOREVER_NS
from stormproof.checks.outcome import Measurement, Outcome
from stormproof.checks.set_timeline import timeline_of
from stormproof.checks.totals import lives_of, rows_of
from stormproof.checks.versions import NONE, versions_of
from stormproof.checks.wording import counted
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.model.finding import Finding, Witness
from stormproof.model.history import Function

REMEDY: Final = "have everything read once more when the load has ended, as in `settle`"
NAMED: Final = 3


class _Off(NamedTuple):
    """A key whose last read is not what its changes make, and how it differs."""

    key: int
    user: int
    began_ns: int
    how: str


def check_final_reads(told: Told) -> Outcome:
    """Check that the last read of everything that was changed is what the changes make.

    What it does: takes the last read of each set and each written key that began after all changes
    of it had ended. A set holds all that was added for sure and not removed, and nothing that was
    removed for sure, or refused when it had not been there; a key holds a value that was not
    certainly overwritten. Why it matters: what is left when all is quiet is what people live with.
    What a failure looks like: "1 key off at the end: cart:7 without 42, with 43". Limits: only an
    objective makes it run; what was there at first and never touched is not known; counters have a
    checker of their own.
    """
    changes = told.history.changes.of(Function.ADD, Function.REMOVE, Function.WRITE, Function.CAS)
    off, judged, unread = list[_Off](), 0, list[int]()
    for found in (_sets(told, changes), _values(told)):
        off += found[0]
        judged += found[1]
        unread += found[2]
    why = "" if judged or unread else "nothing that was changed was read"
    if unread:
        name = told.history.key_text(unread[0])
        why = f"{counted(len(unread), 'key')} not read after the last change (first: {name})"
    if not told.history.whole:
        off, why = [], "the record was cut off: what is missing from it may explain what was read"
    is_doubtful = bool(why) and not off
    measured = Measurement(
        value=None if is_doubtful else float(len(off)),
        samples=judged,
        why=why if is_doubtful else "",
        remedy=REMEDY if is_doubtful else "",
    )
    findings = [_finding(off, told)] if off and told.breaks("final_off", len(off)) else []
    return Outcome(findings=findings, measured={("final_off", ""): measured})


def _last_change_ns(changes: Table) -> dict[int, int]:
    """Return, a key, when the last of its changes had ended; what never ended is left out."""
    made = changes.where(changes.ended_ns != FOREVER_NS)
    last: dict[int, int] = {int(key): -1 for key in np.unique(changes.key)}
    for key, ended_ns in zip(made.key.tolist(), made.ended_ns.tolist(), strict=True):
        last[key] = max(last[key], ended_ns)
    return last


def _sets(told: Told, changes: Table) -> tuple[list[_Off], int, list[int]]:
    mine = changes.of(Function.ADD, Function.REMOVE)
    mine = mine.where(np.argsort(mine.key, kind="stable"))
    refused = _refused(told)
    reads = told.history.reads.of(Function.READ_SET)
    reads = reads.where(np.lexsort((reads.began_ns, reads.key)))
    off, judged, unread = list[_Off](), 0, list[int]()
    for key, last_ns in _last_change_ns(mine).items():
        at = int(np.searchsorted(reads.key, np.uint64(key), side="right")) - 1
        if at < 0 or int(reads.key[at]) != key or int(reads.began_ns[at]) <= last_ns:
            unread.append(key)
            continue
        judged += 1
        some = mine.where(rows_of(mine.key, key))
        how = _difference(told, some, reads, at, refused.get(key, set()))
        if how:
            off.append(_Off(key, int(reads.user[at]), int(reads.began_ns[at]), how))
    return off, judged, unread


def _refused(told: Told) -> dict[int, set[int]]:
    """Return, a set, what was always refused, was not there at first, and came all the same."""
    refused: dict[int, set[int]] = {}
    if not len(told.history.changes.of(Function.ADD)):
        return refused
    timeline = timeline_of(told.history)
    elements, rows = timeline.elements, timeline.is_refused_seen
    pairs = zip(elements.key[rows].tolist(), elements.value[rows].tolist(), strict=True)
    for key, value in pairs:
        refused.setdefault(key, set()).add(value)
    return refused


def _difference(
    told: Told, changes: Table, reads: Reads, at: int, refused: AbstractSet[int]
) -> str:
    """Say what a read of a set lacks and what it holds too much; nothing when it is right."""
    first, count = int(reads.first[at]), int(reads.count[at])
    held = set(told.history.elements[first : first + count].tolist())
    began_ns, ended_ns = int(reads.began_ns[at]), int(reads.ended_ns[at])
    lives = lives_of(changes)
    sure = lives.value[(lives.surely_from < began_ns) & (lives.surely_to > ended_ns)]
    gone = lives.value[lives.maybe_to < began_ns]
    lacks = sorted(set(sure.tolist()) - held)
    surplus = sorted(held & (refused | set(gone.tolist())))
    return ", ".join(
        f"{word} {_listed(told, values)}"
        for word, values in (("without", lacks), ("with", surplus))
        if values
    )


def _listed(told: Told, values: list[int]) -> str:
    named = " and ".join(told.history.value_text(value) for value in values[:NAMED])
    more = len(values) - NAMED
    return named + (f" and {more} more" if more > 0 else "")


def _values(told: Told) -> tuple[list[_Off], int, list[int]]:
    off, judged, unread = list[_Off](), 0, list[int]()
    for some in versions_of(told.history):
        keys, looks, writes = len(some.keys), some.looks, some.writes
        last_ns = np.full(keys, -1, np.int64)
        np.maximum.at(last_ns, writes.of_key[writes.is_made], writes.ended_ns[writes.is_made])
        last = np.searchsorted(looks.of_key, np.arange(keys), side="right") - 1
        is_read = (last >= 0) & (np.append(looks.of_key, -1)[last] == np.arange(keys))
        is_read &= np.append(looks.began_ns, -1)[last] > last_ns
        unread += some.keys[~is_read].tolist()
        judged += int(np.count_nonzero(is_read))
        rows = last[is_read]
        by = some.overwriting[rows]
        is_off = (by != NONE) & (np.append(writes.ended_ns, 0)[by] < looks.began_ns[rows])
        for row in rows[is_off].tolist():
            value = told.history.value_text(looks.value_of(row))
            how = f"read as {value}, which had been overwritten"
            key, user = int(some.keys[looks.of_key[row]]), int(looks.user[row])
            off.append(_Off(key, user, int(looks.began_ns[row]), how))
    return off, judged, unread


def _finding(off: list[_Off], told: Told) -> Finding:
    return Finding(
        kind="final-off",
        title=f"{counted(len(off), 'key')} off at the end: not what the changes make",
        count=len(off),
        witnesses=[
            Witness(
                what=f"{told.history.key_text(one.key)} {one.how}, by user {one.user} in the read"
                f" begun at {told.at(one.began_ns)}",
                at_ns=one.began_ns,
            )
            for one in off[:FINDINGS_LISTED_MAX]
        ],
        advice="follow a key from its last acknowledged change through storage to the read",
    )
