"""Settings: numbers that a journey reads from its scenario, known beforehand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from stormproof import Setting, journey

CHANNELS = Setting("channels", low=1, high=60, whole=True)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (None, "is missing"),
        ("", "'' is no number"),
        ("many", "'many' is no number"),
        ("0", "0 is out of bounds"),
        ("61", "61 is out of bounds"),
        ("2.5", "2.5 is out of bounds"),
        ("inf", "inf is out of bounds"),
        ("60", ""),
        (" 1 ", ""),
    ],
)
def test_a_setting_says_what_is_wrong_with_it(given: str | None, what: str) -> None:
    """Missing, no number, out of bounds or broken: told with what would be right."""
    problem = CHANNELS.problem({} if given is None else {"channels": given})
    assert (problem.what if problem else "") == what
    assert problem is None or problem.fix == "a whole number from 1 to 60"


def test_a_user_has_the_value_of_its_scenario() -> None:
    """`of` reads what the scenario sets, as a number."""
    assert CHANNELS.of(SimpleNamespace(env={"channels": "30"})) == 30.0


def test_a_journey_names_the_settings_that_it_reads() -> None:
    """All of them are checked at once; what is no tuple of settings is refused."""

    @journey(settings=(CHANNELS, Setting("pace_s")))
    async def talk(user: Any) -> None: ...

    assert [one.where for one in talk.setting_problems({})] == ["channels", "pace_s"]
    assert talk.setting_problems({"channels": "2", "pace_s": "0.5"}) == []
    with pytest.raises(TypeError, match="settings must be a tuple"):
        journey(settings=CHANNELS)  # type: ignore[call-overload]


def test_a_setting_that_nothing_can_meet_is_refused() -> None:
    """No name, or bounds the wrong way round."""
    for name, low, high in (("", 0.0, 1.0), ("x", 2.0, 1.0)):
        with pytest.raises(ValueError, match="is none"):
            Setting(name, low=low, high=high)
