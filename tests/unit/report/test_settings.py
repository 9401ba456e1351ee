"""What a report says of a scenario's load."""

from __future__ import annotations

from typing import Any

import pytest

from stormproof.kernel.units import SECOND_NS
from stormproof.model.plan import Scenario, Source, Stage
from stormproof.report.settings import load_of

UP = Stage(duration_ns=10 * SECOND_NS, target=100)
LONG = "to 100 in 10s, to 100 in 10s, ..., to 100 in 10s, to 100 in 10s"
JUMP = Stage(duration_ns=0, target=20)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"executor": "constant-arrival-rate", "rate": 60.0, "time_unit_ns": 60 * SECOND_NS},
            "1 starts a second, 4 to 8 users",
        ),
        (
            {
                "executor": "ramping-arrival-rate",
                "start_rate": 5.0,
                "stages": (UP, JUMP),
                "arrivals": "poisson",
            },
            "5 to 100 in 10s, at once to 20 starts a second at random, 4 to 8 users",
        ),
        ({"executor": "constant-vus"}, "4 users in a closed loop"),
        (
            {"executor": "ramping-vus", "start_vus": 2, "stages": (UP,) * 9},
            f"2 {LONG} users in a closed loop",
        ),
        ({"executor": "per-vu-iterations", "iterations": 3}, "4 users, 3 iterations each"),
        ({"executor": "shared-iterations", "iterations": 9}, "4 users sharing 9 iterations"),
    ],
)
def test_each_executor_says_its_load(fields: dict[str, Any], text: str) -> None:
    """A line tells rates, users, stages and iterations, whichever the executor has."""
    scenario = Scenario(
        name="s",
        journey=Source(file="f.py", function="g", sha256=""),
        duration_ns=SECOND_NS,
        vus=4,
        max_vus=8,
        **fields,
    )
    assert load_of(scenario) == text
