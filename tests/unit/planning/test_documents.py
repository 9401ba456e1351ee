"""What flags and environments change in a profile's document, and which journeys it runs."""

from __future__ import annotations

from typing import Any

import pytest

from stormproof.planning.documents import Amendments, amended, assigned

CLOSED = {"executor": "constant-vus", "vus": 4, "env": {"a": "1"}}
RAMP = {"executor": "ramping-arrival-rate", "stages": [], "preAllocatedVUs": 4}
OPEN = {"executor": "constant-arrival-rate", "rate": 5, "preAllocatedVUs": 4}


def document(**scenarios: Any) -> dict[str, Any]:
    return {"duration": "60s", "scenarios": scenarios, "thresholds": {"checks": ["rate==1"]}}


def changed(given: dict[str, Any], **wish: Any) -> dict[str, Any]:
    found, problems = amended(given, Amendments(**wish), "p")
    assert not problems
    return dict(found)


def test_no_wish_changes_nothing() -> None:
    """A profile that nobody amends is read as it stands in its file."""
    given = document(a=CLOSED, b=OPEN)
    assert changed(given) == given


@pytest.mark.parametrize(
    ("scenario", "wish", "expected"),
    [
        (CLOSED, {"vus": 9}, {**CLOSED, "vus": 9}),
        (OPEN, {"vus": 9}, {**OPEN, "preAllocatedVUs": 9, "maxVUs": 9}),
        (RAMP, {"vus": 9}, {**RAMP, "preAllocatedVUs": 9, "maxVUs": 9}),
        (
            CLOSED,
            {"rate": 50.0, "vus": 7},
            {
                "executor": "constant-arrival-rate",
                "rate": 50.0,
                "preAllocatedVUs": 7,
                "maxVUs": 7,
                "env": {"a": "1"},
            },
        ),
        (
            OPEN,
            {"iterations": 3, "vus": 9, "duration": "5s"},
            {"executor": "shared-iterations", "iterations": 3, "vus": 3, "maxDuration": "5s"},
        ),
        (
            OPEN,
            {"iterations": 3},
            {"executor": "shared-iterations", "iterations": 3, "vus": 1, "maxDuration": "60s"},
        ),
        (
            {"executor": "shared-iterations", "vus": 2},
            {"duration": "9s"},
            {"executor": "constant-vus", "vus": 2},
        ),
        (CLOSED, {"env": {"b": "2"}}, {**CLOSED, "env": {"a": "1", "b": "2"}}),
        (OPEN, {"tags": {"region": "eu"}}, {**OPEN, "tags": {"region": "eu"}}),
    ],
)
def test_a_flag_stands_in_the_document(
    scenario: dict[str, Any], wish: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Each flag becomes what a person would have written into the profile for it."""
    found = changed(document(one=scenario), **wish)["scenarios"]["one"]
    assert found == expected


def test_scenarios_share_what_was_given_for_the_whole_run() -> None:
    """A cap of ten users and of a rate is one of all scenarios together."""
    users = changed(document(a=CLOSED, b=CLOSED, c=CLOSED), vus=10)["scenarios"]
    assert [one["vus"] for one in users.values()] == [4, 3, 3]
    rates = changed(document(a=OPEN, b=OPEN), rate=30.0)["scenarios"]
    assert sum(one["rate"] for one in rates.values()) == 30


def test_another_duration_stretches_what_follows() -> None:
    """Starts, lengths and stages keep their share of the run."""
    late = {**CLOSED, "startTime": "30s", "duration": "15s"}
    ramp = {"executor": "ramping-vus", "stages": [{"duration": "60s", "target": 5}]}
    found = changed(document(a=late, b=ramp), duration="2m")
    assert found["duration"] == "2m"
    assert found["scenarios"]["a"] == {**late, "startTime": "60000ms", "duration": "30000ms"}
    assert found["scenarios"]["b"]["stages"] == [{"duration": "120000ms", "target": 5}]


def test_an_environment_replaces_bars_on_the_same_metric() -> None:
    """Its thresholds stand instead of the profile's, the others stay."""
    bars = {"http_req_failed": ["rate<0.1"]}
    found = changed(document(a=CLOSED), thresholds=bars, limits={"vus": 5})
    assert found["thresholds"] == {"checks": ["rate==1"], **bars}
    assert found["limits"] == {"vus": 5}


@pytest.mark.parametrize(
    ("wish", "problem"),
    [
        ({"vus": 1}, "--vus: 1 cannot be shared by 2 scenarios"),
        ({"vus": 5}, "follow each other"),
        ({"rate": 5.0, "iterations": 5}, "give one of them"),
    ],
)
def test_what_cannot_be_wished_is_said(wish: dict[str, Any], problem: str) -> None:
    """A flag that makes no sense for the profile is refused with a way out."""
    late = {**CLOSED, "startTime": "30s"}
    _, problems = amended(document(a=CLOSED, b=late), Amendments(**wish), "p")
    assert problem in "\n".join(map(str, problems))


def test_insecure_replaces_what_would_be_trusted() -> None:
    """Believing everybody leaves no authority to ask; our own certificate stays."""
    given = {**document(a=CLOSED), "tls": {"ca": "ca.pem", "certificate": "me.pem"}}
    assert changed(given, insecure=True)["tls"] == {"certificate": "me.pem", "insecure": True}


def test_a_broken_document_is_left_to_its_reader() -> None:
    """What is no object passes through unharmed, to be told where it is read."""
    broken = {"duration": 7, "scenarios": {"a": 3}, "thresholds": []}
    found, problems = amended(broken, Amendments(duration="5s", vus=3), "p")
    assert not problems
    assert found["scenarios"] == {}


def test_each_scenario_finds_its_journey() -> None:
    """`exec`, the scenario's name, the only journey, or every journey for `default`."""
    runs, found, problems = assigned(
        document(default=CLOSED, special={**OPEN, "exec": "pay"}), ("browse", "pay"), "p"
    )
    assert not problems
    assert runs == {"browse": "browse", "pay": "pay", "special": "pay"}
    assert found["scenarios"] == {"browse": CLOSED, "pay": CLOSED, "special": OPEN}
    assert assigned(document(smoke=CLOSED), ("visit",), "p")[0] == {"smoke": "visit"}


def test_a_scenario_without_a_journey_is_told_with_a_suggestion() -> None:
    """A misspelt `exec` names the journey that was probably meant."""
    _, _, problems = assigned(document(a={**CLOSED, "exec": "brows"}), ("browse", "pay"), "p")
    assert str(problems[0]) == (
        "p: scenarios a exec: there is no journey 'brows' (did you mean 'browse'?)"
    )
