"""The undo journal: what was opened and never closed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from stormproof.faults import journal as journal_module
from stormproof.faults.journal import (
    Ended,
    FaultIntended,
    FaultUndone,
    FolderIntended,
    FolderRemoved,
    Journal,
    Line,
    Opened,
    PartStarted,
    PartStopped,
    RestoreIntended,
    leftovers,
)
from stormproof.faults.processes import ProcessId
from stormproof.kernel.errors import EnvironmentFailure

KEEPER = ProcessId(pid=10, start_ticks=100)
SERVER = ProcessId(pid=20, start_ticks=200)
OPENED = Opened(
    run_id="run", boot_id="boot", pid_namespace="pid:[1]", keeper=KEEPER, controller=KEEPER
)
STARTED = PartStarted(part="server", process=SERVER, uid=1, wall_ns=5)
STOPPED = PartStopped(part="server", process=SERVER)
FOLDER = FolderIntended(path="/private", uid=1)
FAULT = FaultIntended(fault="cut", kind="link-partition", part="wire")


def write(path: Path, *lines: Line) -> None:
    journal = Journal(path)
    for line in lines:
        journal.append(line)
    journal.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "undo.jsonl"


def test_what_was_opened_and_not_closed_is_left(path: Path) -> None:
    """Folders, parts and faults without their closing line are left over; nothing else is."""
    write(path, OPENED, FOLDER, STARTED, FAULT)
    left = leftovers(path)
    assert left.opened == OPENED
    assert left.folders == {"/private": FOLDER}
    assert left.parts == {SERVER: STARTED}
    assert left.faults == {"cut": FAULT}
    assert left.ended is None
    assert left.problems == []


def test_what_was_closed_is_not_left(path: Path) -> None:
    """A closing line takes back its opening one, and no other."""
    again = PartStarted(part="server", process=ProcessId(pid=21, start_ticks=300), uid=1, wall_ns=6)
    write(
        path, OPENED, FOLDER, STARTED, FAULT, STOPPED, again, FaultUndone(fault="cut"),
        FolderRemoved(path="/private"), Ended(how="completed"),
    )  # fmt: skip
    left = leftovers(path)
    assert left.folders == {}
    assert list(left.parts) == [again.process]
    assert left.faults == {}
    assert left.ended == Ended(how="completed")


def test_what_a_server_is_to_get_back_is_left_until_its_fault_is_undone(path: Path) -> None:
    """A promise goes with its fault, and with no other."""
    promises = [
        RestoreIntended(
            fault=name, kind="security-role", part="db", values={"role": name}, is_kept=True
        )
        for name in ("cut", "other")
    ]
    write(path, OPENED, FAULT, *promises, FaultUndone(fault="cut"))
    assert leftovers(path).restores == {"other": promises[1]}


def test_closing_what_was_never_opened_is_fine(path: Path) -> None:
    """A journal may close twice: undoing twice is safe."""
    write(path, STOPPED, STOPPED, FaultUndone(fault="cut"), FolderRemoved(path="/private"))
    assert leftovers(path).problems == []


def test_every_prefix_of_a_journal_can_be_healed_from(path: Path) -> None:
    """Cut anywhere, a journal names all that its whole lines opened, and says where it is cut."""
    write(path, OPENED, FOLDER, STARTED, FAULT)
    whole = path.read_bytes()
    ends = [at + 1 for at, byte in enumerate(whole) if byte == ord("\n")]
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        left = leftovers(path)
        # The last line counts as soon as it is complete, with or without its newline.
        complete = sum(size >= end - 1 for end in ends)
        found = [left.opened is not None, bool(left.folders), bool(left.parts), bool(left.faults)]
        assert found == [number < complete for number in range(4)]
        is_torn = size not in {0, *ends, *(end - 1 for end in ends)}
        assert len(left.problems) == is_torn


def test_line_after_a_torn_one_is_whole(path: Path) -> None:
    """Whoever goes on with a torn journal starts a line of its own."""
    path.write_bytes(b'{"type":"fault-int')
    write(path, FOLDER)
    left = leftovers(path)
    assert left.folders == {"/private": FOLDER}
    assert len(left.problems) == 1


@pytest.mark.parametrize(
    "line", [b'{"type": "\xff"}', b'{"type": "fault-undone", "fault": 5}', b"[]"]
)
def test_a_line_that_cannot_be_read_costs_only_itself(path: Path, line: bytes) -> None:
    """Whatever the disk made of a line, it is named and the others count."""
    path.write_bytes(line + b"\n")
    write(path, FOLDER)
    left = leftovers(path)
    assert left.folders == {"/private": FOLDER}
    assert len(left.problems) == 1


def test_second_writer_is_refused(path: Path) -> None:
    """A journal has one writer at a time; the next one may go on when the first is done."""
    first = Journal(path)
    with pytest.raises(EnvironmentFailure):
        Journal(path)
    first.close()
    Journal(path).close()


def test_full_disk_costs_the_line_and_not_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that the disk takes half of is cut off again and reported; the next one is whole."""
    journal = Journal(path)
    journal.append(OPENED)
    real_write, calls = os.write, 0

    def half_write(handle: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_write(handle, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", half_write)
    with pytest.raises(EnvironmentFailure, match="No space left"):
        journal.append(STARTED)
    monkeypatch.undo()
    journal.append(FOLDER)
    journal.close()
    left = leftovers(path)
    assert (left.parts, left.problems) == ({}, [])
    assert left.folders == {"/private": FOLDER}


def test_journal_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another user wrote could name anything for us to remove, and is not read."""
    write(path, OPENED)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(EnvironmentFailure, match="another user"):
        leftovers(path)


def test_journal_behind_a_symbolic_link_is_refused(path: Path, tmp_path: Path) -> None:
    """A link in place of the journal is neither read nor written."""
    write(tmp_path / "other", OPENED)
    path.symlink_to(tmp_path / "other")
    with pytest.raises(EnvironmentFailure):
        leftovers(path)
    with pytest.raises(EnvironmentFailure):
        Journal(path)


def test_journal_beyond_all_bounds_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal larger than any keeper writes is not read into memory."""
    write(path, OPENED)
    monkeypatch.setattr(journal_module, "JOURNAL_BYTES_MAX", 10)
    with pytest.raises(EnvironmentFailure, match="over 10 bytes"):
        leftovers(path)
