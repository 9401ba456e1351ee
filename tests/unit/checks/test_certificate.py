"""One verdict over the trials of a program."""

from __future__ import annotations

import msgspec
import pytest
from tests.builders import healthy_record

from stormproof.checks.certificate import (
    answer_of,
    certificate_of,
    judge_coverage,
    unanswered,
)
from stormproof.checks.judge import judge
from stormproof.model.finding import Finding
from stormproof.model.objective import Status
from stormproof.model.program import Certificate, CoverageAnswer, Entry, Program, ProgramOrder
from stormproof.model.verdict import Judged, Verdict

ENTRIES = tuple(Entry(id=f"C{n}", trial=f"trial_{n}", profile="p") for n in (1, 2, 3))
HEALTHY = judge(healthy_record(), version="test")


def verdict(status: Status, **changes: object) -> Verdict:
    return msgspec.structs.replace(HEALTHY, verdict=status, headline=f"{status}: so", **changes)


def broken(name: str, *, exact: bool = False) -> Judged:
    return msgspec.structs.replace(
        HEALTHY.objectives[0], name=name, status=Status.FAIL, exact=exact
    )


def undecided(name: str, *, exact: bool) -> Judged:
    return msgspec.structs.replace(
        HEALTHY.objectives[0], name=name, status=Status.INCONCLUSIVE, exact=exact
    )


def certified(
    *verdicts: Verdict,
    may_fail: bool = False,
    only: tuple[str, ...] = (),
    coverage: CoverageAnswer | None = None,
) -> Certificate:
    entries = tuple(msgspec.structs.replace(one, may_fail=may_fail) for one in ENTRIES)
    program = Program(name="night", title="The night", entries=entries)
    order = ProgramOrder(program=program, only=only)
    answers = {
        entry.id: answer_of(entry, one, f"trials/{entry.id}")
        for entry, one in zip(entries, verdicts, strict=False)
    }
    return certificate_of(order, answers, coverage, version="test")


def test_a_program_passes_when_every_trial_does() -> None:
    """Three passing trials make a full PASS that says how many there were."""
    certificate = certified(*[verdict(Status.PASS)] * 3)
    assert (certificate.verdict, certificate.scope) == (Status.PASS, "full")
    assert certificate.headline == "3 of 3 trials passed"


@pytest.mark.parametrize("worst", [Status.FAIL, Status.INCONCLUSIVE])
def test_the_worst_trial_counts_and_is_named(worst: Status) -> None:
    """One trial that does not pass decides, and the headline says which and why."""
    certificate = certified(verdict(Status.PASS), verdict(worst), verdict(Status.PASS))
    assert certificate.verdict is worst
    assert certificate.headline == "C2 trial_2: so; 2 of 3 trials passed"


def test_a_trial_that_was_never_reached_is_no_pass() -> None:
    """What the program ended before is INCONCLUSIVE, even where it may fail."""
    certificate = certified(verdict(Status.PASS), verdict(Status.PASS), may_fail=True)
    assert certificate.verdict is Status.INCONCLUSIVE
    assert certificate.trials[2].why == "the program ended before it"


def test_what_was_not_asked_for_makes_it_a_rehearsal() -> None:
    """A part of a program never counts as go-live, and says what is left out."""
    certificate = certified(verdict(Status.PASS), only=("C1",))
    assert (certificate.verdict, certificate.scope) == (Status.PASS, "reduced")
    assert certificate.left_out == ["C2", "C3"]
    assert certificate.headline == "1 of 3 trials passed; a rehearsal, no go-live"


def test_a_mark_excuses_a_slow_trial_and_is_told() -> None:
    """A trial that may fail and breaks a bar does not fail the program."""
    slow = verdict(Status.FAIL, objectives=[broken("http_req_duration: p(95)<300")])
    certificate = certified(verdict(Status.PASS), slow, verdict(Status.PASS), may_fail=True)
    assert certificate.verdict is Status.PASS
    assert "may fail and did: C2" in certificate.headline


@pytest.mark.parametrize(
    "changes",
    [
        {"objectives": [broken("delivery_lost: count==0", exact=True)]},
        {"objectives": [broken("recovery_ready_s: max<30")]},
        {"findings": [Finding(kind="lost", title="", count=1, witnesses=[], advice="")]},
    ],
)
def test_no_mark_excuses_lost_data_or_a_missed_recovery(changes: dict[str, object]) -> None:
    """An exact objective, a recovery bar or a finding against the target fails all the same."""
    bad = verdict(Status.FAIL, **changes)
    certificate = certified(verdict(Status.PASS), bad, verdict(Status.PASS), may_fail=True)
    assert certificate.verdict is Status.FAIL


SLOW = broken("http_req_duration: p(95)<300")


@pytest.mark.parametrize(
    "doubtful",
    [
        verdict(Status.INCONCLUSIVE, objectives=[]),
        verdict(Status.INCONCLUSIVE, objectives=[undecided("delivery_lost: count==0", exact=True)]),
        verdict(Status.FAIL, objectives=[SLOW, undecided("delivery_lost: count==0", exact=True)]),
        verdict(Status.FAIL, objectives=[SLOW, undecided("recovery_ready_s: max<5", exact=False)]),
        verdict(Status.FAIL, objectives=[SLOW], findings=[
            Finding(kind="ledger-cut", title="", count=1, witnesses=[], advice="")]),
    ],
)  # fmt: skip
def test_no_mark_excuses_what_nobody_knows(doubtful: Verdict) -> None:
    """Missing evidence is no broken bar: a trial that may fail counts then as what it is."""
    certificate = certified(verdict(Status.PASS), doubtful, verdict(Status.PASS), may_fail=True)
    assert certificate.verdict is doubtful.verdict


def test_a_program_whose_trials_are_all_excused_has_shown_nothing() -> None:
    """Excuses alone are no pass."""
    slow = verdict(Status.FAIL, objectives=[broken("http_req_duration: p(95)<300")])
    assert certified(slow, slow, slow, may_fail=True).verdict is Status.INCONCLUSIVE


@pytest.mark.parametrize(
    ("share", "status"),
    [(0.92, Status.PASS), (0.919, Status.FAIL), (None, Status.INCONCLUSIVE)],
)
def test_coverage_counts_like_a_trial(share: float | None, status: Status) -> None:
    """At the bar it passes, below it fails, and without a report nobody knows."""
    answer = judge_coverage(share, 0.92, "there is no report")
    certificate = certified(*[verdict(Status.PASS)] * 3, coverage=answer)
    assert certificate.verdict is status


def test_equal_inputs_give_equal_certificates() -> None:
    """A certificate has nothing in it but its order and its verdicts."""
    first = certified(*[verdict(Status.PASS)] * 3)
    assert msgspec.json.encode(first) == msgspec.json.encode(certified(*[verdict(Status.PASS)] * 3))
    assert unanswered(ENTRIES[0], "why").status is Status.INCONCLUSIVE
