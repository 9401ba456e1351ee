"""Final reads as a record holds them: judged with it, and never mistaken for a journey's reads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.builders import ORIGIN_NS, healthy_record, plan
from tests.final_reads import add
from tests.histories import HistoryWriter, Op

from stormproof.checks.judge import judge
from stormproof.kernel.canonical import canonical_json
from stormproof.model.event import FinalReadEvent, WarningEvent
from stormproof.model.final_read import AFTER, BEFORE, READER, WORKER, Moment, read_word
from stormproof.model.history import ELEMENTS_PER_ENTRY, OPERATION, Function, Step, element_of
from stormproof.model.ledger import NUMPY_FIELDS
from stormproof.model.plan import PlannedRead
from stormproof.model.record import Record
from stormproof.model.verdict import Verdict
from stormproof.rules.grammar import objective

ROWS = PlannedRead(name="rows", statement="SELECT", of="chat")
TICKETS = PlannedRead(name="tickets", keys="ticket:*", empty=True)
AT = {BEFORE: 10, AFTER: 40_000_000_000}


def made(planned: PlannedRead, moment: Moment, rows: list[Any]) -> tuple[FinalReadEvent, bytes]:
    """Return a final read as the controller writes it down."""
    began_ns, key = ORIGIN_NS + AT[moment], read_word(planned.name)
    head = (WORKER, READER)
    words = [element_of(row)[0] for row in rows]
    entries = []
    for start in range(0, len(words), ELEMENTS_PER_ENTRY):
        few = words[start : start + ELEMENTS_PER_ENTRY]
        first, second, third = (*few, 0, 0)[:ELEMENTS_PER_ENTRY]
        entries.append(
            OPERATION.pack(Step.ELEMENTS, 0, *head, len(few), 0, first, second, began_ns, third)
        )
    flags = Function.READ_SET
    entries.append(OPERATION.pack(Step.OK, flags, *head, len(rows), 0, key, 0, began_ns, began_ns))
    event = FinalReadEvent(
        at_ns=began_ns, name=planned.name, moment=moment, began_ns=began_ns, rows=len(rows)
    )
    return event, b"".join(entries)


def record_of(ops: list[Op], *reads: tuple[FinalReadEvent, bytes]) -> Record:
    """Return a healthy record with what journeys told, and two final reads in its plan."""
    base = healthy_record(plan(final_reads=(ROWS, TICKETS)))
    entries = np.frombuffer(b"".join(one for _, one in reads), np.dtype(NUMPY_FIELDS))
    told = HistoryWriter(ops=ops).array
    return replace(
        base,
        events=tuple(sorted([*base.events, *(one for one, _ in reads)], key=lambda e: e.at_ns)),
        ledger=(*base.ledger, told, entries),
    )


def judged(record: Record, *asked: str) -> Verdict:
    names = asked or ("stored_lost", "stored_refused", "stored_surplus", "orphaned")
    bars = [objective(name, "count==0") for name in names]
    return judge(record, objectives=bars, version="1")


def reads(after: list[Any], left: list[Any]) -> list[tuple[FinalReadEvent, bytes]]:
    return [
        made(ROWS, BEFORE, ["old"]),
        made(TICKETS, BEFORE, []),
        made(ROWS, AFTER, after),
        made(TICKETS, AFTER, left),
    ]


def statuses(verdict: Verdict) -> list[str]:
    _, *asked = verdict.objectives  # the first one is the gate's
    return [one.status.value for one in asked]


def test_a_healthy_record_passes() -> None:
    """What was told is stored, nothing is left, and no checker of the journeys' own reads minds
    that nobody read the set; judging again gives the same bytes."""
    record = record_of([add(1), add("two")], *reads(["old", 1, "two"], []))
    verdict = judged(record)
    assert verdict.findings == []
    assert statuses(verdict) == ["pass"] * 4
    assert canonical_json(judged(record)) == canonical_json(verdict)


def test_what_is_wrong_fails_whether_it_is_asked_or_not() -> None:
    """A lost element and a ticket left; a refused one that is stored where an objective asks."""
    ops = [add(1), add(2), add(3, Step.REFUSED)]
    record = record_of(ops, *reads([1, 3], ["ticket:1"]))
    verdict = judged(record, "delivery_lost")
    assert {one.kind for one in verdict.findings} == {"stored-lost", "orphaned"}
    assert verdict.verdict.value == "fail"
    asked = judged(record)
    assert "stored-refused" in {one.kind for one in asked.findings}
    assert statuses(asked) == ["fail", "fail", "pass", "fail"]


@pytest.mark.parametrize("code", ["cleanup-failed", "teardown-failed"])
def test_what_users_left_behind_themselves_accuses_nobody(code: str) -> None:
    """A ticket is left, and clean-ups failed: the run is undecided."""
    record = record_of([add(1)], *reads([1], ["ticket:1"]))
    warning = WarningEvent(at_ns=ORIGIN_NS + AT[AFTER], code=code, text="1 of 9 failed")
    record = replace(record, events=(*record.events, warning))
    verdict = judged(record, "orphaned")
    assert statuses(verdict) == ["inconclusive"]
    assert verdict.verdict.value == "inconclusive"


def test_a_set_that_journeys_read_is_followed_by_those_reads_all_the_same() -> None:
    """The database's rows do not show an element to those who cannot see it."""
    unseen = Op(function=Function.READ_SET, key="chat", value=[], began=500, ended=600)
    verdict = judged(record_of([add(1), unseen], *reads([1], [])), "set_lost", "stored_lost")
    assert [one.kind for one in verdict.findings] == ["set-lost"]
    assert statuses(verdict) == ["fail", "pass"]


@pytest.mark.parametrize("metric", ["set_lost", "reads_not_monotonic", "set_unexpected"])
def test_what_journeys_were_asked_to_read_is_not_answered_by_the_controller(metric: str) -> None:
    """An objective on reads by users stays undecided where no user read."""
    verdict = judged(record_of([add(1)], *reads([1], [])), metric)
    assert statuses(verdict) == ["inconclusive"]


def test_a_read_that_is_not_in_the_record_is_undecided() -> None:
    """The run did not come to it; nothing asks, and it keeps the run from passing all the same."""
    whole = reads([1], [])
    for missing, name in ((2, "rows"), (3, "tickets")):
        some = [one for place, one in enumerate(whole) if place != missing]
        verdict = judged(record_of([add(1)], *some), "delivery_lost")
        assert f"{name} was not read when all was over" in {one.title for one in verdict.findings}
        assert verdict.verdict.value == "inconclusive"


def test_rows_that_are_not_those_of_the_event_are_undecided() -> None:
    """A count that the ledger does not have, and a second read of the same instant."""
    (before, left, (event, entries), gone) = reads([1], [])
    changed = msgspec.structs.replace(event, rows=2)
    for third in ((changed, entries), (event, entries * 2)):
        verdict = judged(record_of([add(1)], before, left, third, gone), "stored_lost")
        assert statuses(verdict) == ["inconclusive"]
        assert "the ledger does not hold the rows" in verdict.objectives[1].why
