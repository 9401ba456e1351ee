"""Load stays within what somebody allowed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.builders import plan

from stormproof.kernel.errors import BadInput
from stormproof.kernel.units import SECOND_NS
from stormproof.model.control_order import ControlOrder, refuse_unless_possible
from stormproof.model.plan import Network, Stage
from stormproof.model.profile import Limits
from stormproof.planning.safety import (
    is_loopback_url,
    limit_problems,
    rate_cap_per_s,
    target_problems,
)


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://127.8.9.1", True),
        ("https://[::1]:8443", True),
        ("http://app.localhost", True),
        ("http://127.0.0.1.example.com", False),
        ("http://localhost.example.com", False),
        ("http://10.0.0.1", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_knows_this_machine(url: str, here: bool) -> None:
    """Only loopback names and addresses are this machine, whatever they resemble."""
    assert is_loopback_url(url) is here


@pytest.mark.parametrize(
    ("network", "refused"),
    [
        (Network(), False),
        (Network(hosts={"localhost": "192.0.2.1"}), True),
        (Network(proxy="http://192.0.2.1:3128"), True),
        (Network(proxy="http://127.0.0.1:3128", hosts={"other": "192.0.2.1"}), False),
    ],
)
def test_a_detour_does_not_make_another_machine_this_one(network: Network, refused: bool) -> None:
    """A name that leads elsewhere, or a proxy elsewhere, needs a cap as any other machine."""
    told = target_problems("http://localhost:80", capped=False, network=network)
    assert bool(told) is refused


def test_a_cap_opens_the_way_to_other_machines() -> None:
    """A target elsewhere is refused without a cap and taken with one."""
    (problem,) = target_problems("https://shop.example", capped=False)
    assert "give --vus or --rate" in str(problem)
    assert not target_problems("https://shop.example", capped=True)
    assert not target_problems("http://localhost:80", capped=False)


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        (Limits(vus=29), "30 users in all (vus <= 29)"),
        (Limits(rate=119), "120 iterations a second (rate <= 119)"),
        (Limits(requests=4_799), "about 4800 iterations in all (requests <= 4799)"),
        (Limits(duration_ns=39 * SECOND_NS), "a load of 40s (<= 39s)"),
    ],
)
def test_more_than_the_limits_allow_is_refused(limits: Limits, problem: str) -> None:
    """Users, rate, requests and length are each held against the profile's limits."""
    told = "\n".join(map(str, limit_problems(plan(), limits, "p")))
    assert told == f"p: limits: {problem}"


def test_a_rate_alone_is_no_cap_for_a_closed_loop() -> None:
    """What nothing paces needs a bound on its users."""
    closed = tuple(msgspec.structs.replace(one, env={}) for one in plan().scenarios)
    told = list(limit_problems(plan(scenarios=closed), Limits(rate=1_000), "p"))
    assert "the closed loop chat (limit its users too: vus)" in str(told[0])
    assert not list(limit_problems(plan(scenarios=closed), Limits(rate=1_000, vus=30), "p"))


def test_a_plan_within_its_limits_has_no_problem() -> None:
    """Limits that are just met refuse nothing."""
    just = Limits(vus=30, rate=120, requests=4_800, duration_ns=40 * SECOND_NS)
    assert not list(limit_problems(plan(), just, "p"))


RAMP = (Stage(duration_ns=10 * SECOND_NS, target=300), Stage(duration_ns=0, target=50))


@pytest.mark.parametrize(
    ("fields", "limits", "problem"),
    [
        (
            {"executor": "ramping-arrival-rate", "stages": RAMP, "start_rate": 0.0, "rate": 0.0},
            Limits(rate=299),
            "300 iterations a second (rate <= 299)",
        ),
        (
            {"executor": "ramping-arrival-rate", "stages": RAMP, "start_rate": 0.0, "rate": 0.0},
            Limits(requests=1_499),
            "about 1500 iterations in all (requests <= 1499)",
        ),
        (
            {"executor": "per-vu-iterations", "iterations": 7, "vus": 20},
            Limits(requests=139),
            "about 140 iterations in all (requests <= 139)",
        ),
        (
            {"executor": "shared-iterations", "iterations": 70},
            Limits(requests=69),
            "about 70 iterations in all (requests <= 69)",
        ),
    ],
)
def test_the_peak_and_the_whole_of_every_executor_count(
    fields: dict[str, Any], limits: Limits, problem: str
) -> None:
    """A ramp is held against the limits at its peak and by its integral, iterations by number."""
    one = msgspec.structs.replace(plan().scenarios[0], **fields)
    told = "\n".join(map(str, limit_problems(plan(scenarios=(one,)), limits, "p")))
    assert told == f"p: limits: {problem}"


def test_no_order_lifts_a_load_above_what_was_allowed() -> None:
    """The cap of a run is its profile's; elsewhere than here it is at most what was planned."""
    here, there = plan(), plan(target="http://10.0.0.1:80", stack="none")
    planned = sum(one.peak_rate_per_s for one in here.scenarios)
    assert planned > 0
    assert rate_cap_per_s(here, Limits(rate=70)) == 70.0
    assert rate_cap_per_s(here, Limits()) is None
    assert rate_cap_per_s(there, Limits()) == planned
    capped = plan(rate_cap_per_s=planned * 2)
    refuse_unless_possible(ControlOrder(kind="scale", value=2.0), capped)
    with pytest.raises(BadInput, match="is more than this run may start"):
        refuse_unless_possible(ControlOrder(kind="scale", value=2.1), capped)
    with pytest.raises(BadInput, match="is more than this run may start"):
        refuse_unless_possible(
            ControlOrder(kind="scale", value=1.0, scenario="chat"), capped, {"feed": 2.1}
        )
