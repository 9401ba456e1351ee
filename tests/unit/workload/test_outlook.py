"""What a dry run says: the same instants, users and numbers that a run will have."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.builders import plan

from stormproof.kernel.units import SECOND_NS
from stormproof.model.plan import Plan, Scenario, Source, Stage
from stormproof.workload.choice import open_shape
from stormproof.workload.outlook import ScenarioOutlook, outlook

UP = Stage(duration_ns=10 * SECOND_NS, target=20)
JUMP = Stage(duration_ns=0, target=5)
HOLD = Stage(duration_ns=10 * SECOND_NS, target=5)


def planned(**fields: Any) -> Plan:
    scenario = Scenario(
        **{
            "name": "s",
            "journey": Source(file="f.py", function="visit", sha256=""),
            "duration_ns": 20 * SECOND_NS,
            "vus": 4,
            "max_vus": 8,
            "start_ns": 5 * SECOND_NS,
            **fields,
        }
    )
    return msgspec.structs.replace(plan(), scenarios=(scenario,))


def seen(**fields: Any) -> ScenarioOutlook:
    (one,) = outlook(planned(**fields), first=5)
    return one


def test_open_scenarios_tell_rates_numbers_and_first_instants() -> None:
    """A ramp's stages have their rates and shares, and the first instants are the schedule's."""
    fields = {"executor": "ramping-arrival-rate", "start_rate": 0.0, "stages": (UP, JUMP, HOLD)}
    one = seen(**fields)
    assert one.iterations == 100 + 50
    assert [stage.rate_per_s for stage in one.stages] == [(0.0, 20.0), (5.0, 5.0)]
    assert [stage.iterations for stage in one.stages] == [100.0, 50.0]
    assert [stage.from_ns for stage in one.stages] == [5 * SECOND_NS, 15 * SECOND_NS]
    (scenario,) = planned(**fields).scenarios
    instants = list(open_shape(scenario, plan().seed).instants_ns(0, 1))
    assert list(one.first_ns) == [5 * SECOND_NS + at for at in instants[:5]]
    assert (one.end_ns, one.cut_ns) == (25 * SECOND_NS, 55 * SECOND_NS)


def test_random_arrivals_tell_their_mean_and_their_own_instants() -> None:
    """The number is a mean, and the instants are those that the seed gives in the run, too."""
    one = seen(executor="constant-arrival-rate", rate=10.0, arrivals="poisson")
    even = seen(executor="constant-arrival-rate", rate=10.0)
    assert (one.is_random, one.iterations) == (True, 200)
    assert one.first_ns != even.first_ns
    assert even.first_ns[:2] == (5 * SECOND_NS, 5 * SECOND_NS + SECOND_NS // 10)


def test_ramping_users_tell_who_comes_when() -> None:
    """Users over time, per stage and one by one; the first starts are the users' own."""
    one = seen(executor="ramping-vus", start_vus=2, stages=(UP, JUMP, HOLD), vus=20)
    assert one.iterations is None
    assert [stage.users for stage in one.stages] == [(2, 20), (5, 5), (5, 5)]
    assert one.changes[:2] == ((5 * SECOND_NS, 2), (5 * SECOND_NS + 10 * SECOND_NS // 18 + 1, 3))
    assert one.first_ns[:3] == (5 * SECOND_NS, 5 * SECOND_NS, one.changes[1][0])


@pytest.mark.parametrize(
    ("executor", "iterations"), [("per-vu-iterations", 28), ("shared-iterations", 7)]
)
def test_iterations_are_told_as_they_are_owed(executor: str, iterations: float) -> None:
    """Each user's number, or all users' together."""
    one = seen(executor=executor, iterations=7)
    assert one.iterations == iterations
    assert one.users == (4, 8)
    assert one.first_ns == (5 * SECOND_NS,) * 4


def test_a_closed_loop_promises_no_number() -> None:
    """How often users get round is the target's matter."""
    one = seen(executor="constant-vus")
    assert one.iterations is None
    assert one.stages[0].iterations is None
    assert one.stages[0].users == (4, 4)
