"""Load stays within what somebody allowed."""

from __future__ import annotations

import msgspec
import pytest
from tests.builders import plan

from stormproof.kernel.units import SECOND_NS
from stormproof.model.profile import Limits
from stormproof.planning.safety import is_loopback_url, limit_problems, target_problems


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
