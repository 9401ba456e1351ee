"""A recovery ends when backlogs are what they were, and what was held back has arrived."""

from __future__ import annotations

from dataclasses import replace

from tests.builders import LedgerWriter, at, healthy_record, plan

from stormproof.checks.caught_up import caught_up
from stormproof.model.ledger import EntryKind
from stormproof.model.observed import ObservedKind
from stormproof.model.reading import ObservedSeries, SourceReading
from stormproof.model.record import Record
from stormproof.rules.windows import windows_of

PENDING = "target:pending"


def reading(at_s: float, value: float) -> SourceReading:
    return SourceReading(
        source="target", start_ns=at(at_s), end_ns=at(at_s), ids=[7], values=[value]
    )


def backlogged(*said: tuple[float, float]) -> Record:
    """Return a record whose target tells of a backlog; a fault lasts from 12 to 16 s."""
    series = ObservedSeries(id=7, source="target", name="pending", tags={}, kind=ObservedKind.GAUGE)
    record = healthy_record(plan(backlogs=(PENDING,)))
    return replace(record, observed={7: series}, readings=tuple(reading(*one) for one in said))


def rows(record: Record) -> dict[str, tuple[int | None, int]]:
    cut, restart = windows_of(record).faults
    return {name: (at_ns, grain) for name, at_ns, grain in caught_up(record, cut, restart.start_ns)}


def test_a_backlog_is_drained_when_it_is_what_it_was_before() -> None:
    """Three before, ninety while it lasts, and three again at 20 s, read each two seconds."""
    told = rows(backlogged((10, 3), (14, 90), (16.5, 60), (18, 20), (20, 3), (22, 5)))
    assert told[f"backlog drained ({PENDING})"] == (at(20), at(20) - at(18))


def test_one_that_is_not_drained_before_the_next_fault_was_not_seen_to_be() -> None:
    """What comes after the next fault is not this one's recovery; nor is a silent source."""
    late = rows(backlogged((10, 3), (14, 90), (18, 20), (30, 0)))
    assert late[f"backlog drained ({PENDING})"] == (None, 0)
    assert rows(backlogged())[f"backlog drained ({PENDING})"] == (None, 0)


def test_the_last_delivery_of_what_was_held_back_is_told() -> None:
    """Two messages were sent while the fault lasted; one of them came at 17.5 s."""
    writer = LedgerWriter()
    held = writer.send(0, 1, 1, 1)
    quick = writer.send(0, 1, 2, 2)
    writer.receive(1, 1, quick, 2)
    writer.receive(1, 1, held, 1)
    entries = writer.array.copy()
    kinds = entries["kind"]
    entries["at_ns"] = at(13)
    entries["at_ns"][(kinds == EntryKind.RECEIVED) & (entries["key"] == held)] = at(17.5)
    told = rows(replace(healthy_record(), ledger=(entries,)))
    assert told == {"last delivery of what was held back": (at(17.5), 0)}
    entries["at_ns"] = at(13)
    assert rows(replace(healthy_record(), ledger=(entries,))) == {}
