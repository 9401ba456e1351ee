"""`stormproof validate`: k6's options alone, and the settings that journeys read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stormproof.cli.main import run_commands

PROFILES = Path(__file__).resolve().parents[3] / "load" / "profiles"
JOURNEY = """
from stormproof import User, check, journey


@journey
async def visit(user: User) -> None:
    answer = await user.http.get("/")
    check(answer, "served", answer.ok)
"""


def test_k6_options_are_checked_without_journeys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Right numbers are listed with what was left out; thresholds wait for the journeys."""
    path = tmp_path / "options.json"
    options = {"vus": 3, "duration": "10s", "thresholds": {"own_metric": ["count>1"]}}
    path.write_text(json.dumps({**options, "summaryTimeUnit": "ms"}))
    assert run_commands(["validate", str(path)]) == 0
    told = capsys.readouterr().out
    assert told.splitlines() == [
        "default: constant-vus",
        "note: k6's option summaryTimeUnit changes nothing here",
        f"valid numbers; with journeys: stormproof validate FILE.py --profile {path}",
    ]


def test_problems_of_k6_options_are_told_all_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each has its place in the file, not in a trial that nobody named."""
    path = tmp_path / "options.json"
    path.write_text(json.dumps({"vus": 0, "duration": "soon", "rps": 3}))
    assert run_commands(["validate", str(path)]) == 64
    told = capsys.readouterr().err
    assert "vus: must be a whole number from 1" in told
    assert "'soon' is not a duration" in told
    assert "rps: would make another test of it" in told
    assert "trial" not in told
    assert told.startswith("stormproof: 3 problems in the input")


def test_settings_that_journeys_read_are_checked_with_everything_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pace that is no number, a missing number of channels, a share above one: each is told in
    its place beside what else is wrong, and nothing runs."""
    profile = json.loads((PROFILES / "soak.json").read_bytes())
    profile["scenarios"]["visit"]["env"] = {"pace_s": "soon", "post_share": "1.5"}
    profile["scenarios"]["chat"]["env"] = {"pace_s": "1"}
    profile["scenarios"]["tell"]["env"] |= {"channels": "2.5", "pace_s": "nan"}
    profile["seed"] = "one"
    path = tmp_path / "soak.json"
    path.write_text(json.dumps(profile))
    assert run_commands(["validate", str(path)]) == 64
    told = capsys.readouterr().err
    for line in (
        "scenarios visit env pace_s: 'soon' is no number (a number from 0 on)",
        "scenarios visit env post_share: 1.5 is out of bounds (a number from 0 to 1)",
        "scenarios chat env channels: is missing (a whole number from 1 on)",
        "scenarios tell env channels: 2.5 is out of bounds (a whole number from 1 on)",
        "scenarios tell env pace_s: nan is out of bounds (a number from 0 on)",
        "seed: must be",
    ):
        assert line in told
    assert told.startswith("stormproof: 6 problems in the input")


def test_a_pace_is_checked_whoever_reads_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`pace_s` says what a plan promises, so it is a number even where no journey declares it."""
    (tmp_path / "visit.py").write_text(JOURNEY)
    numbers = {"visit": {"executor": "constant-vus", "vus": 1, "env": {"pace_s": "-1"}}}
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"scenarios": numbers, "duration": "5s", "thresholds": {}}))
    assert run_commands(["validate", str(tmp_path / "visit.py"), "--profile", str(path)]) == 64
    assert "env pace_s: -1 is out of bounds" in capsys.readouterr().err
