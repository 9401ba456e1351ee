"""Sources of figures in profiles and thresholds: what is read, what can be asked of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.builders import plan
from tests.unit.checks.observed import TARGET
from tests.unit.planning.test_profiles import read

from stormproof.kernel.units import SECOND_NS
from stormproof.model.objective import Abort
from stormproof.model.plan import PlannedSource
from stormproof.planning.sources import planned_sources
from stormproof.rules.grammar import format_objective, objective, split_objective
from stormproof.rules.questions import problems_of


def test_a_target_is_asked_for_its_figures_unless_the_profile_says_otherwise(
    tmp_path: Path,
) -> None:
    """`/metrics` every five seconds is the default; an empty path asks for nothing."""
    default, _ = read(tmp_path)
    assert planned_sources(default, "none") == (
        PlannedSource(
            name="target", path="/metrics", interval_ns=5 * SECOND_NS, timeout_ns=3 * SECOND_NS
        ),
    )
    own, problems = read(tmp_path, sources={"target": {"path": "/admin/prom", "interval": "10s"}})
    assert problems == ""
    assert [(one.path, one.interval_ns) for one in planned_sources(own, "none")] == [
        ("/admin/prom", 10 * SECOND_NS)
    ]
    assert planned_sources(read(tmp_path, sources={"target": {"path": ""}})[0], "none") == ()


@pytest.mark.parametrize(
    ("sources", "problem"),
    [
        ({"taget": {}}, "sources taget: is no source (did you mean 'target'?)"),
        ({"target": {"path": "metrics"}}, "'metrics' is none (such as \"/metrics\""),
        ({"target": {"path": "/a b\r\nX: y"}}, "is none"),
        ({"target": {"interval": "10ms"}}, "'10ms' is out of range"),
        ({"target": {"every": "5s"}}, "every: is unknown"),
    ],
)
def test_what_is_wrong_with_a_source_is_told(
    sources: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    """Each message says where, and what would be right."""
    assert problem in read(tmp_path, sources=sources)[1]


@pytest.mark.parametrize(
    "text",
    [
        "target:requests_total: count<5",
        "target:request_latency_ms{route:/a,window:calm}: p(95)<300",
        "process:cpu_seconds{part:api}: rate<0.9",
        "target:job:errors:rate5m: value<1",
        "target:requests_failed: rate<0.01",
    ],
)
def test_a_threshold_on_a_figure_reads_back_as_it_is_written(text: str) -> None:
    """A source stands before its figure, whose own name may hold colons."""
    made = objective(*split_objective(text))
    assert format_objective(made) == made.name == text


@pytest.mark.parametrize(
    ("metric", "threshold", "problem"),
    [
        ("taget:requests_total", "count<5", "no source 'taget' of 'taget:requests_total': did you"),
        ("target:queue{over:30s}", "max<5", "is asked over a whole window: leave out over"),
        ("target:requests_failed", "count<5", "cannot be asked for 'count': use rate"),
        ("target:requests_failed", "rate<5", "every share meets"),
    ],
)
def test_what_cannot_be_asked_of_a_figure_is_refused(
    metric: str, threshold: str, problem: str
) -> None:
    """What no run could answer is bad input before it begins."""
    with pytest.raises(ValueError, match=problem):
        objective(metric, threshold)


def test_a_plan_answers_only_for_the_sources_that_it_reads() -> None:
    """A source that is not read, the gate and abortOnFail are told as what they cannot do; the
    tags of a figure are its keeper's, whatever they are called."""
    asked = objective("target:calls{scenario:none,status:2xx}", "count<5")
    assert problems_of(asked, plan(sources=(TARGET,))) == []
    (unread,) = problems_of(asked, plan())
    assert "the plan reads no figures of 'target': known: none" in unread
    (gate,) = problems_of(asked, plan(sources=(TARGET,), gate=(asked,)))
    assert "the gate sees the load alone" in gate
    aborting = msgspec.structs.replace(asked, abort=Abort())
    (abort,) = problems_of(aborting, plan(sources=(TARGET,)))
    assert "abortOnFail sees the load alone" in abort
