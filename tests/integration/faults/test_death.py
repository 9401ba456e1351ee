"""What becomes of a stack when its controller, or its keeper too, is killed; and healing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.integration.faults.controller_entry import Order
from tests.integration.faults.dead_runs import (
    controlled,
    enter_dead_run,
    heal_all,
    kill_both,
    open_run,
)
from tests.integration.faults.small_stack import CUT, HERE, SmallStack, accepts, record_at, until

from stormproof.faults import heal as heal_module
from stormproof.faults.heal import HealReport, heal
from stormproof.faults.index import OpenRuns
from stormproof.faults.journal import (
    JOURNAL_NAME,
    FolderIntended,
    PartStarted,
    leftovers,
)
from stormproof.faults.processes import (
    ProcessId,
    identify,
    identify_self,
    is_alive,
    send_signal,
)
from stormproof.kernel.clock import boot_id
from stormproof.kernel.errors import BadInput
from stormproof.model.event import EndEvent, FaultEvent, FaultStep
from stormproof.model.part import Task

CLEANUP_DEADLINE_S = 10.0  # the bar is two seconds; nobody fails here for a busy machine
NOTHING = HealReport(lines=("nothing to do: no run was left open",), is_clean=True)


def test_keeper_undoes_and_stops_when_the_controller_is_killed(small: SmallStack) -> None:
    """After kill -9 of the controller with a fault in force the keeper undoes it, stops
    everything and writes how the run ended."""
    (small.run_dir / ".reserve").write_bytes(bytes(1024))
    with controlled(small, CUT) as controller:
        keeper = open_run(small).keeper
        controller.kill()
        controller.wait()
        until(lambda: not is_alive(keeper), within_s=CLEANUP_DEADLINE_S)
    assert small.is_gone()
    segment = small.keeper_segment()
    assert segment.problem == ""
    end = segment.events[-1]
    assert isinstance(end, EndEvent)
    assert end.how == "controller-died"
    after = [one for one in segment.events if isinstance(one, FaultEvent) and one.after_death]
    # No traffic came that it could have held back, which is known when it is undone.
    unseen, *undone = [one.step for one in after]
    assert unseen is FaultStep.NOT_WITNESSED
    assert undone == [FaultStep.UNDOING, FaultStep.UNDONE, FaultStep.CLEAN]
    assert not (small.run_dir / ".reserve").exists()
    assert heal_all(small) == NOTHING


def test_controller_killed_during_the_start_leaves_nothing(small: SmallStack) -> None:
    """A controller that is killed while a step still runs leaves no more than one killed later."""
    pause = [sys.executable, "-I", "-S", "-c", "import signal; signal.pause()"]
    small.extra_steps.append(Task(name="long", argv=pause, cwd=str(small.root)))
    order = Order(
        keeper_argv=small.keeper_argv,
        plan=small.plan,
        faults=[],
        index_dir=str(small.index_dir),
    )
    argv = [sys.executable, str(HERE / "controller_entry.py")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as controller:
        assert controller.stdin is not None
        controller.stdin.write(msgspec.json.encode(order))
        controller.stdin.close()
        journal = small.run_dir / JOURNAL_NAME
        until(lambda: journal.exists() and b'"long"' in journal.read_bytes())
        keeper = open_run(small).keeper
        controller.kill()
        controller.wait()
    until(lambda: not is_alive(keeper), within_s=CLEANUP_DEADLINE_S)
    assert small.is_gone()


def test_heal_leaves_a_living_run_alone(small: SmallStack) -> None:
    """Healing a run that is under way touches nothing and says that it is running."""
    with controlled(small) as controller:
        report = heal_all(small)
        assert report.is_clean
        assert f"is running (process {controller.pid})" in report.lines[0]
        assert accepts(small.ports["wire"])
        keeper = open_run(small).keeper
    until(lambda: not is_alive(keeper))


def test_heal_after_both_were_killed(small: SmallStack) -> None:
    """After kill -9 of keeper and controller healing removes all that is left, marks the record,
    and has nothing to do a second time."""
    with controlled(small, CUT) as controller:
        kill_both(small, controller)
    assert small.private_dir.exists()
    report = heal_all(small)
    assert report.is_clean
    assert small.is_gone()
    segment = small.segment("heal.seg")
    assert segment.problem == ""
    undone, end = segment.events
    assert isinstance(undone, FaultEvent)
    assert (undone.fault, undone.step, undone.after_death) == ("cut", FaultStep.UNDONE, True)
    assert isinstance(end, EndEvent)
    assert end.how == "healed"
    assert report.ended == (small.run_dir,)
    assert heal_all(small) == NOTHING
    again = heal(small.index_dir, small.run_dir, record_at)
    assert (again.lines, again.is_clean) == (NOTHING.lines, True)


def test_heal_finds_a_run_by_its_directory_alone(small: SmallStack) -> None:
    """A run whose index entry is lost is healed when its directory is named."""
    with controlled(small) as controller:
        kill_both(small, controller)
    OpenRuns(small.index_dir).remove(small.run_id)
    assert heal_all(small) == NOTHING
    assert small.private_dir.exists()
    assert heal(small.index_dir, small.run_dir, record_at).is_clean
    assert not small.private_dir.exists()


def test_heal_ends_what_outlived_the_death_of_its_parent(small: SmallStack) -> None:
    """A process that a part forked gets no death signal; healing finds it by the run's mark."""
    orphan = small.root / "orphan"
    script = (
        "import os, signal\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        f"    open({str(orphan)!r}, 'w').write(str(os.getpid()))\n"
        "    signal.pause()\n"
    )
    argv = [sys.executable, "-I", "-S", "-c", script]
    small.extra_steps.append(Task(name="leave", argv=argv, cwd=str(small.root)))
    with controlled(small) as controller:
        until(lambda: orphan.exists() and orphan.read_text() != "")
        kill_both(small, controller)
    left = identify(int(orphan.read_text()))
    assert left is not None
    report = heal_all(small)
    assert report.is_clean
    assert not is_alive(left)
    assert any(f"process {left.pid}" in line for line in report.lines)


def test_heal_waits_for_a_keeper_that_is_cleaning_up(
    small: SmallStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the controller dead and the keeper alive healing waits for the keeper, and says so
    when that does not end."""
    monkeypatch.setattr(heal_module, "KEEPER_PATIENCE_NS", 100_000_000)
    with controlled(small) as controller:
        keeper = open_run(small).keeper
        send_signal(keeper, signal.SIGSTOP)
        controller.kill()
        controller.wait()
        report = heal_all(small)
        assert not report.is_clean
        assert "has not ended yet" in report.lines[-1]
        assert accepts(small.ports["server"])
        send_signal(keeper, signal.SIGCONT)
        monkeypatch.undo()
        assert heal_all(small).is_clean
    assert small.is_gone()


def test_heal_spares_a_process_that_took_over_a_pid(
    small: SmallStack, sleeper: subprocess.Popen[bytes]
) -> None:
    """A process with the pid of a part but another start time is not the part, and not killed."""
    other = identify(sleeper.pid)
    assert other is not None
    journal = enter_dead_run(small, boot=boot_id())
    stale = ProcessId(pid=other.pid, start_ticks=other.start_ticks - 1)
    journal.append(PartStarted(part="server", process=stale, uid=os.geteuid(), wall_ns=0))
    journal.close()
    assert heal_all(small).is_clean
    assert sleeper.poll() is None


def test_heal_kills_what_a_journal_names(
    small: SmallStack, sleeper: subprocess.Popen[bytes]
) -> None:
    """A part that still runs, by pid and start time, is killed and named."""
    other = identify(sleeper.pid)
    assert other is not None
    journal = enter_dead_run(small, boot=boot_id())
    journal.append(PartStarted(part="server", process=other, uid=os.geteuid(), wall_ns=0))
    journal.close()
    report = heal_all(small)
    assert report.is_clean
    assert sleeper.wait() == -signal.SIGKILL
    assert any("killed server" in line for line in report.lines)


def test_heal_after_a_reboot_touches_files_only(
    small: SmallStack, sleeper: subprocess.Popen[bytes]
) -> None:
    """After another boot pids mean nothing: no process is touched, the folder is removed."""
    other = identify(sleeper.pid)
    assert other is not None
    journal = enter_dead_run(small, boot="another-boot", keeper=identify_self())
    journal.append(PartStarted(part="server", process=other, uid=os.geteuid(), wall_ns=0))
    journal.append(FolderIntended(path=str(small.private_dir), uid=os.geteuid()))
    journal.close()
    small.private_dir.mkdir()
    assert heal_all(small).is_clean
    assert sleeper.poll() is None
    assert not small.private_dir.exists()


def test_heal_leaves_folders_that_are_not_ours_to_remove(small: SmallStack) -> None:
    """A folder of another name or in another place stays, is reported, and keeps the run open."""
    precious = small.root / "stormproof-precious"
    precious.mkdir()
    link = small.private_dir
    link.symlink_to(precious)
    journal = enter_dead_run(small, boot=boot_id())
    for path in (precious, link):
        journal.append(FolderIntended(path=str(path), uid=os.geteuid()))
    journal.close()
    report = heal_all(small)
    link.unlink()
    assert not report.is_clean
    assert precious.is_dir()
    assert [line.rsplit(": ", 1)[1] for line in report.lines] == [
        "it is no private folder in a temporary one",
        "it is no folder",
    ]
    assert open_run(small).run_id == small.run_id


def test_heal_reports_what_it_cannot_read_and_heals_the_rest(small: SmallStack) -> None:
    """Broken index entries and journal lines are named; everything readable is still undone."""
    journal = enter_dead_run(small, boot=boot_id())
    journal.append(FolderIntended(path=str(small.private_dir), uid=os.geteuid()))
    journal.close()
    small.private_dir.mkdir()
    with (small.run_dir / JOURNAL_NAME).open("ab") as stream:
        stream.write(b'{"type":"part-sta')
    (small.index_dir / "broken.json").write_bytes(b"{")
    report = heal_all(small)
    assert not report.is_clean
    assert not small.private_dir.exists()
    assert "broken.json cannot be read" in report.lines[0]
    assert "line 3, cannot be read" in report.lines[1]
    assert leftovers(small.run_dir / JOURNAL_NAME).folders == {}
    assert heal_all(small).lines == report.lines[:1]


def test_heal_of_a_run_whose_directory_is_gone(small: SmallStack) -> None:
    """A run whose journal was deleted is said to be so once, and leaves the index."""
    enter_dead_run(small, boot=boot_id()).close()
    (small.run_dir / JOURNAL_NAME).unlink()
    report = heal_all(small)
    assert not report.is_clean
    assert "is gone" in report.lines[0]
    assert heal_all(small) == NOTHING


def test_heal_of_what_is_no_run(small: SmallStack, tmp_path: Path) -> None:
    """A directory without a journal is named as such, and nothing is done."""
    with pytest.raises(BadInput, match="is no run that had a stack"):
        heal(small.index_dir, tmp_path, record_at)


def test_heal_adds_nothing_to_a_sealed_record(small: SmallStack) -> None:
    """A run that its controller has sealed is cleaned up and its record stays as it was sealed."""
    with controlled(small) as controller:
        kill_both(small, controller)
    (small.run_dir / "seal.json").write_text("{}")
    assert heal_all(small).is_clean
    assert small.is_gone()
    assert not (small.run_dir / "record" / "heal.seg").exists()
