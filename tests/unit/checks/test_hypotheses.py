"""Hypotheses: the spans in which they did not hold, none of which ends anything."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from tests.builders import (
    ITERATIONS,
    counted,
    frame,
    frames,
    healthy_record,
    operations,
    plan,
)

from stormproof.checks.hypotheses import check_hypotheses, spans_of_hypotheses
from stormproof.checks.judge import judge
from stormproof.checks.outcome import Measurement, worst_of
from stormproof.model.objective import Status
from stormproof.model.plan import NamedObjective
from stormproof.model.record import Record
from stormproof.rules.grammar import objective
from stormproof.rules.windows import windows_of

ANSWERS = NamedObjective(
    name="feed-answers", objective=objective("http_req_failed{scenario:feed}", "rate<0.05")
)
READY = NamedObjective(name="ready", objective=objective("probe_failed{probe:ready}", "rate<0.5"))
BAD_S = (6, 13, 14, 35)


def broken_record(*bars: str) -> Record:
    """Return a record in which a tenth of the feed fails in four seconds, one of them calm."""
    bad = [operations([20.0] * 50, failed=5), counted(ITERATIONS, 50)]
    sent = [frame(one.worker, one.second, bad) if one.second in BAD_S else one for one in frames()]
    asked = tuple(objective("hypothesis_broken_s{hypothesis:feed-answers}", bar) for bar in bars)
    return healthy_record(plan(hypotheses=(ANSWERS, READY), objectives=asked), frames=tuple(sent))


def test_every_span_is_told_with_the_faults_around_it() -> None:
    """Before, during and after the faults, none of them stopping the others."""
    record = broken_record()
    answers, ready = spans_of_hypotheses(record, windows_of(record))
    assert [(one.from_s, one.to_s, one.faults) for one in answers.spans] == [
        (6, 7, []),
        (13, 15, ["cache-cut"]),
        (35, 36, []),
    ]
    assert (answers.broken_s, answers.unknown_s) == (4, 0)
    assert [one.faults for one in ready.spans] == [["cache-cut"], ["cache-restart"]]


@pytest.mark.parametrize(("bar", "status"), [("max<=4", Status.PASS), ("max<=3", Status.FAIL)])
def test_the_time_is_judged(bar: str, status: Status) -> None:
    """Four seconds are within four, and beyond three; the spans stand in the verdict."""
    verdict = judge(broken_record(bar), version="0")
    (judged,) = [one for one in verdict.objectives if one.name.startswith("hypothesis")]
    assert (judged.value, judged.status) == (4.0, status)
    assert [one.name for one in verdict.hypotheses] == ["feed-answers", "ready"]


@pytest.mark.parametrize(
    ("bar", "status"),
    [("max<=3", Status.FAIL), ("max<=5", Status.INCONCLUSIVE), ("max<=6", Status.PASS)],
)
def test_silence_may_be_broken(bar: str, status: Status) -> None:
    """Four seconds broken and two without an answer are between four and six: what is broken
    anyway fails, and what silence would break is not held."""
    silent = [
        frame(one.worker, one.second, []) if one.second in (15, 16) else one
        for one in broken_record().frames
    ]
    verdict = judge(replace(broken_record(bar), frames=tuple(silent)), version="0")
    (judged,) = [one for one in verdict.objectives if one.name.startswith("hypothesis")]
    assert (judged.value, judged.status) == (4.0, status)
    assert ("2 of the load's 36 s have no sample" in judged.why) == (status is Status.INCONCLUSIVE)


def test_the_longest_of_all_keeps_what_was_seen() -> None:
    """A hypothesis that nobody could answer hides none that was broken for thirty seconds."""
    seen = Measurement(value=30.0, samples=36)
    unseen = Measurement(value=0.0, samples=5, why="no sample", between=(0.0, 31.0))
    found = worst_of([seen, unseen])
    assert (found.value, found.why, found.between) == (30.0, "no sample", (30.0, 31.0))
    never = worst_of([Measurement(value=None, samples=0, why="not asked"), unseen])
    assert (never.value, never.why, never.between) == (0.0, "not asked", (0.0, math.inf))


def test_what_was_not_seen_is_not_held() -> None:
    """Where no second says anything, or some are missing, the doubt says how many."""
    record = broken_record("max<=4")
    record = replace(record, frames=tuple(one for one in record.frames if one.second < 30))
    found = check_hypotheses(record, windows_of(record)).measured
    assert "have no sample" in found["hypothesis_broken_s", "feed-answers"].why
    assert found["hypothesis_broken_s", ""].why
