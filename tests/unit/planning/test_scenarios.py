"""Scenarios of a profile: k6's names and defaults, and every problem of one at once."""

from __future__ import annotations

from typing import Any

import pytest

from stormproof.kernel.errors import Problem
from stormproof.kernel.units import SECOND_NS
from stormproof.model.plan import Stage
from stormproof.model.profile import ScenarioNumbers
from stormproof.planning.fields import Fields
from stormproof.planning.scenarios import EXECUTORS, read_scenario

STAGES = [{"duration": "10s", "target": 20}, {"duration": "0s", "target": 5}]
OWN: dict[str, dict[str, Any]] = {
    "constant-arrival-rate": {"rate": 5, "preAllocatedVUs": 4},
    "ramping-arrival-rate": {"stages": STAGES, "preAllocatedVUs": 4},
    "constant-vus": {},
    "ramping-vus": {"stages": STAGES},
    "per-vu-iterations": {},
    "shared-iterations": {},
}


def read(executor: str, **more: Any) -> tuple[ScenarioNumbers, list[str]]:
    problems: list[Problem] = []
    value = {"executor": executor, **OWN.get(executor, {}), **more}
    numbers = read_scenario(Fields(value, "p: scenarios a", problems))
    return numbers, [str(one) for one in problems]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_every_executor_has_k6s_defaults(executor: str) -> None:
    """What a scenario does not say is what k6 takes: 30 s graces, one user, one iteration, 1 s."""
    numbers, problems = read(executor)
    assert problems == []
    assert numbers.executor == executor
    assert numbers.graceful_stop_ns == numbers.graceful_ramp_down_ns == 30 * SECOND_NS
    assert (numbers.start_ns, numbers.exec, numbers.arrivals) == (0, "", "even")
    assert (numbers.iterations, numbers.start_vus, numbers.start_rate) == (1, 1, 0.0)
    assert numbers.time_unit_ns == SECOND_NS
    assert (numbers.tags, numbers.env) == ({}, {})


def test_stages_say_how_long_and_how_many() -> None:
    """Stages are read in order; a ramp's users and length follow from them."""
    numbers, _ = read("ramping-vus", startVUs=2, gracefulRampDown="5s")
    assert numbers.stages == (
        Stage(duration_ns=10 * SECOND_NS, target=20),
        Stage(duration_ns=0, target=5),
    )
    assert (numbers.start_vus, numbers.vus, numbers.max_vus) == (2, 20, 20)
    assert numbers.duration_ns == 10 * SECOND_NS
    assert numbers.graceful_ramp_down_ns == 5 * SECOND_NS


def test_open_scenarios_have_k6s_users() -> None:
    """Users are prepared beforehand and may grow; arrivals may be random."""
    numbers, problems = read(
        "ramping-arrival-rate", startRate=3, timeUnit="1m", maxVUs=9, arrivals="poisson"
    )
    assert problems == []
    assert (numbers.vus, numbers.max_vus) == (4, 9)
    assert (numbers.start_rate, numbers.time_unit_ns) == (3.0, 60 * SECOND_NS)
    assert numbers.arrivals == "poisson"


def test_what_all_have_in_common_is_read() -> None:
    """Start, grace, journey, tags and environment are every executor's."""
    common = {
        "startTime": "5s",
        "gracefulStop": "1s",
        "exec": "visit",
        "tags": {"kind": "read"},
        "env": {"A": "1"},
    }
    for executor in EXECUTORS:
        numbers, problems = read(executor, **common)
        assert problems == []
        assert (numbers.start_ns, numbers.graceful_stop_ns) == (5 * SECOND_NS, SECOND_NS)
        assert (numbers.exec, numbers.tags, numbers.env) == ("visit", {"kind": "read"}, {"A": "1"})


def test_iterations_have_a_longest_duration() -> None:
    """`maxDuration` is taken where it is given; else the load's own length decides."""
    assert read("per-vu-iterations", maxDuration="90s")[0].duration_ns == 90 * SECOND_NS
    assert read("shared-iterations")[0].duration_ns is None


@pytest.mark.parametrize(
    ("executor", "more", "problem"),
    [
        ("ramping-vu", {}, "executor: 'ramping-vu' is unknown (did you mean 'ramping-vus'?)"),
        (
            "constant-vus",
            {"rate": 3},
            "rate: is unknown (known: duration, env, exec,",
        ),
        ("constant-vus", {"maxVUs": 1, "vus": 2}, "maxVUs: 1 is less than vus (2)"),
        ("ramping-vus", {"stages": []}, "stages: must be a list of 1 to 1000 objects, not []"),
        ("ramping-vus", {"stages": [3]}, "stages[0]: must be an object, not 3"),
        ("ramping-vus", {"stages": [{"duration": "1s"}]}, "stages[0] target: is missing"),
        (
            "ramping-vus",
            {"stages": [{"duration": "1s", "target": 1.5}]},
            "stages[0] target: must be a whole number from 0 to 50000, not 1.5",
        ),
        (
            "ramping-vus",
            {"startVUs": 0, "stages": [{"duration": "1s", "target": 0}]},
            "stages: never have a user (a target or startVUs above 0)",
        ),
        (
            "ramping-arrival-rate",
            {"stages": [{"duration": "1s", "target": 0}]},
            "stages: never start anything (a target or startRate above 0)",
        ),
        (
            "ramping-arrival-rate",
            {"stages": [{"duration": "0s", "target": 9}]},
            'stages: last no time at all (such as [{"duration": "30s", "target": 10}])',
        ),
        (
            "constant-arrival-rate",
            {"arrivals": "uniform"},
            "arrivals: 'uniform' is unknown (known: even, poisson)",
        ),
        (
            "shared-iterations",
            {"vus": 5, "iterations": 4},
            "iterations: 4 are fewer than its vus (5) (one for each user at least)",
        ),
        (
            "per-vu-iterations",
            {"vus": 50_000, "iterations": 50_000},
            "iterations: are over 1000000000 with all users together",
        ),
        ("constant-vus", {"exec": ""}, "exec: names no journey (leave it out, or name one)"),
        ("constant-vus", {"tags": {"a": 1}}, "tags a: must be a string, not 1"),
    ],
)
def test_a_wrong_field_is_named_with_what_would_be_right(
    executor: str, more: dict[str, Any], problem: str
) -> None:
    """Each field says what it takes, with its place down to the stage."""
    _, problems = read(executor, **more)
    assert any(f"p: scenarios a {problem}" in one for one in problems), problems


def test_all_problems_are_told_at_once() -> None:
    """Three wrong fields in two stages give three problems."""
    stages = [{"duration": 5, "target": -1}, {"duration": "1s", "target": 1, "traget": 2}]
    _, problems = read("ramping-vus", stages=stages)
    assert len(problems) == 3
