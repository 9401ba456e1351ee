"""`stormproof drill`: what is no drill is refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from stormproof.cli.main import run_commands
from stormproof.cli.plans import Order

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["feed_load"], "has no fault, so it is no drill (stormproof certify feed_load)"),
        (
            ["demonstration", "--target", "http://127.0.0.1:1"],
            "breaks nothing of http://127.0.0.1:1, whose parts are not ours to break",
        ),
        (["drill.yaml"], "is no form of a drill (the name of a trial, or a file that ends in .py"),
        (["no-such-drill"], "no-such-drill"),
    ],
)
def test_what_is_no_drill_is_refused(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With what would be right; no run is begun."""
    monkeypatch.chdir(ROOT)
    assert run_commands(["drill", *arguments, "--out", str(tmp_path / "runs")]) == 64
    assert told in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_another_form_is_run_by_who_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of a suffix that somebody reads is theirs, with why it is done."""
    seen: list[tuple[str, str]] = []

    def run(path: Path, order: Order, out: Path, why: str) -> int:
        seen.append((path.name, why))
        return 1

    forms = {".json": run}
    monkeypatch.setattr("stormproof.cli.drilling.EXPERIMENTS", forms)
    assert run_commands(["drill", "storm.json", "--why", "because", "--out", str(tmp_path)]) == 1
    assert seen == [("storm.json", "because")]
