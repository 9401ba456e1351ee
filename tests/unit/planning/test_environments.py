"""Environments: where a target runs and what holds there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stormproof.kernel.errors import BadInput
from stormproof.planning.environments import find_environment, read_environment

SHIPPED = Path(__file__).resolve().parents[3] / "load" / "environments"


@pytest.mark.parametrize("name", ["development", "staging", "production"])
def test_a_shipped_environment_has_urls_and_bars(name: str) -> None:
    """Each of the three names its own addresses and thresholds."""
    environment = read_environment(find_environment(name, [SHIPPED]))
    assert environment.name == name
    assert environment.target.startswith("http")
    assert environment.ws_target.startswith("ws")
    assert environment.thresholds


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    """An environment with three mistakes is refused with three lines."""
    path = tmp_path / "e.json"
    path.write_text(json.dumps({"target": 7, "limits": [], "thresholdz": {}}))
    with pytest.raises(BadInput) as caught:
        read_environment(path)
    told = str(caught.value)
    for part in ("target: must be a string", "limits: must be an object", "'thresholds'"):
        assert part in told


def test_an_unknown_environment_names_the_known_ones() -> None:
    """A misspelt name is answered with the names there are."""
    with pytest.raises(BadInput, match="known: development, production, staging"):
        find_environment("stagin", [SHIPPED])
