"""`stormproof validate` on k6's options alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stormproof.cli.main import run_commands


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
