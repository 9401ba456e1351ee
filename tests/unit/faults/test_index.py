"""The index of open runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stormproof.faults.index import OpenRun, OpenRuns, default_index_dir
from stormproof.faults.processes import ProcessId
from stormproof.kernel.errors import EnvironmentFailure

KEEPER = ProcessId(pid=10, start_ticks=100)


def run(run_id: str) -> OpenRun:
    return OpenRun(
        run_id=run_id,
        run_dir=f"/runs/{run_id}",
        boot_id="boot",
        pid_namespace="pid:[1]",
        keeper=KEEPER,
        controller=KEEPER,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "stormproof-0" / "open"


def test_runs_are_entered_listed_and_dropped(folder: Path) -> None:
    """What was added is listed in order until it is removed; removing twice is fine."""
    index = OpenRuns(folder)
    for name in ("b", "a"):
        index.add(run(name))
    assert index.entries() == ([run("a"), run("b")], [])
    index.remove("a")
    index.remove("a")
    assert index.entries() == ([run("b")], [])


def test_index_is_there_only_while_a_run_is(folder: Path) -> None:
    """Looking makes no folder, and the last run that is dropped takes the folders with it."""
    index = OpenRuns(folder)
    assert index.entries() == ([], [])
    assert not folder.parent.exists()
    for name in ("a", "b"):
        index.add(run(name))
    index.remove("a")
    assert folder.is_dir()
    index.remove("b")
    assert not folder.parent.exists()


def test_index_is_closed_to_others(folder: Path) -> None:
    """Both folders and each entry can be read by their user only."""
    OpenRuns(folder).add(run("a"))
    modes = [path.stat().st_mode & 0o777 for path in (folder.parent, folder, folder / "a.json")]
    assert modes == [0o700, 0o700, 0o600]


def test_broken_entry_is_named_and_the_others_are_listed(folder: Path) -> None:
    """An entry that cannot be read is a problem of its own and hides no other."""
    index = OpenRuns(folder)
    index.add(run("a"))
    (folder / "torn.json").write_bytes(b'{"run_id":')
    (folder / "twisted.json").write_bytes(b'{"run_id": "\xff"}')
    runs, problems = index.entries()
    assert runs == [run("a")]
    assert all(name in told for name, told in zip(("torn", "twisted"), problems, strict=True))


def test_symbolic_link_in_place_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    """Somebody else's link in the temporary folder does not get our entries."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.parent.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EnvironmentFailure, match="not a folder of this user"):
        OpenRuns(folder)


def test_folder_open_to_others_is_refused(folder: Path) -> None:
    """An index that others can write is not believed."""
    folder.parent.mkdir(mode=0o777)
    folder.parent.chmod(0o777)
    with pytest.raises(EnvironmentFailure, match="open to others"):
        OpenRuns(folder)


def test_folder_of_another_user_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that another user made is not believed."""
    folder.parent.mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: folder.parent.stat().st_uid + 1)
    with pytest.raises(EnvironmentFailure, match="not a folder of this user"):
        OpenRuns(folder)


@pytest.mark.parametrize("run_id", ["../escape", "", ".hidden", "a/b", "x" * 200])
def test_run_id_cannot_leave_the_folder(folder: Path, run_id: str) -> None:
    """What is no plain id of a run names no file."""
    with pytest.raises(EnvironmentFailure, match="no id of a run"):
        OpenRuns(folder).add(run(run_id))


def test_default_folder_belongs_to_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each user has an index of its own below the temporary directory."""
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    assert default_index_dir().parts[-2:] == ("stormproof-1234", "open")
