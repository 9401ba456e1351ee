"""System V shared memory that a killed process left: found by its creator, removed by its id."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

import msgspec

_TABLE = Path("/proc/sysvipc/shm")
_IPC_RMID = 0
_SLACK_S = 2  # the table's instants are whole seconds


class SharedMemory(msgspec.Struct, frozen=True, kw_only=True):
    """One segment of the kernel's table."""

    id: int
    creator_pid: int
    creator_uid: int
    created_s: int  # seconds since the epoch
    attached: int  # by how many processes


def left_by(*, pid: int, uid: int, since_ns: int) -> list[SharedMemory]:
    """Return the segments that process `pid` of user `uid` made at or after wall time `since_ns`.

    Neither its pid nor its user alone names a process's segments: pids are reused, users shared.
    """
    return [
        one
        for one in _segments()
        if one.creator_pid == pid
        and one.creator_uid == uid
        and one.created_s + _SLACK_S >= since_ns // 1_000_000_000
    ]


def remove(segment: SharedMemory) -> None:
    """Remove a segment; one that is already gone is fine.

    Raises:
        OSError: the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.shmctl(segment.id, _IPC_RMID, None) != 0:
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.EIDRM):
            raise OSError(number, f"shared memory {segment.id}: {os.strerror(number)}")


def _segments() -> list[SharedMemory]:
    if not _TABLE.exists():
        return []  # a kernel without System V shared memory
    lines = _TABLE.read_text(encoding="ascii").splitlines()
    column = {name: at for at, name in enumerate(lines[0].split())}
    return [
        SharedMemory(
            id=int(row[column["shmid"]]),
            creator_pid=int(row[column["cpid"]]),
            creator_uid=int(row[column["cuid"]]),
            created_s=int(row[column["ctime"]]),
            attached=int(row[column["nattch"]]),
        )
        for row in (line.split() for line in lines[1:])
    ]
