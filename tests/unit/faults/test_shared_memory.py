"""Which System V segments count as left by a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from stormproof.faults import shared_memory
from stormproof.faults.shared_memory import left_by

TABLE = """\
       key      shmid perms       size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime        rss       swap
   2269187          4   600         56 13586 19173      9 65534 65534 65534 65534 1795231047 1795231047 1795230237       4096          0
   2269188          5   600         56 13586 19173      0     0     0     0     0 1795231047 1795231047 1795230237       4096          0
"""  # noqa: E501
CREATED_NS = 1_795_230_237 * 10**9


@pytest.fixture(autouse=True)
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a table of the kernel's form in place of the kernel's."""
    path = tmp_path / "shm"
    path.write_text(TABLE)
    monkeypatch.setattr(shared_memory, "_TABLE", path)
    return path


def test_segment_is_named_by_creator_user_and_time() -> None:
    """A segment is a process's when that pid made it, as that user, since it was started."""
    (found,) = left_by(pid=13_586, uid=65_534, since_ns=CREATED_NS)
    assert found.id == 4
    assert found.attached == 9


@pytest.mark.parametrize(
    ("pid", "uid", "since_ns"),
    [
        (13_587, 65_534, CREATED_NS),
        (13_586, 1_000, CREATED_NS),
        (13_586, 65_534, CREATED_NS + 10 * 10**9),
    ],
    ids=["another pid", "another user", "a later process with the same pid"],
)
def test_segments_of_others_are_left_alone(pid: int, uid: int, since_ns: int) -> None:
    """A segment of another pid, another user or an earlier process is nobody's leftover."""
    assert left_by(pid=pid, uid=uid, since_ns=since_ns) == []


def test_kernel_without_segments_has_none(table: Path) -> None:
    """Where the kernel has no such table there is nothing to remove."""
    table.unlink()
    assert left_by(pid=13_586, uid=65_534, since_ns=0) == []
