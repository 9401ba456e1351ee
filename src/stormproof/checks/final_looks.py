"""Final reads as they were made: what a server held before the load, and when all was over."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from stormproof.checks.history import History
from stormproof.checks.ledger import Words
from stormproof.model.event import FinalReadEvent
from stormproof.model.final_read import AFTER, BEFORE, READER, Moment, read_word
from stormproof.model.history import Function, digest_word
from stormproof.model.plan import PlannedRead
from stormproof.model.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One time that a server was read: its rows, in the order given, and from when to when.

    With `why` it gave none. `left_out`: entries of a stream without the field.
    """

    rows: Words
    began_ns: int = 0
    ended_ns: int = 0
    left_out: int = 0
    why: str = ""

    @property
    def is_made(self) -> bool:
        """Whether its rows are all there were."""
        return not self.why


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalLook:
    """A final read of the plan, made before the load and after it."""

    planned: PlannedRead
    before: Look
    after: Look

    @property
    def name(self) -> str:
        """What the trial calls it."""
        return self.planned.name

    @property
    def new(self) -> Words:
        """The rows that there are more of than before the load, each as often as it is more."""
        rows, counts = np.unique(self.after.rows, return_counts=True)
        known, before = np.unique(self.before.rows, return_counts=True)
        if len(known):
            at = np.minimum(np.searchsorted(known, rows), len(known) - 1)
            counts = counts - np.where(known[at] == rows, before[at], 0)
        return np.repeat(rows, np.maximum(counts, 0))


def as_journeys_told(record: Record, history: History) -> History:
    """Return a history without the reads that the plan makes, which are no user's."""
    if not record.plan.final_reads:
        return history
    return replace(
        history,
        reads=history.reads.where(history.reads.user != READER).unkept(),
        stored=frozenset(digest_word(one.of) for one in record.plan.final_reads if one.of),
    )


def final_looks(record: Record, history: History) -> list[FinalLook]:
    """Return the plan's final reads as the record holds them."""
    return [
        FinalLook(
            planned=one,
            before=_look(record, history, one, BEFORE),
            after=_look(record, history, one, AFTER),
        )
        for one in record.plan.final_reads
    ]


def _look(record: Record, history: History, planned: PlannedRead, moment: Moment) -> Look:
    """Return the look at a moment."""
    nothing = np.empty(0, np.uint64)
    told = [
        event
        for event in record.events
        if isinstance(event, FinalReadEvent)
        and event.name == planned.name
        and event.moment == moment
    ]
    if not told:
        return Look(rows=nothing, why="it was not read: the run did not come to it")
    event = told[-1]
    if event.error:
        return Look(rows=nothing, why=event.error)
    reads = history.reads.of(Function.READ_SET)
    mine = np.flatnonzero(
        (reads.key == np.uint64(read_word(planned.name)))
        & (reads.user == READER)
        & (reads.began_ns == event.began_ns)
    )
    if len(mine) != 1 or int(reads.count[mine[0]]) != event.rows:
        return Look(rows=nothing, why="the ledger does not hold the rows that it is said to have")
    first = int(reads.first[mine[0]])
    return Look(
        rows=history.elements[first : first + event.rows],
        began_ns=event.began_ns,
        ended_ns=event.at_ns,
        left_out=event.left_out,
    )
