"""k6's options as a profile: what is taken, what is noted, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stormproof.kernel.units import SECOND_NS
from stormproof.model.plan import Stage
from stormproof.model.profile import Profile
from stormproof.planning.k6 import as_document, is_k6_options
from stormproof.planning.profiles import profile_of_k6, read_profile

MINUTE_NS = 60 * SECOND_NS


def imported(**options: Any) -> tuple[Profile, list[str]]:
    """Import options that must be without a problem; return the profile and its notes."""
    profile, problems = profile_of_k6(options, name="k6", where="k6.json")
    assert [str(one) for one in problems] == []
    return profile, list(profile.notes)


def refused(**options: Any) -> str:
    """Return the problems of options."""
    _, problems = profile_of_k6(options, name="k6", where="k6.json")
    return "\n".join(map(str, problems))


def test_scenarios_and_thresholds_load_unchanged() -> None:
    """k6's own example of several scenarios is read as it stands, with the time they all take."""
    profile, notes = imported(
        scenarios={
            "shared_iter_scenario": {
                "executor": "shared-iterations",
                "vus": 10,
                "iterations": 100,
                "startTime": "0s",
            },
            "per_vu_scenario": {
                "executor": "per-vu-iterations",
                "vus": 10,
                "iterations": 10,
                "startTime": "10s",
                "exec": "visit",
                "tags": {"kind": "own"},
            },
            "contacts": {
                "executor": "ramping-arrival-rate",
                "startRate": 300,
                "timeUnit": "1m",
                "preAllocatedVUs": 50,
                "stages": [
                    {"target": 300, "duration": "1m"},
                    {"target": 600, "duration": 2000},
                ],
            },
        },
        thresholds={
            "http_req_failed": ["rate<0.01"],
            "http_req_duration": [
                "p(95)<200",
                {"threshold": "p(99)<1000", "abortOnFail": True, "delayAbortEval": "10s"},
            ],
        },
        tags={"region": "eu", "kind": "all"},
    )
    assert notes == []
    assert profile.duration_ns == 10 * SECOND_NS + 10 * MINUTE_NS
    assert profile.warmup_ns == 0
    one, two, three = profile.scenarios.values()
    assert (one.vus, one.iterations, one.duration_ns) == (10, 100, 10 * MINUTE_NS)
    assert (two.exec, two.start_ns) == ("visit", 10 * SECOND_NS)
    assert dict(two.tags) == {"region": "eu", "kind": "own"}
    assert three.stages[1] == Stage(duration_ns=2 * SECOND_NS, target=600.0)
    assert len(profile.thresholds["http_req_duration"]) == 2


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"vus": 5, "duration": "30s"},
            {"executor": "constant-vus", "vus": 5, "duration_ns": 30 * SECOND_NS},
        ),
        (
            {"vus": 5, "iterations": 20},
            {"executor": "shared-iterations", "vus": 5, "duration_ns": 10 * MINUTE_NS},
        ),
        (
            {"vus": 5, "iterations": 20, "duration": "1m"},
            {"executor": "shared-iterations", "iterations": 20, "duration_ns": MINUTE_NS},
        ),
        (
            {"vus": 2, "stages": [{"duration": "0d1m", "target": 9}]},
            {"executor": "ramping-vus", "start_vus": 2, "vus": 9, "duration_ns": MINUTE_NS},
        ),
        ({"iterations": 1}, {"executor": "shared-iterations", "vus": 1, "iterations": 1}),
    ],
)
def test_shortcuts_are_the_scenarios_that_k6_makes_of_them(
    options: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Users with a duration, iterations or stages become the scenario `default`."""
    profile, _ = imported(**options)
    numbers = profile.scenarios["default"]
    assert {name: getattr(numbers, name) for name in expected} == expected


def test_users_alone_run_once_as_in_k6() -> None:
    """k6 ignores `vus` without anything to multiply, and says so; so do we."""
    profile, notes = imported(vus=7)
    assert profile.scenarios["default"].executor == "per-vu-iterations"
    assert profile.scenarios["default"].vus == 1
    assert any("one user runs once" in note for note in notes)


def test_what_changes_nothing_that_is_measured_is_noted() -> None:
    """Options about k6's own output are left out, each with a note; no threshold has one too."""
    _, notes = imported(
        vus=1, duration="5s", summaryTrendStats=["avg"], systemTags=["url"], noSetup=False
    )
    assert notes == [
        "k6's option summaryTrendStats changes nothing here",
        "k6's option systemTags changes nothing here",
        "k6's options have no thresholds: every check must hold",
    ]


def test_tls_and_names_are_those_of_the_profile() -> None:
    """What k6 says of TLS and of names is taken where a profile can say it."""
    profile, _ = imported(
        vus=1, duration="5s", insecureSkipTLSVerify=True, hosts={"shop.test": "127.0.0.1"}
    )
    assert profile.tls.insecure
    assert profile.network.hosts == {"shop.test": "127.0.0.1"}


def test_every_problem_is_told_at_once() -> None:
    """What would be another test, what k6 does not know, and what is wrong in itself."""
    told = refused(
        scenarios={
            "a": {"executor": "externally-controlled", "vus": 3},
            "b": {"executor": "constant-vus", "duration": "never"},
            "c": [],
        },
        stages=[{"duration": "1s", "target": 1}],
        rps=50,
        summaryTrendStat=["avg"],
        thresholds={"http_reqs": 3},
    )
    assert "`scenarios` and `stages` each say how much load there is (keep one of them)" in told
    assert "rps: would make another test of it and is not taken from k6's options" in told
    assert "summaryTrendStat: is no option of k6 (did you mean 'summaryTrendStats'?)" in told
    assert "scenarios a executor: is controlled from outside (constant-vus with maxVUs" in told
    assert "scenarios c: must be an object" in told
    assert "'never' is not a duration" in told
    assert "thresholds http_reqs: must be a list of thresholds" in told


def test_scenarios_of_no_kind_are_refused() -> None:
    """`scenarios` that are no object, or none at all, are told."""
    assert "scenarios: must be an object of scenarios" in refused(scenarios=[])


@pytest.mark.parametrize(
    ("document", "is_k6"),
    [
        ({"scenarios": {}, "thresholds": {}}, True),
        ({"vus": 1, "duration": "5s"}, True),
        ({"stages": []}, True),
        ({"scenarios": {}, "duration": "5s", "thresholds": {}}, False),
        ({"scenarios": {}, "trial": "demonstration"}, False),
        ({"duration": "5s", "thresholds": {}}, False),
        ({}, False),
    ],
)
def test_options_are_told_from_profiles(document: dict[str, Any], is_k6: bool) -> None:
    """A profile has a duration beside its scenarios, or keys that k6 does not know."""
    assert is_k6_options(document) is is_k6


def test_a_file_of_options_is_a_profile(tmp_path: Path) -> None:
    """k6's options in a file are read where a profile is read."""
    path = tmp_path / "options.json"
    path.write_text(json.dumps({"vus": 3, "duration": "10s"}))
    profile, problems = read_profile(path)
    assert problems == []
    assert profile.scenarios["default"].vus == 3
    assert profile.duration_ns == 10 * SECOND_NS


def test_a_translated_document_is_a_profile_and_stays_one() -> None:
    """What comes out is not taken for k6's options again."""
    document, _ = as_document({"vus": 3, "duration": "10s"}, "k6.json")
    assert not is_k6_options(document)
