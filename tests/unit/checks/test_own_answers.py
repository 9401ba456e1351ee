"""Where a checker of one's own must not decide: gaps of a record, and words nobody spells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest
from tests.builders import at, healthy_record

from stormproof import Breach, Checked, HistoryView, checker
from stormproof.checks.own_view import view_of
from stormproof.checks.own_words import Unspelt
from stormproof.model.event import WarningEvent
from stormproof.model.history import digest_word, number_of
from stormproof.testing import WrittenHistory, ask_checker, history


def _every_write_is_bad(told: HistoryView) -> Checked:
    wrong = list(told.operations("write"))
    return Checked(
        looked_at=len(wrong),
        measured={"wrong": len(wrong)},
        breaches=[Breach("wrong", [one]) for one in wrong],
    )


def _view(warning: str) -> HistoryView:
    """Return the view of a record in which a worker warned of something."""
    record = healthy_record()
    told = history().write("order:1", "paid", at=1).read("order:1", "paid", at=30)
    warned = WarningEvent(at_ns=at(41), code=warning, text="a worker's words")
    return view_of(
        replace(record, ledger=(*record.ledger, told.segment()), events=(*record.events, warned))
    )


@pytest.mark.parametrize(
    ("warning", "option", "is_asked"),
    [
        ("read-too-large", "", False),
        ("read-too-large", "final_reads", False),
        ("read-too-large", "bears_cuts", True),
        ("users-not-settled", "", False),
        ("users-not-settled", "final_reads", True),
        ("users-not-settled", "bears_cuts", True),
        ("journey-error", "", True),
    ],
)
def test_what_workers_left_out_of_a_record_accuses_nobody(
    warning: str, option: str, is_asked: bool
) -> None:
    """A read that was not kept, or a user who never looked again, may explain what is found; where
    all keys were read in the end, it does not matter who did not settle."""
    made = checker(
        metrics=("wrong",),
        needs=("write",),
        final_reads=option == "final_reads",
        bears_cuts=option == "bears_cuts",
    )
    answer = ask_checker(made(_every_write_is_bad), _view(warning))
    assert bool(answer.breaches) is is_asked
    assert ("a worker's words" in answer.why) is not is_asked
    assert _view(warning).whole is (warning == "journey-error")


def test_a_function_without_the_decorator_is_told() -> None:
    """Asking one in a test says what it lacks."""
    with pytest.raises(TypeError, match="decorate it with @checker"):
        ask_checker(_every_write_is_bad, history().write("a", 1, at=1))  # type: ignore[arg-type]


def _text_like_a_number() -> str:
    """Return a text whose digest could be a number of 53 bits."""
    return next(
        text
        for text in (f"item-{number}" for number in count())
        if 2**41 < abs(number_of(digest_word(text))) < 2**53
    )


def _blind(told: WrittenHistory) -> HistoryView:
    view = told.view()
    return replace(view, spelling=replace(view.spelling, names={}))


@pytest.mark.parametrize(
    "read",
    [
        lambda text: history().read("cart:1", [text], at=1),
        lambda text: history().compare_and_set("cart:1", text, 1, at=1),
        lambda text: history().effect("payment", 1, text, at=1),
    ],
)
def test_the_digest_of_a_text_is_never_taken_for_a_number(
    read: Callable[[str], WrittenHistory],
) -> None:
    """An element, expected value or id that is not spelt out raises, however small its word is."""
    one = _blind(read(_text_like_a_number())).operation(0)
    with pytest.raises(Unspelt):
        _ = one.value if one.function == "read_set" else one.expected


def test_large_numbers_that_some_operation_tells_are_read() -> None:
    """Small ones, and any that was added, are numbers in a read; one nobody told is not guessed."""
    view = _blind(history().add("cart:1", 2**60, at=1).read("cart:1", [7, -3, 2**60], at=2))
    assert view.operation(1).value == (7, -3, 2**60)
    with pytest.raises(Unspelt):
        _ = _blind(history().read("cart:1", [2**50], at=1)).operation(0).value
