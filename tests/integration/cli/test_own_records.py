"""What a record may not do with whoever trusts its checkers, and what its verdict may not hold."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.integration.cli.own_runs import WELL, checker_run, judge_trusting


@pytest.mark.parametrize("is_link", [False, True])
def test_code_outside_of_a_record_is_not_run(tmp_path: Path, is_link: bool) -> None:
    """What a plan names elsewhere, or a link leads to, is not what was read and trusted."""
    trace, elsewhere = tmp_path / "trace", tmp_path / "elsewhere.py"
    top = f"open({str(trace)!r}, 'w').close()\n"
    run = checker_run(tmp_path, WELL, top=top, file="demo.py" if is_link else str(elsewhere))
    file = run / "journeys" / "demo.py"
    shutil.copy(file, elsewhere)
    if is_link:
        file.unlink()
        file.symlink_to(elsewhere)
    code, judged, verdict = judge_trusting(run)
    assert not trace.exists()
    assert (code, judged["even"]["status"]) == (2, "inconclusive"), verdict["headline"]
    assert "is not in journeys/" in judged["even"]["why"]


def test_a_folder_that_is_a_link_among_the_code_keeps_it_from_being_run(tmp_path: Path) -> None:
    """It may hold a module that stands in for one that the checkers import."""
    run, elsewhere = checker_run(tmp_path, WELL), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (run / "journeys" / "numpy").symlink_to(elsewhere)
    code, judged, _ = judge_trusting(run)
    assert code == 2
    assert "journeys/numpy is not named by the plan" in judged["even"]["why"]


@pytest.mark.parametrize(
    ("top", "body"),
    [
        ("", "raise FileNotFoundError(__file__)"),
        ("", "raise ValueError(object())"),
        ("", "return object()"),
        ("import os; os.environ['NOBODY_SET_THIS']\n", WELL),
        ("this is no Python\n", WELL),
    ],
)
def test_a_checker_that_fails_fails_alike_wherever_its_record_lies(
    tmp_path: Path, top: str, body: str
) -> None:
    """Neither the run's directory nor places in memory are in the verdict, so its bytes last."""
    run = checker_run(tmp_path, body, top=top)
    _, judged, first = judge_trusting(run)
    assert judged["odd"]["status"] == "inconclusive"
    assert str(tmp_path) not in json.dumps(first)
    assert " at 0x" not in json.dumps(first)
    moved = tmp_path / "moved"
    run.rename(moved)
    assert judge_trusting(moved)[2] == first


def test_a_file_that_needs_the_environment_says_what_to_do(tmp_path: Path) -> None:
    """A checker's process has no variables, so what reads one on import cannot be loaded."""
    run = checker_run(tmp_path, WELL, top="import os; os.environ['NOBODY_SET_THIS']\n")
    _, judged, _ = judge_trusting(run)
    assert "journeys/demo.py:1: fails to import: KeyError" in judged["odd"]["why"]
    assert "variables of the environment in journeys and not on import" in judged["odd"]["remedy"]
