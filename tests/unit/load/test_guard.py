"""The border to foreign code."""

from __future__ import annotations

import asyncio

import pytest

from stormproof.clients.guard import IterationFailed, JourneyGuard, UnexpectedAnswer
from stormproof.clients.tape import ROW, Actor, Scope, Tape


def make() -> tuple[Tape, JourneyGuard]:
    """Make a guard and the tape that it writes on."""
    tape = Tape(0)
    return tape, JourneyGuard(Actor(1, Scope(tape, "s")))


@pytest.mark.parametrize(
    ("error", "kind", "body", "warned"),
    [
        (IterationFailed("no ticket: 503"), "journey failed: no ticket: 503", "", False),
        (UnexpectedAnswer("no JSON"), "unexpected answer", "no JSON", False),
        (KeyError("id"), "journey error: KeyError at test_guard.py:", "'id'", True),
    ],
)
def test_errors_become_failures(error: Exception, kind: str, body: str, warned: bool) -> None:
    """An error inside an iteration fails it, once, under a kind that names it."""
    tape, guard = make()
    guard.intended_ns, guard.start_ns = 100, 200
    with guard:
        raise error
    (failure,) = tape.failures
    assert failure.kind.startswith(kind)
    assert (failure.intended_ns, failure.start_ns, failure.body) == (100, 200, body)
    assert len(tape.rows) == ROW.size
    assert bool(tape.warnings) is warned
    assert guard.why == failure.kind
    assert guard.start_ns == 0


def test_an_answer_that_is_none_fails_a_check() -> None:
    """What the target sent can be judged by `checks`; what the journey did itself cannot."""
    tape, guard = make()
    for error in (UnexpectedAnswer("no JSON"), IterationFailed("no ticket"), KeyError("id")):
        with guard:
            raise error
    (slot,) = tape.check_slots
    assert tape.series[slot >> 1].tags["check"] == "answer as expected"
    assert slot & 1 == 0


def test_error_outside_an_iteration_is_no_iteration() -> None:
    """An error in a callback is kept, but no iteration is counted."""
    tape, guard = make()
    with guard:
        raise ValueError("x")
    assert len(tape.failures) == 1
    assert not tape.rows


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt(), SystemExit(1)])
def test_orders_to_stop_pass(error: BaseException) -> None:
    """Cancellation and interrupts are not the journey's errors."""
    tape, guard = make()
    with pytest.raises(type(error)), guard:
        raise error
    assert not tape.failures


def test_success_leaves_nothing() -> None:
    """A step that goes well leaves no reason behind, not even an earlier one."""
    tape, guard = make()
    with guard:
        raise IterationFailed("first")
    with guard:
        pass
    assert guard.why == ""
    assert len(tape.failures) == 1
