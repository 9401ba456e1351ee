"""Healing keeps its hands off what may be somebody else's."""

from __future__ import annotations

import os
import subprocess

import pytest
from tests.integration.faults.dead_runs import enter_dead_run, heal_all, open_run
from tests.integration.faults.small_stack import SmallStack

from stormproof.faults import shared_memory
from stormproof.faults.journal import FolderIntended, PartStarted
from stormproof.faults.processes import ProcessId, identify
from stormproof.kernel.clock import boot_id


def test_heal_leaves_another_pid_namespace_alone(
    small: SmallStack, sleeper: subprocess.Popen[bytes]
) -> None:
    """A run of another pid namespace may live: nothing of it is touched, and that is said."""
    other = identify(sleeper.pid)
    assert other is not None
    journal = enter_dead_run(small, boot=boot_id(), namespace="pid:[1]")
    journal.append(PartStarted(part="server", process=other, uid=os.geteuid(), wall_ns=0))
    journal.close()
    report = heal_all(small)
    assert "belongs to the pid namespace pid:[1] and is left alone" in report.lines[0]
    assert sleeper.poll() is None
    assert open_run(small).run_id == small.run_id


@pytest.mark.parametrize(
    ("attached", "lives", "reason"),
    [
        (2, False, "2 processes have it attached"),
        (0, True, "which made it, is alive"),
        (0, False, ""),
    ],
)
def test_heal_removes_only_shared_memory_that_nobody_uses(
    small: SmallStack,
    sleeper: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
    attached: int,
    lives: bool,
    reason: str,
) -> None:
    """Shared memory that is attached, or whose creator's pid is in use, stays and is told."""
    pid = sleeper.pid if lives else 2**22 - 1
    segment = shared_memory.SharedMemory(
        id=7, creator_pid=pid, creator_uid=os.geteuid(), created_s=1, attached=attached
    )
    removed: list[shared_memory.SharedMemory] = []
    monkeypatch.setattr(shared_memory, "_segments", lambda: [segment])
    monkeypatch.setattr(shared_memory, "remove", removed.append)
    journal = enter_dead_run(small, boot=boot_id())
    stale = ProcessId(pid=pid, start_ticks=1)
    journal.append(PartStarted(part="server", process=stale, uid=os.geteuid(), wall_ns=0))
    journal.close()
    report = heal_all(small)
    assert report.is_clean is (not reason)
    assert removed == ([] if reason else [segment])
    assert reason in report.lines[0]


def test_heal_leaves_the_folder_of_another_run(small: SmallStack) -> None:
    """A private folder that is not named after the run is not removed."""
    other = small.private_dir.with_name("stormproof-another-run-1")
    other.mkdir()
    journal = enter_dead_run(small, boot=boot_id())
    journal.append(FolderIntended(path=str(other), uid=os.geteuid()))
    journal.close()
    report = heal_all(small)
    is_there = other.is_dir()
    other.rmdir()
    assert is_there
    assert not report.is_clean
