"""`stormproof log`: one line a run and one a fault, with how each ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stormproof.cli.auditing import enter_healed
from stormproof.cli.main import run_commands
from stormproof.faults.audit_log import AuditLog, default_audit_path
from stormproof.model.audit import AuditEntry


@pytest.fixture
def entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Enter a run of two faults, one of which nobody undid."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    log = AuditLog(default_audit_path({"XDG_STATE_HOME": str(tmp_path)}))

    def enter(what: str, second: int, **more: str) -> None:
        at = f"2026-01-01T00:00:{second:02}.000Z"
        entry = AuditEntry(at=at, what=what, who="me@here", run="r1", run_dir="/runs/r1", **more)
        log.append(entry)

    cut = {"fault": "cut", "kind": "link-partition", "part": "cache-link", "target": "stack"}
    enter("run-began", 1, target="stack", why="because")
    enter("fault-intent", 2, **cut)
    enter("fault-intent", 3, fault="slow", kind="link-latency", part="wire")
    enter("fault-injected", 4, **cut)
    enter("fault-undone", 5, **cut)
    enter("run-ended", 6, detail="completed, pass")


@pytest.mark.usefixtures("entries")
def test_each_run_and_fault_is_told_with_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    """Who, what, where, why, when, and when it was undone, or what to do."""
    assert run_commands(["log"]) == 0
    run, cut, slow = capsys.readouterr().out.splitlines()
    assert "me@here  run r1 of stack (because); ended 2026-01-01T00:00:06.000Z" in run
    assert "cut: link-partition of cache-link, stack, run r1" in cut
    assert cut.endswith("undone 2026-01-01T00:00:05.000Z")
    assert slow.endswith("NOT UNDONE as far as is known: stormproof heal /runs/r1")


@pytest.mark.usefixtures("entries")
def test_what_heal_undid_is_told_as_undone(capsys: pytest.CaptureFixture[str]) -> None:
    """The fault of a dead run is undone once it is healed."""
    enter_healed([("r1", "/runs/r1", "slow")])
    assert run_commands(["log", "--faults", "--last", "1"]) == 0
    (slow,) = capsys.readouterr().out.splitlines()
    assert "; undone " in slow


@pytest.mark.usefixtures("entries")
def test_the_entries_can_be_had_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Each a line of JSON, the newest last."""
    assert run_commands(["log", "--json", "--last", "2"]) == 0
    told = [json.loads(line)["what"] for line in capsys.readouterr().out.splitlines()]
    assert told == ["fault-undone", "run-ended"]
