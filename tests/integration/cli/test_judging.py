"""Judging a stored record, by its own profile and by another one; nothing is run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.builders import LedgerWriter, healthy_record
from tests.integration.cli.recorded import demo_plan, write_run

from stormproof.cli.main import run_commands
from stormproof.model.plan import NotJudged

LATENCY = "http_req_duration{scenario:feed,window:calm}"
PROFILE: dict[str, Any] = {
    "trial": "demo",
    "duration": "40s",
    "scenarios": {},
    "thresholds": {LATENCY: ["p(95)<300"]},
}
WRITTEN = ("verdict.json", "report.html", "junit.xml")


@pytest.fixture
def judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, dict[str, Any]]]:
    """Judge a run by another profile; return the exit code, what was said, and the verdict."""

    def judge(run: Path, **changes: Any) -> tuple[int, str, dict[str, Any]]:
        profile, out = tmp_path / "other.json", tmp_path / "other-verdict.json"
        profile.write_text(json.dumps(PROFILE | changes))
        code = run_commands(["judge", str(run), "--profile", str(profile), "--out", str(out)])
        said = capsys.readouterr()
        verdict = json.loads(out.read_bytes()) if out.is_file() else {}
        return code, said.out + said.err, verdict

    return judge


def test_a_healthy_record_passes_and_all_three_files_are_written(tmp_path: Path) -> None:
    """Judge writes verdict, page and JUnit file, whatever stood in them before."""
    run = write_run(tmp_path / "run")
    for name in WRITTEN:
        (run / name).write_text("stale")
    assert run_commands(["judge", str(run)]) == 0
    assert all("stale" not in (run / name).read_text(encoding="utf-8") for name in WRITTEN)


def test_another_profile_that_is_met_passes_and_leaves_the_run_as_it_is(
    tmp_path: Path, judged: Callable[..., tuple[int, str, dict[str, Any]]]
) -> None:
    """The other profile's name and thresholds are in the verdict, with the trial's exact ones."""
    run = write_run(tmp_path / "run")
    code, said, verdict = judged(run)
    assert code == 0, said
    assert verdict["profile"] == "other"
    names = [one["name"] for one in verdict["objectives"]]
    assert f"{LATENCY}: p(95)<300" in names
    assert "delivery_lost: count==0" in names
    assert not any((run / name).exists() for name in WRITTEN)


def test_a_stricter_profile_fails_a_record_that_its_own_one_passes(
    tmp_path: Path, judged: Callable[..., tuple[int, str, dict[str, Any]]]
) -> None:
    """A bar that the recorded latencies are over is FAIL, with the bar named."""
    run = write_run(tmp_path / "run")
    assert run_commands(["judge", str(run)]) == 0
    code, said, verdict = judged(run, thresholds={LATENCY: ["p(95)<5"]})
    assert code == 1
    assert verdict["verdict"] == "fail"
    assert "p(95)<5" in said


def test_a_lost_message_fails_under_any_profile(
    tmp_path: Path, judged: Callable[..., tuple[int, str, dict[str, Any]]]
) -> None:
    """What the trial owns stays judged under a profile that does not speak of it."""
    writer = LedgerWriter()
    for user in range(2):
        writer.join(user, 1)
    key = writer.send(0, 1, 1, 1)
    writer.receive(0, 1, key, 1)
    run = write_run(tmp_path / "run", ledger=(writer.array,))
    code, _, verdict = judged(run)
    assert code == 1
    failed = [one["name"] for one in verdict["objectives"] if one["status"] == "fail"]
    assert "delivery_lost: count==0" in failed


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"thresholds": {"delivery_lost": ["count<=100"]}}, "which owns it"),
        ({"thresholds": {"fault_effective": ["rate>=0"]}}, "which owns it"),
        ({"trial": "another"}, "is for the trial 'another'"),
        ({"thresholds": {}}, "nothing could fail"),
        ({"thresholds": {LATENCY: ["p(95)<300", "p(95) < 300"]}}, "is there twice"),
        ({"thresholds": {"http_reqs{scenario:fed}": ["count>1"]}}, "did you mean 'feed'"),
        ({"thresholds": {"http_reqz": ["count>1"]}}, "did you mean 'http_reqs'"),
        ({"workers": 0}, "workers"),
    ],
)
def test_a_profile_that_cannot_judge_the_record_is_refused(
    tmp_path: Path,
    judged: Callable[..., tuple[int, str, dict[str, Any]]],
    changes: dict[str, Any],
    problem: str,
) -> None:
    """A profile that softens, is for another trial or asks nothing is bad input, never a PASS."""
    aside = NotJudged(objective="fault_effective: rate==1", why="the plan has no fault")
    run = write_run(tmp_path / "run", healthy_record(demo_plan(not_judged=(aside,))))
    code, said, verdict = judged(run, **changes)
    assert code == 64
    assert problem in said
    assert verdict == {}


def test_evidence_that_is_missing_is_inconclusive_under_another_profile(
    tmp_path: Path, judged: Callable[..., tuple[int, str, dict[str, Any]]]
) -> None:
    """A bar that no record of this length can decide is judged, and is no PASS."""
    run = write_run(tmp_path / "run")
    code, _, verdict = judged(
        run, thresholds={"http_req_failed{scenario:feed,window:calm}": ["rate<0.00001"]}
    )
    assert code == 2
    assert verdict["not_judged"] == []


def test_what_the_trial_owns_and_the_plan_set_aside_stays_aside(
    tmp_path: Path, judged: Callable[..., tuple[int, str, dict[str, Any]]]
) -> None:
    """An exact objective that had no evidence by plan is listed, a floor of the trial on any metric
    among them; the old profile's bars are not."""
    low = "a reduced run is not meant to reach 9"
    aside = (
        NotJudged(objective="fault_effective: rate==1", why="the plan has no fault"),
        NotJudged(objective="http_reqs: count>=9", why=low),
        NotJudged(objective="iterations: count>=9", why=low, exact=True),
    )
    run = write_run(tmp_path / "run", healthy_record(demo_plan(not_judged=aside)))
    _, _, verdict = judged(run)
    assert [one["objective"] for one in verdict["not_judged"]] == [
        "fault_effective: rate==1",
        "iterations: count>=9",
    ]
    code, said, _ = judged(run, thresholds={"iterations": ["count>=1"]})
    assert (code, "which owns it" in said) == (64, True)


def test_a_verdict_that_cannot_be_written_is_the_environments(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An --out in a folder that is not there ends in exit 69 with the path."""
    run = write_run(tmp_path / "run")
    out = tmp_path / "nowhere" / "v.json"
    assert run_commands(["judge", str(run), "--out", str(out)]) == 69
    assert f"{out} cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("damage", [b'{"verdict": 3}', b'{"headline": "\xff"}'])
def test_a_stored_verdict_that_is_none_is_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: bytes
) -> None:
    """Report of a damaged verdict says that judging makes a new one."""
    run = write_run(tmp_path / "run")
    (run / "verdict.json").write_bytes(damage)
    assert run_commands(["report", str(run)]) == 64
    said = capsys.readouterr().err
    assert "is no verdict" in said
    assert f"stormproof judge {run}" in said


def test_the_verdict_of_another_run_is_not_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A PASS that was copied from elsewhere says nothing about this run."""
    run = write_run(tmp_path / "run")
    assert run_commands(["judge", str(run)]) == 0
    verdict = json.loads((run / "verdict.json").read_bytes())
    (run / "verdict.json").write_text(json.dumps({**verdict, "run": "another"}))
    assert run_commands(["report", str(run)]) == 64
    assert "verdict.json: is of the run another" in capsys.readouterr().err
