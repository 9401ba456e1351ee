"""What the kernel says about processes: small files of /proc, read as they are, without the layers
of Path and io, which would cost more than the kernel does.

A process may end between two of them. What is gone then reads as None, and what we are not allowed
to read raises PermissionError: it must not be taken for none.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from stormproof.kernel.limits import NET_TABLE_BYTES_MAX, PROCESS_DESCRIPTORS_MAX

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_GONE = (FileNotFoundError, ProcessLookupError)
_FIELDS = 20  # of /proc/<pid>/stat that are looked at
_ENDED = frozenset({b"Z", b"X"})  # zombies keep their times until somebody waits for them
_ESTABLISHED = b"01"
_KILOBYTE = 1024
_FILE_BYTES_MAX = 64 << 10


class ProcessId(NamedTuple):
    """One process that no reuse of its pid can be mistaken for."""

    pid: int
    start_ticks: int  # field 22 of /proc/<pid>/stat


class ProcessStat(NamedTuple):
    """/proc/<pid>/stat, as far as we look at it."""

    process: ProcessId
    parent_pid: int
    session: int
    cpu_ticks: int  # its own, and of the children that it has waited for
    threads: int
    has_ended: bool


class Memory(NamedTuple):
    """What is resident of one process, in bytes."""

    anonymous: int
    resident: int


def _read(path: str) -> bytes:
    """Read a file of /proc that fits into one piece, as they all do that are of one process."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(handle, _FILE_BYTES_MAX)
    finally:
        os.close(handle)


def identify(pid: int) -> ProcessId | None:
    """Return the identity of the process that has `pid` now; None when there is none."""
    stat = read_stat(pid)
    return None if stat is None else stat.process


def read_stat(pid: int) -> ProcessStat | None:
    """Read the state of one process; None when there is none."""
    try:
        text = _read(f"/proc/{pid}/stat")
    except _GONE:
        return None
    # The name, field 2, stands in parentheses and may hold both spaces and parentheses.
    fields = text[text.rindex(b")") + 2 :].split(None, _FIELDS)
    return ProcessStat(
        process=ProcessId(pid=pid, start_ticks=int(fields[19])),
        parent_pid=int(fields[1]),
        session=int(fields[3]),
        cpu_ticks=int(fields[11]) + int(fields[12]) + int(fields[13]) + int(fields[14]),
        threads=int(fields[17]),
        has_ended=fields[0] in _ENDED,
    )


def all_stats() -> dict[int, ProcessStat]:
    """Read the state of every process of this machine, by pid."""
    with os.scandir("/proc") as entries:
        pids = [int(entry.name) for entry in entries if entry.name.isdigit()]
    return {pid: stat for pid in pids if (stat := read_stat(pid)) is not None}


def tree_below(root: ProcessId, stats: Mapping[int, ProcessStat]) -> list[ProcessStat]:
    """Return `root` and what belongs to it: its descendants, and what its session still holds of
    those that lost their parents. Nothing when `root` is gone or its pid is another's now."""
    first = stats.get(root.pid)
    if first is None or first.process != root or first.has_ended:
        return []
    children: dict[int, list[ProcessStat]] = {}
    for stat in stats.values():
        children.setdefault(stat.parent_pid, []).append(stat)
    left = [stat for stat in stats.values() if stat.session == root.pid]
    found = {root.pid: first}
    waiting = [root.pid, *(stat.process.pid for stat in left)]
    found |= {stat.process.pid: stat for stat in left}
    while waiting:
        for stat in children.get(waiting.pop(), ()):
            if stat.process.pid not in found:
                found[stat.process.pid] = stat
                waiting.append(stat.process.pid)
    return list(found.values())


def read_memory(pid: int) -> Memory | None:
    """Read what is resident of a process; None when it is gone, nothing when it has ended."""
    try:
        text = _read(f"/proc/{pid}/status")
    except _GONE:
        return None
    return Memory(anonymous=_bytes_of(text, b"\nRssAnon:"), resident=_bytes_of(text, b"\nVmRSS:"))


def _bytes_of(status: bytes, label: bytes) -> int:
    _, found, rest = status.partition(label)
    return int(rest.split(None, 1)[0]) * _KILOBYTE if found else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptors:
    """What a process holds open."""

    count: int
    sockets: frozenset[str]  # inodes; empty when there are too many descriptors to look at each
    is_complete: bool


def read_descriptors(pid: int) -> Descriptors | None:
    """Read what a process holds open; None when it is gone.

    Raises:
        PermissionError: it is somebody else's.
    """
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            paths = [entry.path for entry in entries]
    except _GONE:
        return None
    if len(paths) > PROCESS_DESCRIPTORS_MAX:
        return Descriptors(count=len(paths), sockets=frozenset(), is_complete=False)
    return Descriptors(count=len(paths), sockets=frozenset(_sockets(paths)), is_complete=True)


def _sockets(paths: Iterable[str]) -> Iterable[str]:
    for path in paths:
        try:
            target = os.readlink(path)  # noqa: PTH115 - see the module
        except _GONE:
            continue  # closed meanwhile
        if target.startswith("socket:["):
            yield target[len("socket:[") : -1]


@dataclass(slots=True)
class TcpTables:
    """Established TCP connections of each network namespace, read at most once a reading."""

    _by_namespace: dict[str, frozenset[str] | None] = field(default_factory=dict)

    def established(self, pid: int) -> frozenset[str] | None:
        """Return the inodes of all established connections of the namespace of `pid`; None when
        the process is gone or there are too many to look at.

        Raises:
            PermissionError: it is somebody else's.
        """
        try:
            namespace = os.readlink(f"/proc/{pid}/ns/net")  # noqa: PTH115 - see the module
            if namespace not in self._by_namespace:
                self._by_namespace[namespace] = _established(pid)
        except PermissionError:
            raise
        except OSError:
            return None  # it ended: its files go one by one, and not all with the same error
        return self._by_namespace[namespace]


def _established(pid: int) -> frozenset[str] | None:
    found: set[str] = set()
    for name in ("tcp", "tcp6"):
        table = Path(f"/proc/{pid}/net/{name}")
        if name == "tcp6" and not _uses_ipv6(pid):
            continue
        with table.open("rb") as stream:
            text = stream.read(NET_TABLE_BYTES_MAX + 1)
        if len(text) > NET_TABLE_BYTES_MAX:
            return None
        rows = (line.split() for line in text.splitlines()[1:])
        found.update(row[9].decode("ascii") for row in rows if row[3] == _ESTABLISHED)
    return frozenset(found)


def _uses_ipv6(pid: int) -> bool:
    """Say whether the namespace of `pid` has TCP sockets of IPv6: to walk through their table takes
    the kernel milliseconds, even where there is none."""
    table = Path(f"/proc/{pid}/net/sockstat6")
    return table.exists() and not table.read_bytes().startswith(b"TCP6: inuse 0\n")
