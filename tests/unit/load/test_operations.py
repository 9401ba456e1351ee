"""The history as one user writes it, read back as judging does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from stormproof.checks.history import History, read_history
from stormproof.clients.ledger import Deliveries, LedgerBook
from stormproof.clients.masking import Masking
from stormproof.clients.operations import outcome_of
from stormproof.clients.tape import Actor, Scope, Tape
from stormproof.kernel.limits import KEYS_NAMED_MAX, SET_ELEMENTS_MAX
from stormproof.model.history import (
    FLAG_ABSENT,
    FLAG_EXPECTS_ABSENT,
    Function,
    Step,
    digest_word,
)
from stormproof.model.ledger import ENTRY_BYTES, NUMPY_FIELDS, EntryKind


class Desk:
    """One user's ledger with what it wrote."""

    def __init__(self, *secrets: str) -> None:
        self.tape = Tape(2, Masking(secrets))
        self.book = LedgerBook(Actor(9, Scope(self.tape, "s")), Deliveries())

    def read(self) -> History:
        """Return what judging makes of the entries so far."""
        entries = np.frombuffer(bytes(self.tape.ledger), dtype=np.dtype(NUMPY_FIELDS))
        return read_history([entries], whole=True)


@dataclass
class Answer:
    """An answer, or the want of one."""

    status: int
    error: str = ""
    redirected: bool = False


def test_life_of_changes() -> None:
    """Each change has its outcome; one that was never told, as after a kill, is unknown."""
    desk = Desk()
    desk.book.add("cart", 42).ok()
    desk.book.increment("likes", -3).refused()
    desk.book.remove("cart", "x").unknown()
    desk.book.add("cart", 43)
    changes = desk.read().changes
    assert changes.step.tolist() == [Step.OK, Step.REFUSED, Step.UNKNOWN, Step.UNKNOWN]
    functions = [Function.ADD, Function.INCREMENT, Function.REMOVE, Function.ADD]
    assert changes.function.tolist() == functions
    assert changes.value.view(np.int64).tolist()[:2] == [42, -3]
    assert set(changes.user.tolist()) == {9}
    assert changes.began_ns[0] <= changes.ended_ns[0] < changes.ended_ns[2] == changes.ended_ns[3]


def test_reads_of_sets_come_back_element_by_element() -> None:
    """Sets of any size, none included, are kept whole between other entries."""
    desk = Desk()
    for elements in ([], [1], [1, 2, 3], [-1, 2, 3, 4]):
        desk.book.read("cart").ok(elements)
        desk.book.received("no stamp", 1, 1)
    desk.book.read("cart").ok("one value")
    history = desk.read()
    sets = history.reads.of(Function.READ_SET)
    kept = [
        history.elements[first : first + count].view(np.int64).tolist()
        for first, count in zip(sets.first.tolist(), sets.count.tolist(), strict=True)
    ]
    assert kept == [[], [1], [1, 2, 3], [-1, 2, 3, 4]]
    assert len(history.reads.of(Function.READ)) == 1


def test_names_are_told_with_their_secrets_hidden() -> None:
    """Keys and texts are told by name, those with a secret without it, long ones in part."""
    desk = Desk("hunter22")
    desk.book.add("basket of hunter22", "gr\u00fcn").ok()
    desk.book.seen("x" * 200)
    history = desk.read()
    assert history.key_text(digest_word("basket of hunter22")) == "basket of ***"
    assert history.value_text(digest_word("gr\u00fcn")) == "gr\u00fcn"
    assert history.key_text(digest_word("x" * 200)) == "x" * 96
    assert history.value_text((1 << 64) - 5) == "-5"
    assert history.key_text(255) == "#00000000000000ff"


def test_names_are_bounded_and_keys_are_not() -> None:
    """Beyond so many keys the ledger has digests, and its entries are no fewer."""
    desk = Desk()
    for number in range(KEYS_NAMED_MAX + 5):
        desk.book.seen(f"{number}")
    history = desk.read()
    assert len(history.facts) == KEYS_NAMED_MAX + 5
    assert len(history.names) == KEYS_NAMED_MAX


def test_a_read_that_is_too_large_is_told_and_not_kept() -> None:
    """What cannot be kept whole is not kept in part, and a warning takes the evidence away."""
    desk = Desk()
    desk.book.read("cart").ok(range(3))  # no list: one odd value
    desk.book.read("cart").ok(list(range(SET_ELEMENTS_MAX + 1)))
    assert len(desk.read().reads) == 1
    assert [one.code for one in desk.tape.warnings] == ["read-too-large"]


def test_an_outcome_is_told_once() -> None:
    """A journey that tells two outcomes of one change has a mistake, and hears of it."""
    change = Desk().book.add("cart", 1)
    change.ok()
    with pytest.raises(RuntimeError, match="told twice"):
        change.unknown()


@pytest.mark.parametrize(
    ("answer", "step"),
    [
        (Answer(201), Step.OK),
        (Answer(409), Step.REFUSED),
        (Answer(429), Step.REFUSED),
        (Answer(408), Step.UNKNOWN),
        (Answer(302), Step.UNKNOWN),
        (Answer(503), Step.UNKNOWN),
        (Answer(0, "connect refused"), Step.REFUSED),
        (Answer(0, "dns unknown"), Step.REFUSED),
        (Answer(0, "timeout"), Step.UNKNOWN),
        (Answer(0, "tls closed"), Step.UNKNOWN),
        (Answer(200, "decode gzip"), Step.UNKNOWN),
        (Answer(404, redirected=True), Step.UNKNOWN),
        (Answer(200, redirected=True), Step.UNKNOWN),
        (Answer(0, "connect refused", redirected=True), Step.UNKNOWN),
    ],
)
def test_what_answers_say(answer: Answer, step: Step) -> None:
    """Only what certainly was made or not is told as such; in doubt it is unknown."""
    desk = Desk()
    assert outcome_of(answer) is step
    assert desk.book.add("cart", 1).answered(answer) is (step is Step.OK)
    assert desk.read().changes.step.tolist() == [step]


@pytest.mark.parametrize("by", [True, 1.0, "1"])
def test_a_counter_is_raised_by_whole_numbers(by: Any) -> None:
    """What is no whole number is a mistake of the journey, and no digest in the ledger."""
    with pytest.raises(TypeError, match="whole numbers"):
        Desk().book.increment("likes", by)


@pytest.mark.parametrize("by", [2**63, -(2**63) - 1])
def test_a_counter_is_raised_by_at_most_64_bits(by: int) -> None:
    """A number that would be kept as a digest is refused."""
    with pytest.raises(ValueError, match="64 bits"):
        Desk().book.increment("likes", by)


def test_nothing_is_an_element_of_its_own() -> None:
    """A set of null and 0 has two elements, each told by its name."""
    desk = Desk()
    desk.book.add("cart", None).ok()
    desk.book.read("cart").ok([None, 0])
    history = desk.read()
    (start,) = history.reads.first.tolist()
    first, second = history.elements[start : start + 2].tolist()
    assert (first, second) == (int(history.changes.value[0]), 0)
    assert first != second
    assert history.value_text(first) == "nothing (null)"


def test_messages_and_operations_share_a_ledger() -> None:
    """Entries of both kinds are of one size and are never taken for each other."""
    desk = Desk()
    desk.book.joined(1, 0)
    desk.book.add("cart", 1).ok()
    desk.book.sent(1, "hello").ok(1)
    assert len(desk.tape.ledger) % ENTRY_BYTES == 0
    kinds = np.frombuffer(bytes(desk.tape.ledger), dtype=np.dtype(NUMPY_FIELDS))["kind"]
    known: set[Any] = {*EntryKind, *Step}
    assert set(kinds.tolist()) <= {int(one) for one in known}
    assert not {int(one) for one in EntryKind} & {int(one) for one in Step}
    assert len(desk.read().changes) == 1


def test_values_sights_effects_and_totals_come_back() -> None:
    """What a compare-and-set expects, an absent value, each sight and an effect's id are kept."""
    desk = Desk()
    desk.book.write("title", None).ok()
    desk.book.compare_and_set("title", None, 5).ok()
    desk.book.compare_and_set("title", 5, "x").refused()
    desk.book.total("inbox").ok(3)
    desk.book.owns("red", 1)
    desk.book.may_see("red")
    desk.book.saw([1, 2])
    desk.book.saw(3)
    desk.book.effect("payment", "key", 77)
    history = desk.read()
    changes, facts = history.changes, history.facts
    assert changes.function.tolist() == [Function.WRITE, Function.CAS, Function.CAS]
    absent, expects_absent = (changes.flags & FLAG_ABSENT) > 0, changes.flags & FLAG_EXPECTS_ABSENT
    assert absent.tolist() == [True, False, False]
    assert (expects_absent > 0).tolist() == [False, True, False]
    assert changes.other.tolist() == [0, 0, 5]
    assert history.reads.of(Function.TOTAL).value.tolist() == [3]
    assert facts.of(Function.SAW).value.tolist() == [1, 2, 3]
    assert facts.of(Function.EFFECT).other.tolist() == [77]
    assert facts.of(Function.MAY_SEE).key.tolist() == facts.of(Function.OWNS).key.tolist()


def test_a_key_is_set_to_one_value() -> None:
    """A list is refused where it is written: read back it would pass for the elements of a set."""
    book = Desk().book
    with pytest.raises(TypeError, match="one value"):
        book.write("title", ["a"])
    for expected, value in ((None, ("a", "b")), ({1}, 2)):
        with pytest.raises(TypeError, match="one value"):
            book.compare_and_set("title", expected, value)
