"""Does each worker's ledger tell a story that can be: announced before answered, in time's order?

What it does: finds outcomes of messages that their worker never announced, and entries that are
dated before the one ahead of them. Why it matters: what was announced says what a message held, so
that without it nobody sees that it was altered; instants decide who was owed what. A failure looks
like: "1 outcome of messages that were never announced". Limits: it shows that a ledger is not what
a worker wrote, not what became of it; it never fails a target.
Source: "missing evidence is never a pass", law 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from stormproof.checks.ledger import SLICE, Entries, Words
from stormproof.checks.outcome import Outcome
from stormproof.checks.wording import counted
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.kernel.units import MILLISECOND_NS, SECOND_NS
from stormproof.model.finding import Finding, Witness
from stormproof.model.ledger import EntryKind, split_key
from stormproof.model.record import Record

BACKWARDS_NS_MAX = 100 * MILLISECOND_NS  # one thread writes them as it reads its clock
OUTCOMES = (EntryKind.OK, EntryKind.FAIL, EntryKind.UNKNOWN)
KINDS = {int(kind): kind.name for kind in EntryKind}
ADVICE = "do not judge by this record: run again, and keep what wrote it from changing it"


def check_ledger_order(record: Record, odd: Sequence[Finding]) -> Outcome:
    """Find what no worker can have written; see the module. `odd` is what operations tell of it."""
    return Outcome(findings=[*_unannounced(record), *_backwards(record), *odd])


def _unannounced(record: Record) -> Iterator[Finding]:
    """Find outcomes of messages that the same worker never announced."""
    found = np.concatenate([np.zeros(0, np.uint64), *map(_outcomes_alone, record.ledger)])
    if not len(found):
        return
    yield Finding(
        kind="never-announced",
        title=f"{counted(len(found), 'message')} with an outcome, but never announced:"
        " nobody knows what they held",
        count=len(found),
        witnesses=[
            Witness(what=_message_text(key), key=f"{key:x}")
            for key in found[:FINDINGS_LISTED_MAX].tolist()
        ],
        advice=ADVICE,
    )


def _message_text(key: int) -> str:
    worker, user, sequence = split_key(key)
    return f"message {sequence} of user {user} (worker {worker})"


def _outcomes_alone(segment: Entries) -> Words:
    """Return the keys of a segment that have an outcome and no announcement."""
    announced = _keys(segment, EntryKind.INVOKE)
    outcomes = _keys(segment, *OUTCOMES)
    alone: Words = np.setdiff1d(outcomes, announced)
    return alone


def _keys(segment: Entries, *kinds: EntryKind) -> Words:
    """Return the keys of all entries of some kinds."""
    parts = (segment[start : start + SLICE] for start in range(0, len(segment), SLICE))
    found = [part["key"][np.isin(part["kind"], kinds)] for part in parts]
    return np.concatenate([np.zeros(0, np.uint64), *found])


def _backwards(record: Record) -> Iterator[Finding]:
    """Find entries that are dated before the one ahead of them in their segment."""
    count = 0
    witnesses: list[Witness] = []
    for segment in record.ledger:
        for place in _early_places(segment):
            count += 1
            if len(witnesses) < FINDINGS_LISTED_MAX:
                witnesses.append(_witness(segment, int(place)))
    if count:
        yield Finding(
            kind="ledger-out-of-order",
            title=f"{counted(count, 'ledger entry')} dated before the one written ahead of it",
            count=count,
            witnesses=witnesses,
            advice=ADVICE,
        )


def _early_places(segment: Entries) -> NDArray[np.int64]:
    """Return the places of entries dated before their predecessor, beyond a small bound."""
    found = [np.zeros(0, np.int64)]
    for start in range(0, len(segment), SLICE):
        first = max(0, start - 1)
        instants = segment["at_ns"][first : start + SLICE].astype(np.int64)
        found.append(np.flatnonzero(np.diff(instants) < -BACKWARDS_NS_MAX) + first + 1)
    return np.concatenate(found)


def _witness(segment: Entries, place: int) -> Witness:
    entry, ahead = segment[place], segment[place - 1]
    back_s = (int(ahead["at_ns"]) - int(entry["at_ns"])) / SECOND_NS
    kind = KINDS.get(int(entry["kind"]), "of no kind")
    what = f"entry {place} of worker {int(entry['worker'])} ({kind}) is {back_s:.3g} s early"
    return Witness(what=what, at_ns=int(entry["at_ns"]), key=f"{int(entry['key']):x}")
