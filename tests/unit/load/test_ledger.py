"""The ledger as one user writes it."""

from __future__ import annotations

import pytest

from stormproof.clients.guard import UnexpectedAnswer
from stormproof.clients.ledger import Deliveries, LedgerBook
from stormproof.clients.tape import ROW, Actor, Scope, Tape
from stormproof.kernel.clock import monotonic_ns
from stormproof.model.ledger import (
    ENTRY,
    FLAG_CORRUPTED,
    EntryKind,
    digest_of,
    make_key,
    read_body,
    write_body,
)

KIND, FLAGS, WORKER, USER, SCOPE, NUMBER, KEY, DIGEST, AT, START, INTENDED = range(11)


class Desk:
    """One user's ledger with what it wrote."""

    def __init__(self) -> None:
        self.tape = Tape(2)
        self.actor = Actor(9, Scope(self.tape, "s"))
        self.actor.intended_ns = monotonic_ns()
        self.deliveries = Deliveries()
        self.book = LedgerBook(self.actor, self.deliveries)

    @property
    def entries(self) -> list[tuple[int, ...]]:
        """Return the entries so far."""
        return list(ENTRY.iter_unpack(bytes(self.tape.ledger)))

    @property
    def deliveries_timed(self) -> int:
        """Return how many deliveries were timed."""
        return len(self.tape.rows) // ROW.size


def test_life_of_a_message() -> None:
    """A message is announced before it is sent, then acknowledged under a number."""
    desk = Desk()
    message = desk.book.sent(3, "h\u00e9llo")
    assert [entry[KIND] for entry in desk.entries] == [EntryKind.INVOKE]
    message.ok(17)
    invoke, ok = desk.entries
    assert message.key == make_key(2, 9, 1) == invoke[KEY] == ok[KEY]
    assert invoke[DIGEST] == digest_of("h\u00e9llo")
    assert (ok[KIND], ok[WORKER], ok[USER], ok[SCOPE], ok[NUMBER]) == (EntryKind.OK, 2, 9, 3, 17)
    assert ok[AT] >= invoke[AT]
    assert ok[INTENDED] >= ok[START]
    assert desk.deliveries.acknowledged == {3: 17}
    stamped = read_body(message.body)
    assert stamped is not None
    assert stamped[0] == (message.key, desk.actor.intended_ns, digest_of("h\u00e9llo"))


def test_refused_and_unknown_are_kept_apart() -> None:
    """What certainly did not happen and what may have happened are different entries."""
    desk = Desk()
    desk.book.sent(1, "a").refused()
    desk.book.sent(1, "b").unknown()
    kinds = [entry[KIND] for entry in desk.entries]
    assert kinds == [EntryKind.INVOKE, EntryKind.FAIL, EntryKind.INVOKE, EntryKind.UNKNOWN]
    assert len({entry[KEY] for entry in desk.entries}) == 2
    assert desk.deliveries.acknowledged == {}


@pytest.mark.parametrize("number", [-1, 1 << 32, None, "7", 1.5, True])
def test_acknowledged_under_no_number(number: object) -> None:
    """An acknowledgement with a number that cannot be one ends the iteration, and is told."""
    desk = Desk()
    with pytest.raises(UnexpectedAnswer, match="acknowledged under the number"):
        desk.book.sent(1, "a").ok(number)
    assert len(desk.entries) == 1
    assert [one.code for one in desk.actor.scope.tape.warnings] == ["odd-number"]


def test_whole_message_is_received_and_timed() -> None:
    """A message that matches its stamp is received whole and its delivery timed."""
    desk = Desk()
    desk.book.received(write_body(77, desk.actor.intended_ns, "text"), 3, 5)
    (entry,) = desk.entries
    assert (entry[KIND], entry[FLAGS], entry[SCOPE], entry[NUMBER]) == (EntryKind.RECEIVED, 0, 3, 5)
    assert (entry[KEY], entry[DIGEST]) == (77, digest_of("text"))
    assert desk.deliveries_timed == 1


@pytest.mark.parametrize(
    ("body", "scope", "number", "key"),
    [
        (write_body(77, 1, "text") + "!", 3, 5, 77),
        ("hello", 3, 5, 0),
        ("sp1.zz.1.1.text", 3, 5, 0),
        ("sp1.-5.1.1.text", 3, 5, 0),
        (f"sp1.{1 << 70:x}.1.1.text", 3, 5, 0),
        (None, 3, 5, 0),
        (write_body(77, 1, "text"), "three", 5, 77),
        (write_body(77, 1, "text"), 3, -5, 77),
    ],
)
def test_what_is_not_whole_is_flagged(
    body: object, scope: object, number: object, key: int
) -> None:
    """Whatever does not match its stamp, or has none, is a corrupted entry and never an error."""
    desk = Desk()
    desk.book.received(body, scope, number)
    (entry,) = desk.entries
    assert (entry[KIND], entry[FLAGS], entry[KEY]) == (EntryKind.RECEIVED, FLAG_CORRUPTED, key)
    assert desk.deliveries_timed == 0


@pytest.mark.parametrize("intended_ns", [-(1 << 43), 1 << 62])
def test_impossible_stamp_is_not_timed(intended_ns: int) -> None:
    """A stamp from another age is no delivery time."""
    desk = Desk()
    desk.book.received(write_body(77, intended_ns, "text"), 3, 5)
    assert desk.entries[0][FLAGS] == 0
    assert desk.deliveries_timed == 0


def test_members_progress_is_followed() -> None:
    """Of each member the highest number is known, from the number it joined after."""
    desk = Desk()
    body = write_body(1, desk.actor.intended_ns, "x")
    desk.book.received(body, 4, 9)
    desk.book.joined(4, 10)
    for number in (12, 11):
        desk.book.received(body, 4, number)
    desk.book.left(4)
    desk.book.joined(4, 5)
    assert desk.deliveries.received == {4: {9: 12}}
    kinds = [entry[KIND] for entry in desk.entries]
    assert kinds.count(EntryKind.JOINED) == 2
    assert kinds.count(EntryKind.LEFT) == 1
