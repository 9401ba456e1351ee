"""abortOnFail on a real run: real workers, a real target, a record that is judged again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.integration.cli.conftest import Project

from stormproof.cli.main import run_commands
from stormproof.model.event import ControlEvent, DecisionEvent, EndEvent
from stormproof.rules import abort, validity
from stormproof.store.directory import RunDirectory
from stormproof.store.reader import load_record

RULE = {"threshold": "rate<0.2", "abortOnFail": True, "delayAbortEval": "1s"}


def _with_abort(profile: dict[str, Any]) -> None:
    profile["duration"] = "60s"
    profile["workers"] = 2
    profile["gate"] = {}
    profile["thresholds"]["http_req_failed{scenario:visit}"] = [RULE]


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the machine for quiet: whether it is one is not what is tested here."""
    for module in (abort, validity):
        monkeypatch.setattr(module, "causes_in", lambda _frames, _workers: set())


@pytest.mark.usefixtures("quiet")
def test_a_failing_target_ends_a_long_run_early(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run planned for a minute ends within seconds, fails on what it saw, and judges the same."""
    project.change(_with_abort)
    project.handler.item_status = 500
    assert run_commands(project.certify()) == 1
    folder = project.run_directory()
    record = load_record(RunDirectory.open(folder))
    (decision,) = [e for e in record.events if isinstance(e, DecisionEvent)]
    assert (decision.action, decision.status, decision.bar) == ("abort", "fail", 0.2)
    assert decision.to_second < 30
    assert [e.how for e in record.events if isinstance(e, EndEvent)] == ["stopped"]
    assert [e.kind for e in record.events if isinstance(e, ControlEvent)] == ["stop"]
    verdict = json.loads((folder / "verdict.json").read_bytes())
    status = {one["name"]: one["status"] for one in verdict["objectives"]}
    assert status["http_req_failed{scenario:visit}: rate<0.2"] == "fail"
    assert status["http_req_duration{scenario:visit}: p(90)<5000"] == "inconclusive"
    before = (folder / "verdict.json").read_bytes()
    assert run_commands(["judge", str(folder)]) == 1
    assert (folder / "verdict.json").read_bytes() == before
    assert "aborting" in capsys.readouterr().err
