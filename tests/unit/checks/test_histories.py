"""How the checkers of the history are asked: by what is in the record, or by an objective."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.builders import healthy_record, plan
from tests.histories import Op, run_check, segments_of

from stormproof.checks import histories
from stormproof.checks.history import Told
from stormproof.checks.judge import judge
from stormproof.checks.outcome import Outcome
from stormproof.checks.sometimes import check_sometimes
from stormproof.checks.spelt import with_unspelt
from stormproof.model.finding import Finding
from stormproof.model.history import Function
from stormproof.model.objective import Status
from stormproof.model.verdict import Verdict
from stormproof.rules.grammar import objective

SEEN = "seen{what:a 409}"
LOST = [
    Op(function=Function.ADD, key="s", value=1, began=1, ended=2),
    Op(function=Function.READ_SET, key="s", value=[], began=3, ended=4),
]


def _judged(ops: list[Op], *asked: tuple[str, str]) -> Verdict:
    record = healthy_record(plan(objectives=tuple(objective(*one) for one in asked)))
    with_history = replace(record, ledger=(*record.ledger, *segments_of(ops)))
    return judge(with_history, version="0")


def test_a_loss_fails_a_run_that_nobody_asked_about_sets() -> None:
    """Whatever is in the record is checked; one lost element is FAIL."""
    verdict = _judged(LOST, ("http_req_failed", "rate<0.2"))
    assert verdict.verdict is Status.FAIL
    assert "1 element lost" in verdict.headline


def test_a_finding_says_why_its_keys_are_digests() -> None:
    """Where the record does not spell a key out, the reader is told how many it does, and how to
    find the text; a finding that spells all of them out says nothing of that."""
    (found,) = _judged(LOST).findings[:1]
    assert "#" in found.witnesses[0].what
    assert "a worker spells out 10,000 keys" in found.advice
    spelt = Finding(kind="set-lost", title="1 element lost", count=1, advice="look")
    assert with_unspelt(Outcome(findings=[spelt])).findings == [spelt]


@pytest.mark.parametrize(
    "asked",
    [
        ("set_lost", "count==0"),
        ("set_stale_s", "max<1"),
        ("counter_off", "count==0"),
        ("ids_duplicated", "count==0"),
        ("register_nonlinearizable", "count==0"),
        ("reads_not_own_writes", "count==0"),
        ("reads_not_monotonic", "count==0"),
        ("reads_stale_s", "max<1"),
        ("isolation_foreign", "count==0"),
        ("effects_duplicated", "count==0"),
        ("totals_off", "count==0"),
        ("final_off", "count==0"),
        (SEEN, "count>=1"),
        ("seen{what:a 500}", "count==0"),
    ],
)
@pytest.mark.parametrize("ops", [[], [Op(function=Function.SEEN, key="x", value=None, began=1)]])
def test_what_is_asked_and_absent_is_undecided(asked: tuple[str, str], ops: list[Op]) -> None:
    """An objective about operations that no journey told is INCONCLUSIVE, with what to call."""
    verdict = _judged(ops, asked)
    (answer,) = verdict.objectives[-1:]
    assert answer.status is Status.INCONCLUSIVE
    assert "user.ledger." in answer.remedy
    assert verdict.verdict is Status.INCONCLUSIVE


def test_a_checker_that_crashes_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect of ours is named, and neither passes nor fails the target."""

    def crash(_told: Told) -> Outcome:
        raise ZeroDivisionError("planted")

    broken = tuple(
        histories.HistoryChecker(
            name=one.name, check=crash, needs=one.needs, metrics=one.metrics, written=one.written
        )
        for one in histories.CHECKERS
    )
    monkeypatch.setattr(histories, "CHECKERS", broken)
    verdict = _judged(LOST, ("set_lost", "count==0"))
    assert verdict.verdict is Status.INCONCLUSIVE
    assert "ZeroDivisionError: planted" in verdict.objectives[-1].why


def test_a_crash_of_what_must_be_seen_is_told_as_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thing that an objective asks to be seen names our defect, not a missing measure."""

    def crash(_told: Told) -> Outcome:
        raise ZeroDivisionError("planted")

    broken = [replace(one, check=crash) for one in histories.CHECKERS if one.name == "sometimes"]
    monkeypatch.setattr(histories, "CHECKERS", tuple(broken))
    seen = [Op(function=Function.SEEN, key="a 409", value=None, began=1)]
    verdict = _judged(seen, (SEEN, "count>=1"), ("seen{what:a 500}", "count==0"))
    assert all("ZeroDivisionError: planted" in one.why for one in verdict.objectives[-2:])


def test_changes_out_of_order_are_no_history() -> None:
    """A ledger whose changes are not numbered as a worker numbers them is undecided."""
    (segment,) = segments_of([*LOST, LOST[0]], workers=1)
    record = replace(healthy_record(plan(objectives=())), ledger=(segment[::-1].copy(),))
    verdict = judge(record, version="0")
    assert verdict.verdict is Status.INCONCLUSIVE
    assert any("not numbered in order" in one.title for one in verdict.findings)


@pytest.mark.parametrize(
    ("times", "asked", "why"),
    [
        (1, "count>=1", ""),
        (3, "count>=5", "'a 409' was seen 3 times only"),
        (3, "count==3", ""),
        (3, "count>3", "'a 409' was seen 3 times only"),
        (3, "count>2", ""),
        (3, "count<2", ""),
        (0, "count>=1", "'a 409' was never seen"),
        (0, "count==0", "'a 409' was never seen"),
    ],
)
def test_what_must_be_seen(times: int, asked: str, why: str) -> None:
    """Too seldom is missing evidence; more often than a bar allows is an answer."""
    ops = [
        Op(function=Function.SEEN, key="a 409", value=None, began=one, ended=one)
        for one in range(1, times + 1)
    ]
    ops.append(Op(function=Function.SEEN, key="something else", value=None, began=9, ended=9))
    measured = run_check(check_sometimes, ops, f"{SEEN}: {asked}").measured["seen", "a 409"]
    assert (measured.value, measured.why) == (times, why)
