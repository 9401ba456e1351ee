"""When a target had caught up with what a fault held back: backlogs drained, deliveries made."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stormproof.model.ledger import EntryKind
from stormproof.model.observed import ObservedKind
from stormproof.model.record import Record
from stormproof.rules.figures import figures_of
from stormproof.rules.observed import matching
from stormproof.rules.windows import FaultLife

Row = tuple[str, int | None, int]  # what, when, how finely sampled; nanoseconds


def caught_up(record: Record, life: FaultLife, limit_ns: int) -> Iterator[Row]:
    """Yield when each backlog of the plan was what it had been before, and the last late delivery.

    Args:
        record: everything observed.
        life: of the fault.
        limit_ns: what came later belongs to the next fault.
    """
    if life.over_ns is None:
        return
    for backlog in record.plan.backlogs:
        yield _drained(record, backlog, life, limit_ns)
    delivered_ns = _last_delivery_ns(record, life, limit_ns)
    if delivered_ns is not None:
        yield ("last delivery of what was held back", delivered_ns, 0)


def _drained(record: Record, backlog: str, life: FaultLife, limit_ns: int) -> Row:
    """Return when a gauge was first at most what it was before the fault, once that was over."""
    source, _, name = backlog.partition(":")
    figures = figures_of(source, record.observed, record.readings, {name})
    ids = matching(figures, name, {}, ObservedKind.GAUGE)
    said = [
        (one.at_ns, sum(one.values[key] for key in ids))
        for one in figures.instants
        if ids and all(key in one.values for key in ids)
    ]
    before = [value for at_ns, value in said if at_ns < life.first_ns]
    what = f"backlog drained ({backlog})"
    last_ns = life.over_ns or 0
    for at_ns, value in said:
        if before and last_ns <= at_ns < limit_ns and value <= before[-1]:
            earlier = [other for other, _ in said if other < at_ns]
            return (what, at_ns, at_ns - earlier[-1])
    return (what, None, 0)


def _last_delivery_ns(record: Record, life: FaultLife, limit_ns: int) -> int | None:
    """Return when the last of the messages sent while a fault was in force reached somebody.

    None where all of them had arrived before it was over.
    """
    over_ns = life.over_ns or 0
    sent = [
        entries["key"][
            (entries["kind"] == EntryKind.INVOKE)
            & (entries["at_ns"] >= life.first_ns)
            & (entries["at_ns"] < over_ns)
        ]
        for entries in record.ledger
    ]
    keys = np.unique(np.concatenate(sent)) if sent else np.empty(0, np.uint64)
    late = [0]
    for entries in record.ledger:
        came = (
            (entries["kind"] == EntryKind.RECEIVED)
            & (entries["at_ns"] >= over_ns)
            & (entries["at_ns"] < limit_ns)
        )
        mine = entries[came]
        late.append(int(mine["at_ns"][np.isin(mine["key"], keys)].max(initial=0)))
    return max(late) or None
