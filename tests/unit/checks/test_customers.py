"""Blast radius and budgets: shares of what there was, and no answer where the record has none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.builders import (
    DROPS,
    FEED_OPERATION,
    ITERATIONS,
    LedgerWriter,
    at,
    counted,
    frame,
    frames,
    healthy_record,
    operations,
    plan,
)

from stormproof.checks.completeness import completeness_of
from stormproof.checks.customers import check_customers
from stormproof.checks.faults import stories_of
from stormproof.checks.judge import judge
from stormproof.checks.outcome import Measurement
from stormproof.model.event import Failure
from stormproof.model.ledger import EntryKind
from stormproof.model.objective import Status
from stormproof.model.plan import Blast, NamedObjective
from stormproof.model.record import Record
from stormproof.planning.drills import blast_objectives
from stormproof.rules.evidence import decide_not_judged
from stormproof.rules.grammar import objective
from stormproof.rules.windows import windows_of

BAD_S = range(13, 15)  # of the fault that lasts from 12 to 16 s


def failing(*, kept: int = 20, users: int = 5, **changes: Any) -> Record:
    """Return a record in which ten operations of each worker fail in two seconds of a fault."""
    bad = [operations([20.0] * 50, failed=10), counted(ITERATIONS, 50)]
    sent = [
        frame(one.worker, one.second, bad, users=20) if one.second in BAD_S else one
        for one in frames()
    ]
    failures = tuple(
        Failure(
            worker=number % 2,
            user=number // 2 % users,
            series=FEED_OPERATION,
            kind="http 503",
            intended_ns=at(13.1),
            start_ns=at(13.1),
            end_ns=at(13.2),
            status=503,
        )
        for number in range(kept)
    )
    made = plan(**changes)
    return healthy_record(made, frames=tuple(sent), failures=failures)


def measured(record: Record, metric: str, of: str = "") -> Measurement:
    windows, stories = windows_of(record), stories_of(record)
    completeness = completeness_of(record)
    return check_customers(record, windows, stories, completeness).measured[metric, of]


def test_requests_hurt_are_a_share_of_those_in_the_disturbance() -> None:
    """Forty of the hundred a second in seven disturbed seconds; of a scenario its own."""
    record = failing()
    seconds = len(windows_of(record).seconds("disturbed"))
    for of in ("", "feed"):
        found = measured(record, "blast_requests", of)
        assert (found.value, found.samples) == (40 / (100 * seconds), 100 * seconds)


def test_users_hurt_are_counted_once_each() -> None:
    """Ten users of two workers failed, of the forty there were."""
    found = measured(failing(kept=40), "blast_users")
    assert (found.value, found.samples, found.why) == (0.25, 40, "")


def test_users_are_undecided_where_failures_were_not_kept() -> None:
    """Half of the failures are not there, so nobody knows whom they hit."""
    found = measured(failing(kept=20), "blast_users")
    assert "20 of 40 failures were not kept" in found.why


def hanging(*, dropped: int = 0, kept: int = 20, **changes: Any) -> Record:
    """Return a record in which what is sent in the fault hangs, and fails by a deadline at 21 s."""
    bad = [operations([9_000.0] * 10, failed=10), counted(ITERATIONS, 10)]
    sent = []
    for one in frames():
        if one.second in BAD_S:
            drops = [counted(DROPS, dropped)] if dropped else []
            sent.append(frame(one.worker, one.second, drops, users=20))
        else:
            sent.append(frame(one.worker, one.second, bad) if one.second == 21 else one)
    failures = [
        Failure(
            worker=number % 2,
            user=number // 2 % 5,
            series=FEED_OPERATION,
            kind="timeout",
            intended_ns=at(13.1),
            start_ns=at(13.1),
            end_ns=at(21.5),
            status=0,
        )
        for number in range(kept)
    ]
    return healthy_record(plan(**changes), frames=tuple(sent), failures=tuple(failures))


def test_what_fails_after_the_disturbance_was_hurt_by_it() -> None:
    """Twenty requests of ten users hang through the fault, and are hurt by it."""
    record = hanging()
    assert 21 not in windows_of(record).seconds("disturbed")
    seconds = len(windows_of(record).seconds("disturbed")) - len(BAD_S)
    requests, users = measured(record, "blast_requests"), measured(record, "blast_users")
    assert (requests.value, requests.why) == (20 / (100 * seconds + 20), "")
    assert (users.value, users.why) == (10 / 40, "")


@pytest.mark.parametrize(
    ("made", "least", "most", "why"),
    [
        ({"kept": 12}, 0.023, 0.039, "8 of 20 later failures were not kept"),
        ({"dropped": 3}, 0.038, 0.061, "12 iterations were dropped while faults were in force"),
    ],
)
@pytest.mark.parametrize("status", [Status.FAIL, Status.INCONCLUSIVE, Status.PASS])
def test_what_nobody_saw_may_have_been_hurt(
    made: dict[str, int], least: float, most: float, why: str, status: Status
) -> None:
    """Failures that were not kept and iterations never begun meet no bar that they could break."""
    bars = {Status.FAIL: least, Status.INCONCLUSIVE: (least + most) / 2, Status.PASS: most}
    asked = tuple(blast_objectives(Blast(requests=bars[status]), plan()))
    record = hanging(**made, objectives=asked)
    assert measured(record, "blast_requests").why == why
    verdict = judge(record, version="0")
    (judged,) = [one for one in verdict.objectives if one.name.startswith("blast_requests")]
    assert judged.status is status


def test_scopes_hurt_are_those_into_which_something_was_refused() -> None:
    """Of three channels that were written to while a fault was in force, one refused."""
    writer = LedgerWriter()
    for scope in (1, 2, 3):
        writer.send(0, scope, scope, scope)
    key = writer.send(0, 2, 9, None)
    writer.add(EntryKind.FAIL, 0, 2, key=key)
    entries = writer.array.copy()
    entries["at_ns"] = at(13.5)
    record = failing(kept=40)
    found = measured(replace(record, ledger=(entries,)), "blast_tenants")
    assert (found.value, found.samples) == (1 / 3, 3)
    entries["at_ns"][entries["kind"] == EntryKind.FAIL] = at(22)  # sent in the fault, refused later
    found = measured(replace(record, ledger=(entries,)), "blast_tenants")
    assert (found.value, found.samples) == (1 / 3, 3)
    cut = measured(replace(record, ledger=(entries,), sealed=False), "blast_tenants")
    assert "not whole" in cut.why


@pytest.mark.parametrize(("bar", "status"), [(0.3, Status.INCONCLUSIVE), (0.2, Status.FAIL)])
def test_a_fault_that_was_cut_short_meets_no_bar_and_may_break_one(
    bar: float, status: Status
) -> None:
    """A quarter of the users was hurt: too many is too many, few enough proves nothing."""
    record = failing(kept=40, objectives=tuple(blast_objectives(Blast(users=bar), plan())))
    short = [one for one in record.events if getattr(one, "fault", "") != "cache-restart"]
    verdict = judge(replace(record, events=tuple(short)), version="0")
    (judged,) = [one for one in verdict.objectives if one.name.startswith("blast_users")]
    assert judged.status is status
    assert verdict.reach["blast_users"] == 0.25


@pytest.mark.parametrize(("bar", "status"), [(0.3, Status.PASS), (0.2, Status.FAIL)])
def test_a_declared_share_is_judged(bar: float, status: Status) -> None:
    """A quarter of the users hurt is within 0.3, and beyond 0.2."""
    declared = plan(objectives=tuple(blast_objectives(Blast(users=bar), plan())))
    verdict = judge(failing(kept=40, objectives=declared.objectives), version="0")
    (judged,) = [one for one in verdict.objectives if one.name.startswith("blast_users")]
    assert judged.status is status


def test_a_scenario_outside_of_it_must_not_fail() -> None:
    """The feed fails, and only chat was to be hurt."""
    made = plan()
    (asked,) = blast_objectives(Blast(scenarios=("chat",)), made)
    assert asked.name == "blast_requests{scenario:feed}: value<=0"
    verdict = judge(failing(objectives=(asked,)), version="0")
    assert [one.status for one in verdict.objectives[1:]] == [Status.FAIL]


def test_a_budget_is_burnt_by_what_failed_of_what_may() -> None:
    """40 of 3,600 failed, and 1 % may: 1.11 budgets; 10 % may: a ninth of one."""
    slos = tuple(
        NamedObjective(name=name, objective=objective("http_req_failed{scenario:feed}", asked))
        for name, asked in (("tight", "rate<0.01"), ("wide", "rate<0.1"))
    )
    record = failing(slos=slos)
    assert measured(record, "error_budget_burnt", "tight").value == pytest.approx(40 / 3_600 / 0.01)
    assert measured(record, "error_budget_burnt", "wide").value == pytest.approx(40 / 3_600 / 0.1)


def test_without_a_fault_there_is_no_blast_to_judge() -> None:
    """On a target of one's own nothing is broken, and the blast is listed as not judged."""
    asked = blast_objectives(Blast(users=0.3), plan())
    kept, not_judged = decide_not_judged(plan(faults=()), asked)
    assert kept == []
    assert [one.why for one in not_judged] == ["the plan has no fault"]
