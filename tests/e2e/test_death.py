"""Whatever dies, what was broken is undone, what was started ends, and the record says so."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import psutil
import pytest
from tests.e2e.conftest import Run, wait_until

BITES = "fault cache-cut seen to bite"


def verdict_of(run: Run) -> dict[str, object]:
    run.command("judge", str(run.directory()))
    value: dict[str, object] = json.loads((run.directory() / "verdict.json").read_bytes())
    return value


def orphaned_shared_memory() -> set[str]:
    """Return the System V segments whose maker is gone; other runs may come and go meanwhile."""
    lines = Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()
    rows = [line.split() for line in lines[1:]]
    return {row[1] for row in rows if not psutil.pid_exists(int(row[4]))}


def test_the_keeper_undoes_and_stops_when_the_controller_is_killed(run: Run) -> None:
    """Kill -9 of the controller during a cut: the keeper undoes it, ends all, marks the record."""
    before = orphaned_shared_memory()
    run.start()
    run.wait_for(BITES)
    assert run.process is not None
    run.process.send_signal(signal.SIGKILL)
    run.process.wait()
    run.assert_nothing_left()
    verdict = verdict_of(run)
    assert verdict["verdict"] == "inconclusive"
    journal = (run.directory() / "undo.jsonl").read_text()
    assert "cache-cut" in journal
    assert orphaned_shared_memory() <= before
    assert "nothing" in run.command("heal").stdout.lower()


def test_heal_undoes_when_controller_and_keeper_are_killed(run: Run) -> None:
    """Kill -9 of both: heal ends all processes, removes memory and folders, marks the record."""
    before = orphaned_shared_memory()
    run.start()
    run.wait_for(BITES)
    assert run.process is not None
    keeper = run.keeper_pid()
    os.kill(keeper, signal.SIGKILL)
    run.process.send_signal(signal.SIGKILL)
    run.process.wait()
    healed = run.command("heal")
    assert healed.returncode == 0, healed.stderr
    run.assert_nothing_left()
    assert orphaned_shared_memory() <= before
    assert (run.directory() / "record" / "heal.seg").is_file()
    assert verdict_of(run)["verdict"] == "inconclusive"
    again = run.command("heal")
    assert "nothing" in again.stdout.lower()


def test_a_killed_worker_is_noticed_and_never_a_pass(run: Run) -> None:
    """Kill -9 of a worker ends the run at once, sealed, and the verdict is not PASS."""
    run.start()
    run.wait_for("phase load")
    worker = next(one for one in run.ours() if "_worker" in one.cmdline())
    worker.send_signal(signal.SIGKILL)
    code = run.wait()
    assert code in (1, 2, 69)
    assert json.loads((run.directory() / "verdict.json").read_bytes())["verdict"] != "pass"
    run.assert_nothing_left()


def test_a_killed_keeper_is_noticed_and_never_a_pass(run: Run) -> None:
    """Kill -9 of the keeper ends the run; heal or the death signal leaves nothing behind."""
    run.start()
    run.wait_for("phase load")
    os.kill(run.keeper_pid(), signal.SIGKILL)
    code = run.wait()
    assert code == 69
    assert json.loads((run.directory() / "verdict.json").read_bytes())["verdict"] != "pass"
    run.command("heal")
    run.assert_nothing_left()


@pytest.mark.parametrize("moment", ["phase start-stack", "phase prepare", "phase warmup", BITES])
def test_ctrl_c_at_any_moment_undoes_seals_and_leaves_nothing(run: Run, moment: str) -> None:
    """An interruption at any phase ends in 130 with a sealed record and nothing left."""
    run.start()
    run.wait_for(moment)
    assert run.process is not None
    run.process.send_signal(signal.SIGINT)
    assert run.wait() == 130
    assert (run.directory() / "seal.json").is_file()
    run.assert_nothing_left()


def test_two_runs_at_once_do_not_disturb_each_other(run: Run) -> None:
    """A second run of the same user starts beside the first, and both end with nothing left."""
    run.start()
    run.wait_for("phase prepare")
    (run.folder / "other").mkdir()
    other = Run(run.folder / "other")
    other.environment["TMPDIR"] = str(run.temporary)
    other.start()
    other.wait_for("phase prepare")  # both stacks are up; the first run must not be over by then
    for one in (run, other):
        assert one.process is not None
        one.process.send_signal(signal.SIGINT)
        assert one.wait() == 130
    wait_until(lambda: not run.ours(), "all processes ended")
    run.assert_nothing_left()


def test_a_record_cut_off_by_kill_9_still_proves_a_loss(run: Run) -> None:
    """A run against a target that loses messages, killed with its keeper, is FAIL by the loss."""
    run.environment["SANCTUM_DEFECTS"] = "lose_message"
    run.start()
    run.wait_for("[0:25]")
    keeper = run.keeper_pid()
    assert run.process is not None
    for pid in (keeper, run.process.pid):
        os.kill(pid, signal.SIGKILL)
    run.process.wait()
    run.command("heal")
    judged = run.command("judge", str(run.directory()))
    assert judged.returncode == 1, judged.stdout
    verdict = json.loads((run.directory() / "verdict.json").read_bytes())
    assert verdict["verdict"] == "fail"
    assert verdict["findings"][0]["kind"] == "lost"
    run.assert_nothing_left()
