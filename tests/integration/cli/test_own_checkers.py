"""A file's own checkers, as docs/histories.md shows them, and what bad ones cannot do."""

from __future__ import annotations

import json
import os
import py_compile
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.integration.cli.conftest import Handler, Project
from tests.integration.cli.own_runs import WELL, checker_run, judge_trusting

from stormproof.cli import own_checking
from stormproof.cli.main import run_commands

PAGE = Path(__file__).parents[3] / "docs" / "histories.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
EXAMPLE = next(one for one in BLOCKS if "@checker" in one)
BARS = {"http_req_failed": ["rate<0.2"]}
ITS_TEST = next(one for one in BLOCKS if "ask_checker" in one)


def _serve(handler: type[Handler], *, loses: int) -> None:
    """Have a handler keep orders; the payment with the number `loses` is acknowledged and lost."""
    states: dict[int, str] = {}
    lock = threading.Lock()

    def respond(self: Handler) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with lock:
            value: dict[str, Any] = {"ok": True}
            match [self.command, *self.path.strip("/").split("/")]:
                case ["POST", "orders"]:
                    states[len(states) + 1] = "placed"
                    value = {"id": len(states)}
                case ["POST", "orders", number, "payment"] if int(number) != loses:
                    states[int(number)] = "paid"
                case ["GET", "orders", number]:
                    value = {"state": states[int(number)]}
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    handler.do_GET = respond  # type: ignore[method-assign]
    handler.do_POST = respond  # type: ignore[attr-defined]


def _certify(project: Project, *, loses: int = 0) -> tuple[int, dict[str, Any]]:
    _serve(project.handler, loses=loses)
    order = {"executor": "constant-arrival-rate", "rate": 20, "preAllocatedVUs": 5}
    project.change(
        lambda profile: profile.update(
            trial="orders", workers=2, gate={}, thresholds=BARS, scenarios={"order": order}
        )
    )
    path = project.folder / "orders.py"
    path.write_text(EXAMPLE)
    command = [str(path) if one == project.trial else one for one in project.certify()]
    code = run_commands(command)
    return code, json.loads((project.run_directory() / "verdict.json").read_bytes())


def test_the_example_finds_a_payment_that_was_lost(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """One lost payment fails the run with its operations, and judging again gives the same bytes.

    Without trust nobody's code runs: undecided, and the run's verdict stays. It is explained by the
    checker's name.
    """
    code, verdict = _certify(project, loses=11)
    assert code == 1
    (finding,) = verdict["findings"]
    assert finding["kind"] == "own-breach"
    assert finding["title"] == "payments_last: order:11 was paid and is not"
    assert "write order:11 paid, " in finding["witnesses"][0]["what"]
    assert "read order:11 placed, " in finding["witnesses"][0]["what"]
    (judged,) = [one for one in verdict["objectives"] if one["name"].startswith("payments")]
    assert (judged["name"], judged["status"]) == ("payments_lost: count==0", "fail")
    assert (judged["value"], judged["exact"]) == (1, True)
    run = project.run_directory()
    written = (run / "verdict.json").read_bytes()
    assert f"stormproof judge --trust-checkers {run}" in capsys.readouterr().out
    for _ in range(2):
        assert run_commands(["judge", "--trust-checkers", str(run)]) == 1
        assert (run / "verdict.json").read_bytes() == written
    capsys.readouterr()
    assert run_commands(["judge", str(run)]) == 2
    said = capsys.readouterr()
    assert "the checkers of the trial's file were not run" in said.out
    assert "verdict.json stays as it is" in said.err
    assert (run / "verdict.json").read_bytes() == written
    assert run_commands(["explain", "--trust-checkers", str(run), "payments_last"]) == 0
    told = capsys.readouterr().out
    assert "reads order:11 as placed" in told
    assert run_commands(["explain", str(run), "order:12"]) == 0
    assert "sets order:12 to paid" in capsys.readouterr().out


def test_the_example_accuses_nobody_who_keeps_payments(project: Project) -> None:
    """Every payment lasts: no finding, and the objective of the checker passes.

    The share of failed requests is of a time that a busy host may spoil.
    """
    code, verdict = _certify(project)
    assert verdict["findings"] == [], verdict["headline"]
    status = {one["name"]: one["status"] for one in verdict["objectives"]}
    assert status["payments_lost: count==0"] == "pass"
    assert code != 1, verdict["headline"]


def test_the_test_of_the_example_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page shows as a test of a checker passes."""
    (tmp_path / "orders.py").write_text(EXAMPLE)
    monkeypatch.syspath_prepend(str(tmp_path))
    scope: dict[str, Any] = {}
    exec(compile(ITS_TEST, "page", "exec"), scope)  # noqa: S102 - our own page
    scope["test_a_lost_payment_is_found"]()


def test_two_checkers_that_are_well_pass(tmp_path: Path) -> None:
    """What one prints is no part of its answer, nor is a file that a journey wrote any code."""
    run = checker_run(tmp_path, f'print("hello"); {WELL}')
    (run / "journeys" / "written.txt").write_text("by a journey")
    code, judged, verdict = judge_trusting(run)
    assert code == 0, verdict["headline"]
    assert (judged["odd"]["status"], judged["even"]["status"]) == ("pass", "pass")


def test_what_a_checker_imports_is_the_records_source(tmp_path: Path) -> None:
    """A module of the record is found when the checker runs; a compiled file in its place is not
    read, for nothing vouches for it."""
    right, wrong = "ODD = 0\n", "ODD = 1\n"
    body = 'import shared; return Checked(looked_at=1, measured={"odd": shared.ODD})'
    run = checker_run(tmp_path, body, shared=right)
    module = run / "journeys" / "shared.py"
    written = module.stat()
    module.write_text(wrong)
    os.utime(module, ns=(written.st_atime_ns, written.st_mtime_ns))
    compiled = Path(py_compile.compile(str(module)) or "")
    module.write_text(right)
    os.utime(module, ns=(written.st_atime_ns, written.st_mtime_ns))
    before = compiled.read_bytes()
    code, judged, verdict = judge_trusting(run)
    assert (judged["odd"]["value"], code) == (0, 0), verdict["headline"]
    assert [one.name for one in compiled.parent.iterdir()] == [compiled.name]
    assert compiled.read_bytes() == before


def test_another_profile_asks_for_what_a_checker_measures(tmp_path: Path) -> None:
    """Its bars are held against the answer, where the code is trusted, and undecided elsewhere."""
    run, profile, out = (
        checker_run(tmp_path, WELL),
        tmp_path / "other.json",
        tmp_path / "verdict.json",
    )
    bars = {"even": ["count>=1"]}
    numbers = {"trial": "demo", "duration": "40s", "scenarios": {}, "thresholds": bars}
    profile.write_text(json.dumps(numbers))
    command = ["judge", str(run), "--profile", str(profile), "--out", str(out)]
    answers = {}
    for trust in ([], ["--trust-checkers"]):
        run_commands([*command, *trust])
        verdict = json.loads(out.read_bytes())
        answers[bool(trust)] = {one["name"]: one["status"] for one in verdict["objectives"]}
    assert answers[False]["even: count>=1"] == "inconclusive"
    assert answers[True]["even: count>=1"] == "fail"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ('raise KeyError("order")', "it raised KeyError: 'order' (demo.py:8)"),
        ("sys.exit(0)", "it raised SystemExit: 0"),
        ("os._exit(0)", "it ended its process without an answer"),
        ("os.kill(os.getpid(), 9)", "it ended its process (code -9) without an answer"),
        ("return odd", "and not a Checked"),
        ("history.columns['user'][:] = 7", "it raised ValueError"),
        ('raise ValueError("\\ud800")', "it raised ValueError: ? (demo.py:8)"),
        (
            "class Odd(Exception): __str__ = None\n    raise Odd",
            "it raised Odd: its text cannot be had: TypeError",
        ),
        ('return Checked(looked_at=1, measured={"odd": 0}, advice=["\\ud800"])', "advice="),
        ("os.write(9, b'{}') if False else print('{}'); return {}", "and not a Checked"),
    ],
)
def test_a_checker_that_fails_is_undecided_and_leaves_the_other_one_alone(
    tmp_path: Path, body: str, why: str
) -> None:
    """Whatever it does to its process, the verdict says why, and the other checker passes."""
    code, judged, verdict = judge_trusting(checker_run(tmp_path, body))
    assert code == 2
    assert judged["odd"]["status"] == "inconclusive"
    assert why in judged["odd"]["why"]
    assert judged["odd"]["remedy"]
    assert judged["even"]["status"] == "pass"
    assert [one["kind"] for one in verdict["findings"]] == ["own-failed"]


def test_what_a_checker_spoils_it_spoils_for_itself(tmp_path: Path) -> None:
    """What it forces open, and what it changes in modules, is as it was to the next one."""
    body = (
        "import stormproof.checks.own_checkers as ours; ours._lacking = None;"
        f" object.__setattr__(history, 'rows', None); {WELL}"
    )
    code, judged, verdict = judge_trusting(checker_run(tmp_path, body))
    assert judged["even"]["status"] == "pass"
    assert judged["even"]["evidence"]["samples"] == 2
    assert code == 0, verdict["headline"]


def test_a_checker_sees_no_secrets_of_whoever_judges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables of the environment, and modules of the folder it is judged in, are not there."""
    monkeypatch.setenv("SHOP_PASSWORD", "hunter2-hunter2")
    (tmp_path / "beside.py").write_text("ODD = 1\n")
    monkeypatch.chdir(tmp_path)
    body = (
        "import importlib.util; found = importlib.util.find_spec('beside') is not None;"
        ' return Checked(looked_at=1, measured={"odd": found + ("SHOP_PASSWORD" in os.environ)})'
    )
    code, judged, verdict = judge_trusting(checker_run(tmp_path, body))
    assert (judged["odd"]["value"], code) == (0, 0), verdict["headline"]


def test_a_checker_that_never_ends_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While it takes its time whoever waits is told until when; then it is undecided."""
    monkeypatch.setattr(own_checking, "OWN_CHECKER_S_MAX", 0.2)
    monkeypatch.setattr(own_checking, "TOLD_EVERY_S", 0.05)
    code, judged, _ = judge_trusting(checker_run(tmp_path, "while True: pass"))
    assert code == 2
    assert "took more than 0.2 s" in judged["odd"]["why"]
    assert "checkerTimeout" in judged["odd"]["remedy"]
    assert "has been checking for 0 s; it may for 0.2 s" in capsys.readouterr().err


def test_ctrl_c_ends_the_judge_and_the_checker(tmp_path: Path) -> None:
    """An endless checker and what it started are gone, with whoever asked it; no verdict is
    written."""
    trace = tmp_path / "trace"
    child = "__import__('subprocess').Popen(['sleep', '600']).pid"
    pids = f"str(os.getpid()) + ' ' + str({child}) + '.'"
    told = f"open({str(trace)!r}, 'w').write({pids})"
    run = checker_run(tmp_path, f"{told}\n    while True: pass")
    command = [sys.executable, "-m", "stormproof", "judge", "--trust-checkers", str(run)]
    judging = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait_until(lambda: trace.exists() and trace.read_text().endswith("."))
        judging.send_signal(signal.SIGINT)
        assert judging.wait(30) == 130
    finally:
        judging.kill()
        judging.wait()
    ended = trace.read_text().rstrip(".").split()
    assert len(ended) == 2
    _wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in ended))
    assert not (run / "verdict.json").exists()


def _wait_until(holds: Callable[[], bool], deadline_s: float = 30.0) -> None:
    until = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < until, "it did not come about in time"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("demo.py", "journeys/demo.py is not what the plan names"),
        ("json.py", "journeys/json.py is not named by the plan"),
        ("helper/__init__.py", "journeys/helper/__init__.py is not named by the plan"),
        ("numpy.so", "journeys/numpy.so is not named by the plan"),
    ],
)
def test_code_that_the_plan_does_not_name_is_not_run(tmp_path: Path, file: str, what: str) -> None:
    """A changed copy and a module laid beside it run nothing; both checkers are undecided."""
    run, trace = checker_run(tmp_path, WELL), tmp_path / "trace"
    path = run / "journeys" / file
    path.parent.mkdir(exist_ok=True)
    before = path.read_text() if path.exists() else ""
    path.write_text(f"open({str(trace)!r}, 'w').close()\n{before}")
    code, judged, _ = judge_trusting(run)
    assert code == 2
    assert not trace.exists()
    assert {judged[name]["status"] for name in ("odd", "even")} == {"inconclusive"}
    assert what in judged["even"]["why"]


def test_without_trust_nothing_of_a_record_is_run(tmp_path: Path) -> None:
    """Neither judging nor explaining imports the file; the objectives say why."""
    trace = tmp_path / "trace"
    run = checker_run(tmp_path, f"open({str(trace)!r}, 'w').close(); {WELL}")
    assert run_commands(["judge", str(run)]) == 2
    verdict = json.loads((run / "verdict.json").read_bytes())
    assert run_commands(["explain", str(run), "odd: count==0"]) == 0
    assert not trace.exists()
    told = {
        one["name"]: one["why"] for one in verdict["objectives"] if one["name"].startswith("odd")
    }
    assert "were not run" in told["odd: count==0"]
    assert run_commands(["judge", "--trust-checkers", str(run)]) == 0
    assert trace.exists()


def test_a_metric_that_is_taken_is_told_before_anything_runs(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of ours, one of another checker and a misspelt objective are bad input, all at once."""
    path = project.folder / "small.py"
    path.write_text(
        path.read_text()
        + "\nfrom stormproof import checker\n"
        + "".join(
            f'\n@checker(metrics=({name!r},), needs=("write",))\ndef {function}(history): ...\n'
            for function, name in (("one", "set_lost"), ("two", "mine"), ("three", "mine"))
        )
    )
    project.change(lambda profile: profile["thresholds"].update({"mien": ["count==0"]}))
    assert run_commands(project.certify()) == 64
    said = capsys.readouterr().err
    assert "metric 'set_lost': is a metric of stormproof's own" in said
    assert "metric 'mine': is declared twice" in said
    assert "there is no metric 'mien': did you mean 'mine'?" in said
