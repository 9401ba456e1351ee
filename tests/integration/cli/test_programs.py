"""A program of trials, by the commands a user types, against a small real target."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.integration.cli.conftest import Project

from stormproof.cli.main import run_commands


@pytest.fixture
def program(project: Project) -> Path:
    """Write a program of a trial that runs and of one that cannot even be imported."""
    (project.folder / "wrong.py").write_text("import nothing_of_this_name\n")
    trials = {
        "G1": {"trial": project.trial, "profile": str(project.profile)},
        "G2": {"trial": str(project.folder / "wrong.py")},
    }
    path = project.folder / "night.json"
    path.write_text(json.dumps({"title": "The night", "coverage": 0.9, "trials": trials}))
    return path


def test_a_trial_that_cannot_be_run_costs_only_itself(
    project: Project, program: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The rest of the program goes on; its certificate says what is missing, is made again to the
    same bytes from what is stored, and going on with it runs only what has no verdict."""
    report = project.folder / "coverage.xml"
    report.write_text('<coverage line-rate="0.95"></coverage>')
    out = project.folder / "nights"
    code = run_commands(
        ["certify", str(program), "--target", project.target, "--out", str(out),
         "--coverage", str(report), "--parallel", "2"]
    )  # fmt: skip
    assert code == 2
    told = capfd.readouterr()
    assert "1 trial at a time: they share one target" in told.err
    assert "G2" in told.out
    assert "fails to import" in told.out
    (folder,) = out.iterdir()
    certificate = (folder / "certificate.json").read_bytes()
    first, second = json.loads(certificate)["trials"]
    assert first["run"]
    assert first["headline"]
    assert second["status"] == "inconclusive"
    assert "nothing_of_this_name" in second["why"]
    assert json.loads(certificate)["coverage"]["status"] == "pass"
    assert (folder / first["folder"] / "report.html").is_file()

    assert run_commands(["judge", str(folder)]) == 2
    assert (folder / "certificate.json").read_bytes() == certificate
    assert run_commands(["certify", "--resume", str(folder)]) == 2
    assert (folder / "certificate.json").read_bytes() == certificate
    assert len(list((folder / "trials" / "G1").glob("*/plan.json"))) == 1


def test_what_means_nothing_together_is_refused(
    program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Options of programs mean nothing for a trial, nor those of a trial for a program."""
    assert run_commands(["certify", str(program), "--profile", "p", "--dry-run"]) == 64
    told = capsys.readouterr().err
    assert "--profile: means nothing for a program" in told
    assert "--dry-run: means nothing for a program" in told
    assert run_commands(["certify", "--only", "C4", "--parallel", "2"]) == 64
    assert "--only: means nothing for a trial" in capsys.readouterr().err
    assert run_commands(["certify", str(program), "--only", "G9"]) == 64
    assert "--only G9: is no trial of night" in capsys.readouterr().err
    assert run_commands(["certify", "--resume", str(program.parent)]) == 64
