"""What `explain` tells of an objective on a figure that a source keeps."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from tests.unit.checks.observed import Said, observed

from stormproof.checks.explaining import explain
from stormproof.checks.judge import judge
from stormproof.rules.grammar import objective


def _facts(said: list[tuple[float, Said]], metric: str, bar: str) -> str:
    asked, record = objective(metric, bar), observed(said)
    plan = msgspec.structs.replace(record.plan, objectives=(asked,))
    record = replace(record, plan=plan)
    (told,) = explain(record, judge(record, version="0"), metric)
    return "\n".join(told.facts)


def _said(**peak: float) -> list[tuple[float, Said]]:
    """Return readings every five seconds, of which the one at 25 s has `peak`, none at 30 s."""
    said = list[tuple[float, Said]]()
    for tick in range(9):
        figures = {"queue": 3.0, "errors_total": float(tick) + 90 * (tick >= 5)}
        said.append((tick * 5.0, {**figures, **(peak if tick == 5 else {})}))
    return [*said[:6], (30.0, "connection refused"), *said[7:]]


@pytest.mark.parametrize(
    ("metric", "bar", "worst"),
    [
        ("target:queue", "max<500", "worst between two readings: 25.000 to 35.000 s, 900 of"),
        ("target:errors_total", "count<5", "worst between two readings: 20.000 to 25.000 s, 91 of"),
    ],
)
def test_a_figure_is_told_with_the_readings_it_was_worst_between(
    metric: str, bar: str, worst: str
) -> None:
    """How often its source was read, where it kept silent and why, and where the worst of it is."""
    facts = _facts(_said(queue=900.0), metric, bar)
    assert "FAIL" in facts
    assert "target was read 8 times in the window, 1 of them without an answer" in facts
    assert "(first at 30.000 s: connection refused)" in facts
    assert worst in facts


def test_a_figure_that_was_never_read_is_told_as_such() -> None:
    """Nothing is made up where no reading lies in the window."""
    facts = _facts([(20.0, "connection refused")], "target:queue", "max<500")
    assert "INCONCLUSIVE" in facts
    assert "target was read 1 time in the window, 1 of them without an answer" in facts
    assert "worst between" not in facts
