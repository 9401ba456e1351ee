"""Exact delivery, case by case; the general claim is in tests/property/checks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.builders import LedgerWriter, at, chat, healthy_record, story

from stormproof.checks.completeness import completeness_of
from stormproof.checks.delivery import check_delivery
from stormproof.checks.outcome import Outcome
from stormproof.checks.tally import tally_deliveries
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import DrainEvent, EndEvent, Event
from stormproof.model.ledger import FLAG_CORRUPTED, EntryKind
from stormproof.model.record import Record
from stormproof.rules.windows import windows_of

METRICS = (
    "delivery_lost",
    "delivery_duplicated",
    "delivery_foreign",
    "delivery_corrupted",
    "delivery_unexpected",
    "delivery_misnumbered",
    "delivery_reordered",
)


def _check(record: Record) -> Outcome:
    return check_delivery(record, windows_of(record), completeness_of(record))


def _drained(*writers: LedgerWriter) -> Outcome:
    return _check(healthy_record(ledger=tuple(writer.array for writer in writers)))


def _cut(*writers: LedgerWriter) -> Outcome:
    """Check a record that was cut off: no drain, no end, no seal."""
    events: tuple[Event, ...] = tuple(
        one for one in story() if not isinstance(one, DrainEvent | EndEvent)
    )
    ledger = tuple(writer.array for writer in writers)
    return _check(healthy_record(ledger=ledger, events=events, sealed=False))


def _values(outcome: Outcome) -> list[float | None]:
    return [outcome.measured[metric, ""].value for metric in METRICS]


def _room(members: int = 3) -> LedgerWriter:
    writer = LedgerWriter()
    for user in range(members):
        writer.join(user, 1)
    return writer


def test_a_healthy_chat_has_no_findings() -> None:
    """Every message at every member once: five zeros on the evidence of all deliveries."""
    outcome = _check(healthy_record(ledger=chat(messages=50, members=3)))
    assert outcome.findings == []
    assert _values(outcome) == [0.0] * len(METRICS)
    assert outcome.measured["delivery_lost", ""].samples == 150
    assert outcome.measured["messages_acknowledged", ""].value == 50
    assert outcome.measured["messages_delivered", ""].value == 150


def test_a_message_nobody_got_is_lost_once() -> None:
    """A lost message counts once and names key, number, scope, sender, instant and members."""
    writer = _room()
    lost = writer.send(2, 1, 7, 1)
    acknowledged_ns = writer.now_ns
    key = writer.send(1, 1, 8, 2)
    for user in range(3):
        writer.receive(user, 1, key, 2)
    outcome = _drained(writer)
    (finding,) = outcome.findings
    (witness,) = finding.witnesses
    assert (finding.kind, finding.count) == ("lost", 1)
    assert (witness.key, witness.at_ns) == (f"{lost:x}", acknowledged_ns)
    assert "message 1 of scope 1 by user 2 (worker 0)" in witness.what
    assert "never reached users 0, 1, 2" in witness.what
    assert "3 deliveries missing" in finding.title


def test_the_sender_is_owed_its_own_message() -> None:
    """A message that reached everybody but its sender is lost."""
    writer = _room(2)
    writer.receive(1, 1, writer.send(0, 1, 1, 1), 1)
    assert _values(_drained(writer))[0] == 1


def test_nobody_is_owed_what_came_before_they_joined() -> None:
    """A member that joined after number 5 is not owed 1 to 5, but 6."""
    writer = _room(1)
    for number in range(1, 6):
        writer.receive(0, 1, writer.send(0, 1, number, number), number)
    writer.join(1, 1, after=5)
    late = writer.send(0, 1, 6, 6)
    writer.receive(0, 1, late, 6)
    assert _values(_drained(writer))[0] == 1
    writer.receive(1, 1, late, 6)
    assert _values(_drained(writer))[0] == 0


def test_a_member_that_joined_above_later_numbers_is_in_doubt() -> None:
    """Told that 10 was the newest, a member is owed nothing of 3, sent after that: no loss of it
    could show, so the run is undecided; of what was sent before it joined it is owed nothing."""
    writer = _room(1)
    for number in (1, 2):
        writer.receive(0, 1, writer.send(0, 1, number, number), number)
    writer.join(1, 1, after=2)
    assert _drained(writer).findings == []
    writer.join(2, 1, after=10)
    key = writer.send(0, 1, 3, 3)
    for user in (0, 1):
        writer.receive(user, 1, key, 3)
    (finding,) = _drained(writer).findings
    assert (finding.kind, finding.count) == ("joined-above", 1)
    assert finding.witnesses[0].what == "user 2 joined scope 1 above number 10"
    assert _cut(writer).findings == []


def test_the_numbers_of_another_scope_say_nothing_of_a_member() -> None:
    """Scopes are numbered apart: a later message elsewhere casts no doubt on anybody."""
    writer = _room(1)
    for number in range(1, 4):
        writer.receive(0, 1, writer.send(0, 1, number, number), number)
    writer.join(1, 1, after=3)
    writer.join(2, 2)
    writer.receive(2, 2, writer.send(2, 2, 9, 1), 1)
    assert _drained(writer).findings == []


def test_what_was_not_acknowledged_is_not_owed() -> None:
    """An unanswered send may vanish or arrive: neither is wrong."""
    writer = _room()
    writer.receive(0, 1, writer.send(0, 1, 1, 1), 1)
    writer.receive(1, 1, writer.send(0, 1, 1, None), 1)
    writer.receive(2, 1, writer.send(0, 1, 1, None), 1)
    vanished, arrived = writer.send(1, 1, 2, None), writer.send(1, 1, 3, None)
    writer.add(EntryKind.UNKNOWN, 1, 1, key=vanished)
    writer.receive(0, 1, arrived, 2)
    counted = tally_deliveries((writer.array,), drained=True, whole=True)
    assert not len(counted.missing)
    assert _drained(writer).measured["messages_recovered", ""].value == 1


def test_a_second_delivery_is_a_duplicate() -> None:
    """Each delivery beyond the first counts, also after a resume."""
    writer = _room(1)
    key = writer.send(0, 1, 1, 1)
    writer.receive(0, 1, key, 1)
    writer.leave(0, 1)
    writer.join(0, 1, after=0)
    writer.receive(0, 1, key, 1)
    writer.receive(0, 1, key, 1)
    outcome = _drained(writer)
    assert _values(outcome) == [0, 2, 0, 0, 0, 0, 0]
    assert "came again to user 0" in outcome.findings[0].witnesses[0].what


def test_a_stranger_is_foreign() -> None:
    """A receiver who never joined the scope, or under another scope, is foreign."""
    writer = _room(1)
    writer.join(5, 2)
    key = writer.send(0, 1, 1, 1)
    writer.receive(0, 1, key, 1)
    writer.receive(5, 1, key, 1)
    writer.receive(5, 2, key, 1)
    outcome = _drained(writer)
    assert _values(outcome) == [0, 0, 2, 0, 0, 0, 0]
    assert "at user 5" in outcome.findings[0].witnesses[0].what


def test_a_stranger_is_foreign_at_the_very_end() -> None:
    """In a whole ledger no receipt is too late to be foreign, not even one after its last entry."""
    writer = _room(1)
    key = writer.send(0, 1, 1, 1)
    writer.receive(0, 1, key, 1)
    writer.receive(9, 1, key, 1, at_ns=writer.now_ns + SECOND_NS)
    writer.leave(0, 1)
    assert _values(_drained(writer))[2] == 1


def test_altered_bodies_are_corrupted_and_not_lost() -> None:
    """A flagged or differing body, or one without a stamp, is corrupted; it did arrive."""
    writer = _room(2)
    key = writer.send(0, 1, 1, 1)
    writer.receive(0, 1, key, 1, digest=99)
    writer.receive(1, 1, key, 1, flags=FLAG_CORRUPTED)
    writer.receive(1, 1, 0, 2, flags=FLAG_CORRUPTED)
    assert _values(_drained(writer)) == [0, 0, 0, 3, 0, 0, 0]


def test_a_message_from_nowhere_is_unexpected() -> None:
    """A key that nobody sent is unexpected, and nothing else."""
    writer = _room(1)
    writer.receive(0, 1, writer.send(0, 1, 1, 1), 1)
    writer.receive(0, 1, 12_345, 2)
    assert _values(_drained(writer)) == [0, 0, 0, 0, 1, 0, 0]


def test_refused_and_yet_delivered_is_a_finding() -> None:
    """A send that certainly failed and arrived all the same is an anomaly of its own."""
    writer = _room(1)
    writer.receive(0, 1, writer.send(0, 1, 1, 1), 1)
    key = writer.send(0, 1, 2, None)
    writer.add(EntryKind.FAIL, 0, 1, key=key)
    writer.receive(0, 1, key, 2)
    (finding,) = _drained(writer).findings
    assert (finding.kind, finding.count) == ("refused-delivered", 1)


def test_workers_are_joined_by_key() -> None:
    """A message sent in one worker and received in another is one message."""
    sender, receiver = LedgerWriter(worker=0), LedgerWriter(worker=1)
    sender.join(0, 1)
    receiver.join(1, 1)
    key = sender.send(0, 1, 1, 1)
    sender.receive(0, 1, key, 1)
    assert _values(_drained(sender, receiver))[0] == 1
    receiver.receive(1, 1, key, 1)
    assert _values(_drained(sender, receiver)) == [0] * len(METRICS)


def test_the_deadline_is_named_when_the_drain_did_not_catch_up() -> None:
    """What is missing at the drain's deadline is lost, and the finding says which deadline."""
    writer = _room(1)
    writer.send(0, 1, 1, 1)
    late = [
        DrainEvent(at_ns=one.at_ns, caught_up=False) if isinstance(one, DrainEvent) else one
        for one in story()
    ]
    outcome = _check(healthy_record(ledger=(writer.array,), events=tuple(late)))
    assert "at the drain's deadline" in outcome.findings[0].title


@pytest.mark.parametrize("ledger", [(), (LedgerWriter().array,)])
def test_no_evidence_is_no_pass(
    ledger: tuple[np.ndarray[tuple[int], np.dtype[np.void]], ...],
) -> None:
    """Where nobody was owed anything, zero losses prove nothing."""
    outcome = _check(healthy_record(ledger=ledger))
    assert _values(outcome) == [None] * len(METRICS)
    assert "owed" in outcome.measured["delivery_lost", ""].why


def test_a_cut_record_cannot_say_that_nothing_was_lost() -> None:
    """Without a drain, what has not arrived may have been on its way."""
    writer = _room(2)
    writer.receive(0, 1, writer.send(0, 1, 1, 1), 1)
    outcome = _cut(writer)
    assert outcome.findings == []
    assert _values(outcome) == [None] * len(METRICS)
    assert "not drained" in outcome.measured["delivery_lost", ""].why


def test_a_gap_below_a_higher_number_is_lost_in_a_cut_record() -> None:
    """Numbers come in order: one that was passed over in a session will not come."""
    writer = _room(2)
    first, second = writer.send(0, 1, 1, 1), writer.send(0, 1, 2, 2)
    writer.receive(0, 1, first, 1)
    writer.receive(0, 1, second, 2)
    writer.receive(1, 1, second, 2)
    outcome = _cut(writer)
    assert _values(outcome)[0] == 1
    assert "never reached user 1" in outcome.findings[0].witnesses[0].what


def test_a_resume_has_to_bring_what_was_missed() -> None:
    """After a resume from 1, a 3 without a 2 proves that 2 is lost; before the 3 nothing does."""
    writer = _room(1)
    keys = [writer.send(0, 1, number, number) for number in (1, 2, 3)]
    writer.receive(0, 1, keys[0], 1)
    writer.leave(0, 1)
    writer.join(0, 1, after=1)
    assert _values(_cut(writer))[0] is None
    writer.receive(0, 1, keys[2], 3)
    assert _values(_cut(writer))[0] == 1


def test_a_resume_beyond_the_gap_does_not_bring_it() -> None:
    """A session that began after number 2 owes neither 1 nor 2."""
    writer = _room(1)
    keys = [writer.send(0, 1, number, number) for number in (1, 2, 3)]
    writer.leave(0, 1)
    writer.join(0, 1, after=2)
    writer.receive(0, 1, keys[2], 3)
    assert _values(_cut(writer))[0] is None


def test_unknown_keys_prove_nothing_in_a_cut_record() -> None:
    """The sender's entry may be what was cut off."""
    writer = _room(1)
    writer.receive(0, 1, 12_345, 1)
    assert _values(_cut(writer))[4] is None


def test_a_receipt_just_before_its_joined_is_no_leak() -> None:
    """The first message may be written before the JOINED that was cut off; seconds later not."""
    writer = LedgerWriter()
    key = writer.send(0, 1, 1, 1)
    writer.receive(3, 1, key, 1)
    assert _values(_cut(writer))[2] is None
    writer.add(EntryKind.LEFT, 9, 9, at_ns=writer.now_ns + 6 * SECOND_NS)
    assert _values(_cut(writer))[2] == 1


def test_a_damaged_record_is_held_to_what_it_proves() -> None:
    """A drained record with a broken segment is judged like one that was cut off."""
    writer = _room(1)
    writer.send(0, 1, 1, 1)
    record = replace(healthy_record(ledger=(writer.array,)), problems=("worker-1.seg is short",))
    assert _values(_check(record))[0] is None


def test_witnesses_are_bounded() -> None:
    """A thousand losses are counted in full and shown by a hundred."""
    writer = _room(1)
    for number in range(1, 1_001):
        writer.send(0, 1, number, number)
    (finding,) = _drained(writer).findings
    assert (finding.count, len(finding.witnesses)) == (1_000, 100)
    assert finding.witnesses[0].at_ns < at(5)


def test_a_receipt_under_another_number_is_misnumbered() -> None:
    """What was acknowledged as 1 and came as 3 is one misnumbered delivery, and nothing else."""
    writer = _room(2)
    key = writer.send(0, 1, 1, 1)
    writer.receive(0, 1, key, 1)
    writer.receive(1, 1, key, 3)
    outcome = _drained(writer)
    assert _values(outcome) == [0, 0, 0, 0, 0, 1, 0]
    assert [(one.kind, one.count) for one in outcome.findings] == [("misnumbered", 1)]
    assert "at user 1" in outcome.findings[0].witnesses[0].what


def test_a_number_is_acknowledged_once() -> None:
    """Two messages of a scope under one number, or one message under two, are misnumbered."""
    shared = _room(1)
    for sequence in (1, 2):
        shared.receive(0, 1, shared.send(0, 1, sequence, 7), 7)
    changed = _room(1)
    key = changed.send(0, 1, 1, 1)
    changed.add(EntryKind.OK, 0, 1, key=key, number=2)
    changed.receive(0, 1, key, 2)
    for writer in (shared, changed):
        outcome = _drained(writer)
        assert _values(outcome)[5] == 1
        assert [one.kind for one in outcome.findings] == ["misnumbered"]
        assert outcome.findings[0].witnesses[0].key


def test_two_scopes_count_for_themselves() -> None:
    """The same number in two scopes is no number given twice."""
    writer = _room(1)
    writer.join(0, 2)
    for scope in (1, 2):
        writer.receive(0, scope, writer.send(0, scope, scope, 1), 1)
    assert _values(_drained(writer)) == [0] * len(METRICS)


def test_numbers_rise_within_a_session() -> None:
    """3 before 2 is one reordered delivery, across slices too; a resume may start lower again."""
    writer = _room(1)
    keys = [writer.send(0, 1, number, number) for number in (1, 2, 3)]
    for number in (1, 3, 2):
        writer.receive(0, 1, keys[number - 1], number)
    outcome = _drained(writer)
    assert _values(outcome) == [0, 0, 0, 0, 0, 0, 1]
    (finding,) = outcome.findings
    assert (finding.kind, finding.count) == ("reordered", 1)
    assert finding.witnesses[0].key == f"{keys[1]:x}"
    resumed = _room(1)
    keys = [resumed.send(0, 1, number, number) for number in (1, 2)]
    resumed.receive(0, 1, keys[1], 2)
    resumed.leave(0, 1)
    resumed.join(0, 1)
    resumed.receive(0, 1, keys[0], 1)
    assert _values(_drained(resumed))[6] == 0


def test_a_slice_remembers_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is held against everything the session had, wherever a slice ends."""
    writer = _room(2)
    keys = [writer.send(0, 1, number, number) for number in range(1, 6)]
    for number in (5, 1, 2, 3, 4):
        writer.receive(0, 1, keys[number - 1], number)
    for number in (1, 2, 3, 5, 4):
        writer.receive(1, 1, keys[number - 1], number)
    monkeypatch.setattr("stormproof.checks.ledger.SLICE", 3)
    assert _values(_drained(writer))[6] == 5


def test_what_comes_again_is_doubled_and_not_reordered() -> None:
    """An old message that comes a second time is one duplicate, not a disorder beside."""
    writer = _room(1)
    keys = [writer.send(0, 1, number, number) for number in (1, 2)]
    for number in (1, 2, 1):
        writer.receive(0, 1, keys[number - 1], number)
    assert _values(_drained(writer)) == [0, 1, 0, 0, 0, 0, 0]


def test_a_message_owed_to_nobody_is_told() -> None:
    """A scope with no member, or later ones only, leaves its messages unchecked: a finding."""
    empty, late = LedgerWriter(), LedgerWriter()
    empty.send(0, 1, 1, 1)
    late.send(0, 1, 1, 1)
    late.join(0, 1, after=1)
    for writer in (empty, late):
        (finding,) = _drained(writer).findings
        assert (finding.kind, finding.count) == ("owed-to-nobody", 1)
        assert "message 1 of scope 1" in finding.witnesses[0].what
    assert _cut(empty).findings == []
