"""The whole line from plan to report against a real target, by the commands a user types."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from tests.integration.cli.conftest import Project

from stormproof.cli.main import run_commands


def test_a_healthy_target_gets_a_verdict_that_judges_the_same_again(
    project: Project, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Certify prints PASS (or names the machine), and judge gives the same bytes elsewhere."""
    code = run_commands(project.certify())
    out = capsys.readouterr().out
    run = project.run_directory()
    verdict = json.loads((run / "verdict.json").read_bytes())
    assert code == {"pass": 0, "inconclusive": 2}[verdict["verdict"]]
    assert verdict["verdict"].upper() in out
    assert verdict["generator"]["valid"] or verdict["verdict"] == "inconclusive"
    assert (run / "report.html").read_bytes().startswith(b"<!doctype html>")
    ET.fromstring((run / "junit.xml").read_bytes())  # noqa: S314 - our own file
    again = tmp_path / "again.json"
    environment = {"HOME": str(tmp_path), "LANG": "C", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-m", "stormproof", "judge", str(run), "--out", str(again)]
    done = subprocess.run(command, env=environment, capture_output=True, check=False, cwd=tmp_path)
    assert done.returncode == code
    assert again.read_bytes() == (run / "verdict.json").read_bytes()


def test_a_journey_that_imports_the_module_beside_it_runs(project: Project) -> None:
    """The worker finds in the record what the journey imports, not in the trial's folder."""
    (project.folder / "beside_small.py").write_text("FOUND = 200\n")
    trial = Path(project.trial)
    source = trial.read_text().replace("answer.status == 200", "answer.status == FOUND")
    trial.write_text(f"from beside_small import FOUND\n{source}")
    try:
        assert run_commands(project.certify()) in (0, 2)
    finally:
        sys.modules.pop("beside_small", None)
    run = project.run_directory()
    assert (run / "journeys" / "beside_small.py").read_text() == "FOUND = 200\n"
    verdict = json.loads((run / "verdict.json").read_bytes())
    assert verdict["generator"]["operations"] > 0


def test_an_unreachable_target_is_the_environments_and_says_so(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """A target that is not there ends in exit 69 with its address, and a sealed record."""
    order = project.certify()
    order[order.index("--target") + 1] = "http://127.0.0.1:1"
    code = run_commands(order)
    captured = capsys.readouterr()
    assert code == 69
    assert "http://127.0.0.1:1 cannot be reached" in captured.err
    assert (project.run_directory() / "seal.json").is_file()


def test_a_target_that_refuses_everything_is_not_passed(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """A target whose every answer is an error fails the objective on errors."""
    project.handler.item_status = 500
    code = run_commands(project.certify())
    verdict = json.loads((project.run_directory() / "verdict.json").read_bytes())
    failed = {one["name"]: one["status"] for one in verdict["objectives"]}
    assert code != 0
    assert failed["http_req_failed{scenario:visit}: rate<0.2"] != "pass"
    assert "http 500" in (project.run_directory() / "report.html").read_text(encoding="utf-8")


def test_bad_input_names_every_problem_and_leaves_nothing(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """A profile with three mistakes is refused with three lines, before anything is made."""
    project.change(
        lambda p: (
            p.update({"workers": 0}),
            p["thresholds"].update({"http_req_duration": ["p(95)<<3"]}),
            p["scenarios"]["visit"].update({"ratte": 3}),
        )
    )
    code = run_commands(project.certify())
    err = capsys.readouterr().err
    assert code == 64
    for part in ("workers", "p(95)<<3", "ratte"):
        assert part in err
    assert not (project.folder / "runs").exists()


def test_an_interruption_ends_in_130_with_a_sealed_record(project: Project) -> None:
    """Ctrl-C while the load runs stops the workers, seals and judges: exit 130, never PASS."""
    project.change(lambda p: p.update({"duration": "60s"}))
    command = [sys.executable, "-u", "-m", "stormproof", *project.certify()]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("phase load"):
                break
        os.kill(process.pid, 2)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    run = project.run_directory()
    assert (run / "seal.json").is_file()
    assert json.loads((run / "verdict.json").read_bytes())["verdict"] == "inconclusive"
    assert "INCONCLUSIVE" in out


def test_report_renders_a_stored_verdict_again(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """Report writes the page anew; without a verdict it says how to get one."""
    code = run_commands(project.certify())
    run = project.run_directory()
    (run / "report.html").unlink()
    assert run_commands(["report", str(run)]) == code
    assert (run / "report.html").is_file()
    (run / "verdict.json").unlink()
    capsys.readouterr()
    assert run_commands(["report", str(run)]) == 64
    assert f"stormproof judge {run}" in capsys.readouterr().err


def test_what_is_no_run_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Judge and report of a folder without a run are refused with a hint."""
    for command in ("judge", "report"):
        assert run_commands([command, str(tmp_path)]) == 64
    assert "is no run directory" in capsys.readouterr().err


def test_validate_says_what_a_plan_would_do(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """Validate prints the plan and runs nothing; a profile file finds its trial by name."""
    order = ["validate", project.trial, "--profile", str(project.profile)]
    assert run_commands([*order, "--target", project.target]) == 0
    assert "A small target answers" in capsys.readouterr().out
    assert run_commands(["validate", str(project.profile)]) == 64
    assert "trial 'small'" in capsys.readouterr().err
    assert run_commands(["validate", project.trial, "--profile", str(project.profile)]) == 64
    assert "has no stack (give --target URL or --stack FILE)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "profile",
    [b'{"seed": ' + b"9" * 5_000 + b"}", b'{"a":' * 100_000, b'{"trial": "\\ud800"}', b"\xff", b""],
)
def test_a_hostile_profile_is_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], profile: bytes
) -> None:
    """A profile that cannot be read ends in exit 64 with its path, never in our own fault."""
    path = tmp_path / "hostile.json"
    path.write_bytes(profile)
    assert run_commands(["validate", str(path)]) == 64
    assert str(path) in capsys.readouterr().err


def test_a_rehearsal_says_its_scale_only_when_it_has_one(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plan reduced by what it cannot decide does not call itself scaled."""
    project.change(
        lambda p: p["thresholds"].update({"http_req_failed{window:calm}": ["rate<0.00001"]})
    )
    order = ["validate", project.trial, "--profile", str(project.profile)]
    assert run_commands([*order, "--target", project.target]) == 0
    out = capsys.readouterr().out
    assert "rehearsal: it never counts as go-live" in out
    assert "not judged: http_req_failed{window:calm}: rate<1e-05" in out
