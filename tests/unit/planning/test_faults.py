"""The faults of a plan: the trial's words and the profile's numbers against their kinds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.builders import plan
from tests.unit.planning.test_profiles import read

from stormproof.kernel.errors import Problem
from stormproof.kernel.units import MILLISECOND_NS, SECOND_NS
from stormproof.model.fault import KINDS, FaultSetting, FaultShape
from stormproof.model.plan import PlannedFault
from stormproof.model.profile import Profile
from stormproof.model.trial import Trial, TrialFault
from stormproof.planning.faults import (
    length_problems,
    overlap_problems,
    planned_faults,
    setting_problems,
)
from stormproof.planning.scale import Scale

SHAPE = FaultShape(
    hits="link",
    settings={
        "latency": FaultSetting(kind="duration", low=0, high=10 * SECOND_NS),
        "share": FaultSetting(kind="number", default=1.0, low=0, high=1),
        "direction": FaultSetting(kind="word", default="both", words=("both", "up", "down")),
        "table": FaultSetting(kind="text", default="things", low=1, high=10),
        "remark": FaultSetting(kind="text", default="", low=0, high=10),
    },
)


@pytest.fixture(autouse=True)
def a_kind_with_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = dict(KINDS, **{"link-test": SHAPE})
    monkeypatch.setattr("stormproof.planning.faults.KINDS", kinds)


def slowed(settings: Mapping[str, str]) -> Trial:
    fault = TrialFault(kind="link-test", part="cache-link", settings=settings)
    return Trial(name="t", title="t", stack="embedded", scenarios={}, faults={"slow": fault})


def given(tmp_path: Path, **numbers: object) -> Profile:
    profile, problems = read(tmp_path, faults={"slow": {"at": "6s", "for": "4s", **numbers}})
    assert problems == ""
    return profile


def test_words_of_the_trial_numbers_of_the_profile_and_defaults_make_a_fault_whole(
    tmp_path: Path,
) -> None:
    """A planned fault has every setting of its kind, durations in nanoseconds."""
    trial, profile = slowed({"direction": "up"}), given(tmp_path, latency="250ms")
    assert setting_problems(trial, profile) == []
    (planned,) = planned_faults(trial, profile, Scale(trial, profile, 1.0))
    assert planned.settings == {
        "latency": 250 * MILLISECOND_NS,
        "share": 1.0,
        "direction": "up",
        "table": "things",
        "remark": "",
    }
    assert (planned.at_ns, planned.for_ns) == (6 * SECOND_NS, 4 * SECOND_NS)


def test_every_wrong_setting_is_named_with_what_would_be_right(tmp_path: Path) -> None:
    """Unknown, missing, doubly given and unbounded settings are all told at once."""
    trial = slowed({"direction": "sideways", "table": "", "remark": "x" * 11, "share": 2})  # type: ignore[dict-item]
    profile = given(tmp_path, latncy="1s", share=0.5)
    told = "\n".join(map(str, setting_problems(trial, profile)))
    assert "share is set by the trial already" in told
    assert "slow latency: is missing" in told
    assert "'sideways' is unknown" in told
    assert "slow table: must be 1 to 10 characters, not 0" in told
    assert "slow remark: must be 0 to 10 characters, not 11" in told
    assert "slow latncy: is unknown (did you mean 'latency'?)" in told
    told = "\n".join(map(str, setting_problems(slowed({}), given(tmp_path, latency="1m"))))
    assert "'1m' is out of range (from 0us to 10s)" in told


def _at(name: str, kind: str, part: str, at_s: int, for_s: int = 0) -> PlannedFault:
    return PlannedFault(
        name=name, kind=kind, part=part, at_ns=at_s * SECOND_NS, for_ns=for_s * SECOND_NS
    )


@pytest.mark.parametrize(
    ("one", "other", "is_told"),
    [
        (_at("a", "slow", "wire", 10, 5), _at("b", "slow", "wire", 12, 5), False),
        (_at("a", "slow", "wire", 10, 5), _at("b", "cut", "wire", 12, 5), True),
        (_at("a", "cut", "wire", 10, 5), _at("b", "cut", "wire", 15, 5), False),
        (_at("a", "cut", "wire", 10, 5), _at("b", "cut", "other", 12, 5), False),
        (_at("a", "cut", "wire", 10), _at("b", "cut", "wire", 10), True),
    ],
)
def test_overlapping_faults_on_one_part_compose_or_are_refused(
    monkeypatch: pytest.MonkeyPatch, one: PlannedFault, other: PlannedFault, is_told: bool
) -> None:
    """Before the run, with the instant from which the second could come."""
    kinds = {"slow": FaultShape(hits="link", composes=True), "cut": FaultShape(hits="link")}
    monkeypatch.setattr("stormproof.model.fault.KINDS", kinds)
    problems = list(overlap_problems(plan(faults=(one, other)), "p.json"))
    assert len(problems) == is_told
    what = f"is on wire while a is, and a {one.kind} and a {other.kind} do not go together"
    fix = f"not before {15 if one.for_ns else 11}s"
    told = Problem(where="p.json: faults b", what=what, fix=fix)
    assert problems == [told] * is_told


@pytest.mark.parametrize(("after_s", "problems"), [(1, 0), (2, 1), (30, 1)])
def test_a_reset_has_to_come_before_the_fault_is_over(after_s: int, problems: int) -> None:
    """A reset whose time comes when the fault is over, or later, is refused with what would do."""
    fault = PlannedFault(
        name="cut",
        kind="link-reset",
        part="wire",
        at_ns=0,
        for_ns=2 * SECOND_NS,
        settings={"after": after_s * SECOND_NS},
    )
    told = [str(one) for one in length_problems(plan(faults=(fault,)), "profile")]
    assert len(told) == problems
    assert all("shorter than the 2s that it lasts" in one for one in told)
