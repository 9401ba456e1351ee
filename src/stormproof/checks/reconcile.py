"""The reconciliation: what is there when all is over is what all changes together make."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

import numpy as np

from stormproof.checks.history import Ints, Reads, Table, Told
from stormproof.checks.ledger import FOREVER_NS
from stormproof.checks.lookup import Lookup
from stormproof.checks.outcome import Measurement, Outcome
from stormproof.checks.register_blocks import (
    RAISED_REMEDY,
    Rows,
    blocks_of,
    named,
    raised_doubt,
)
from stormproof.checks.set_timeline import timeline_of
from stormproof.checks.totals import lives_of, rows_of
from stormproof.checks.versions import NEVER_NS
from stormproof.checks.wording import counted
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.model.finding import Finding, Witness
from stormproof.model.history import Function

REMEDY: Final = "have everything read once more when the load has ended, as in `settle`"
SMALLER: Final = "have the journey read smaller sets, or a part of one"
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
    removed for sure, or refused when it had not been there; a key holds a value one of whose writes
    was not certainly overwritten. Why it matters: what is left when all is quiet is what people
    live with. What a failure looks like: "1 key off at the end: cart:7 without 42, with 43".
    Limits: only an objective makes it run; what was there at first and never touched is not known,
    nor is what is left of a key of which no change was acknowledged; counters have a checker of
    their own, and a key that was incremented as well as written leaves it undecided.
    """
    changes = told.history.changes.of(Function.ADD, Function.REMOVE, Function.WRITE, Function.CAS)
    off, judged, unread = list[_Off](), 0, list[int]()
    for found in (_sets(told, changes), _values(told)):
        off += found[0]
        judged += found[1]
        unread += found[2]
    why, remedy = _doubt(told, judged, unread)
    if not told.history.has_whole_sets:
        off = []
    is_doubtful = bool(why) and not off
    measured = Measurement(
        value=None if is_doubtful else float(len(off)),
        samples=0 if is_doubtful else judged,
        why=why if is_doubtful else "",
        remedy=remedy if is_doubtful else "",
    )
    findings = [_finding(off, told)] if off and told.breaks("final_off", len(off)) else []
    return Outcome(findings=findings, measured={("final_off", ""): measured})


def _doubt(told: Told, judged: int, unread: list[int]) -> tuple[str, str]:
    """Return why nothing off would be no proof, and what to do; empty where it would be."""
    if not told.history.whole:
        return "the record was cut off: what is missing from it may explain what was read", REMEDY
    if not told.history.has_all_reads:
        return "a read was too large to be kept: it may have been the last", SMALLER
    raised = raised_doubt(told)
    if unread:
        name = told.history.key_text(unread[0])
        why = f"{counted(len(unread), 'key')} not read after the last change (first: {name})"
        return why, REMEDY
    if raised:
        return raised, RAISED_REMEDY
    if not judged:
        why = "no change of anything that was read had been acknowledged"
        return why, "see what the target answers, and what the journey tells the ledger"
    return "", ""


def _last_change_ns(changes: Table) -> dict[int, int]:
    """Return, a key, when the last of its changes had ended.

    What never ended is left out, and so is a key of which nothing else was told: whatever is read
    of it is right.
    """
    made = changes.where(changes.ended_ns != FOREVER_NS)
    last: dict[int, int] = {int(key): -1 for key in np.unique(made.key)}
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
    for block in blocks_of(told.history, raised=False):
        keys, is_read = len(block.keys), block.rows.is_read
        writes, reads = block.rows.where(~is_read), block.rows.where(is_read)
        made = writes.where(writes.is_made)
        made_ns, last_ns = np.full((2, keys), NEVER_NS, np.int64)
        np.maximum.at(made_ns, made.of_key, made.began_ns)
        np.maximum.at(last_ns, made.of_key, made.ended_ns)
        last = _last_of_key(reads, keys)
        is_tried = (last >= 0) & (np.append(reads.began_ns, NEVER_NS)[last] > last_ns)
        is_tried &= made_ns != NEVER_NS
        unread += block.keys[~is_tried & (made_ns != NEVER_NS)].tolist()
        judged += int(np.count_nonzero(is_tried))
        looks = reads.where(last[is_tried])
        # A value is left where one of its writes had not ended before another one began.
        is_off = made_ns[looks.of_key] > _written_until_ns(writes, looks)
        for row in np.flatnonzero(is_off).tolist():
            value = told.history.value_text(looks.value_of(row))
            how = f"read as {value}, which had been overwritten"
            key, user = int(block.keys[looks.of_key[row]]), int(looks.user[row])
            off.append(_Off(key, user, int(looks.began_ns[row]), how))
    return off, judged, unread


def _last_of_key(reads: Rows, keys: int) -> Ints:
    """Return, a key, the read of it that began last, -1 for none."""
    order = np.lexsort((reads.ended_ns, reads.began_ns, reads.of_key))
    at = np.searchsorted(reads.of_key[order], np.arange(keys), side="right") - 1
    last = np.append(order, -1)[at]
    is_mine = np.append(reads.of_key, -1)[last] == np.arange(keys)
    return np.where(is_mine, last, -1)


def _written_until_ns(writes: Rows, looks: Rows) -> Ints:
    """Return, a read, when the last write of its value had ended, NEVER_NS where there is none."""
    until_ns = np.full(len(looks), NEVER_NS, np.int64)
    if not len(looks):
        return until_ns
    known = Lookup(*named(looks.of_key, looks.value, looks.is_absent))
    at, is_read = known.find(*named(writes.of_key, writes.value, writes.is_absent))
    np.maximum.at(until_ns, at[is_read], writes.ended_ns[is_read])
    return until_ns


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
