"""What clients write on the tape, and its limits."""

from __future__ import annotations

import pytest

from stormproof.clients.tape import WARNINGS_MAX, Actor, Scope, Tape
from stormproof.kernel.limits import (
    BODY_KEPT_BYTES_MAX,
    ERROR_KINDS_MAX,
    FAILURE_BODIES_PER_KIND_MAX,
    FAILURES_PER_KIND_MAX,
    SERIES_MAX,
    TAG_VALUES_MAX,
)
from stormproof.model.series import SeriesKind


def fail(tape: Tape, series: int, kind: str, body: bytes = b"") -> None:
    """Put a failure on the tape."""
    tape.fail(
        series=series, user=1, kind=kind, intended_ns=1, start_ns=2, end_ns=3, status=0, body=body
    )


def test_series_are_made_once() -> None:
    """The same metric and tags are one series, in whatever order the tags come."""
    tape = Tape(0)
    first = tape.intern(SeriesKind.COUNTER, "m", {"a": "1", "b": "2"})
    assert tape.intern(SeriesKind.COUNTER, "m", {"b": "2", "a": "1"}) == first
    assert tape.intern(SeriesKind.COUNTER, "m", {"a": "1", "b": "3"}) != first
    assert [one.id for one in tape.series] == [0, 1]


def test_series_beyond_the_limit_are_other() -> None:
    """What comes after the limit is counted under `other`, one for each kind, with a warning."""
    tape = Tape(0)
    for number in range(SERIES_MAX):
        tape.intern(SeriesKind.COUNTER, "m", {"n": str(number)})
    late = {tape.intern(SeriesKind.COUNTER, "m", {"n": f"late {n}"}) for n in range(5)}
    trend = tape.intern(SeriesKind.TREND, "t", {})
    assert len(late) == 1
    assert {tape.series[one].metric for one in (*late, trend)} == {"other"}
    assert tape.series[trend].kind is SeriesKind.TREND
    assert len(tape.series) == SERIES_MAX + 2
    assert [one.code for one in tape.warnings] == ["series-overflow"]


def test_checks_beyond_the_limit_are_other() -> None:
    """A journey that makes up names for its checks keeps as many as are allowed, then `other`."""
    tape = Tape(0)
    scope = Scope(tape, "s")
    for number in range(5 * TAG_VALUES_MAX):
        scope.check(f"check {number}", True, 0)
    names = [one.tags["check"] for one in tape.series if one.metric == "checks"]
    assert len(names) == TAG_VALUES_MAX + 1
    assert "other" in names
    assert len(tape.check_slots) == 5 * TAG_VALUES_MAX
    assert [one.code for one in tape.warnings] == ["tag-overflow"]


def test_failures_are_thinned_out() -> None:
    """All failures of a kind are kept up to the limit, then one in a hundred."""
    tape = Tape(0)
    for _ in range(FAILURES_PER_KIND_MAX + 1_000):
        fail(tape, 0, "timeout")
    fail(tape, 1, "timeout")
    assert len(tape.failures) == FAILURES_PER_KIND_MAX + 10 + 1


def test_kinds_are_bounded() -> None:
    """Kinds beyond the limit become `other`."""
    tape = Tape(0)
    for number in range(ERROR_KINDS_MAX + 50):
        fail(tape, 0, f"kind {number}")
    kinds = [one.kind for one in tape.failures]
    assert len(kinds) == ERROR_KINDS_MAX + 50
    assert len(set(kinds)) == ERROR_KINDS_MAX + 1
    assert kinds[-1] == "other"


def test_bodies_are_few_short_and_masked() -> None:
    """The first bodies of a kind are kept, cut, and without their secrets."""
    tape = Tape(0)
    body = b'{"token":"abc.def","pad":"' + b"x" * (2 * BODY_KEPT_BYTES_MAX)
    for _ in range(FAILURE_BODIES_PER_KIND_MAX + 3):
        fail(tape, 0, "http 500", body)
    kept = [one.body for one in tape.failures]
    assert sum(bool(one) for one in kept) == FAILURE_BODIES_PER_KIND_MAX
    assert kept[0].startswith('{"token":"***","pad":"x')
    assert len(kept[0]) == BODY_KEPT_BYTES_MAX


def test_warnings_are_said_once_and_bounded() -> None:
    """The same warning is kept once, and no more than a bounded number of them."""
    tape = Tape(0)
    for number in range(WARNINGS_MAX + 20):
        tape.warn("code", f"text {number}")
        tape.warn("code", f"text {number}")
    assert len(tape.warnings) == WARNINGS_MAX


@pytest.mark.parametrize(
    ("passed", "slot"),
    [(True, 1), (False, 0)],
)
def test_check_is_a_slot_and_an_instant(passed: bool, slot: int) -> None:
    """A check is its series with the outcome in the lowest bit, at the end of its answer."""
    tape = Tape(0)
    Scope(tape, "s").check("c", passed, 77)
    series = next(one for one in tape.series if one.metric == "checks")
    assert (series.kind, series.tags) == (SeriesKind.RATE, {"scenario": "s", "check": "c"})
    assert tape.check_slots == [series.id << 1 | slot]
    assert tape.check_ends == [77]


def test_actor_remembers_its_last_failure() -> None:
    """The last failed operation of a user can be named for people."""
    scope = Scope(Tape(0), "s")
    actor = Actor(4, scope)
    actor.failed(scope.operation("http_req", "GET /x"), "http 404", 1, 2, 3, 404, b"gone")
    (failure,) = scope.tape.failures
    assert actor.failure == "GET /x: http 404"
    assert (failure.user, failure.status, failure.body) == (4, 404, "gone")
