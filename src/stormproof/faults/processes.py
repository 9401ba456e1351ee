"""Processes by identity: who they are, what is below them, and ending them for good.

A pid alone is reused; a pid with its start time names one process of one boot.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

RUN_MARK = "STORMPROOF_RUN"  # in the environment of every part: names the run it belongs to
_LOOK_EVERY_S = 0.005  # at what was killed and has still to end
_GONE_STATES = frozenset("ZX")


class ProcessId(msgspec.Struct, frozen=True, kw_only=True):
    """One process that no reuse of its pid can be mistaken for."""

    pid: int
    start_ticks: int  # field 22 of /proc/<pid>/stat


class _Stat(msgspec.Struct, frozen=True, kw_only=True):
    process: ProcessId
    state: str
    parent_pid: int


def identify(pid: int) -> ProcessId | None:
    """Return the identity of the process that has `pid` now; None when there is none."""
    stat = _stat(pid)
    return None if stat is None else stat.process


def is_taken(pid: int) -> bool:
    """Say whether any process runs under `pid` now; zombies count as gone."""
    stat = _stat(pid)
    return stat is not None and not _is_gone(stat)


def pid_namespace() -> str:
    """Return the name of the namespace that the pids we see belong to."""
    return str(Path("/proc/self/ns/pid").readlink())


def identify_self() -> ProcessId:
    """Return the identity of this process."""
    own = identify(os.getpid())
    assert own is not None
    return own


def is_alive(process: ProcessId) -> bool:
    """Say whether `process` still runs; zombies count as gone."""
    stat = _stat(process.pid)
    return stat is not None and stat.process == process and not _is_gone(stat)


def descendants(root: ProcessId) -> list[ProcessId]:
    """Return everything alive below `root`, parents before children."""
    return [process for process in trees([root]) if process != root]


def trees(roots: Iterable[ProcessId]) -> list[ProcessId]:
    """Return `roots`, as far as they are there, and everything alive below them, each once,
    parents before children."""
    children: dict[int, list[ProcessId]] = {}
    for stat in _all_stats():
        children.setdefault(stat.parent_pid, []).append(stat.process)
    found: dict[ProcessId, None] = {}
    waiting = [root for root in roots if identify(root.pid) == root]
    while waiting:
        process = waiting.pop()
        if process not in found:
            found[process] = None
            waiting += children.get(process.pid, ())
    return list(found)


def marked(run_id: str) -> list[ProcessId]:
    """Return everything alive whose environment carries the mark of run `run_id`."""
    mark = f"{RUN_MARK}={run_id}".encode()
    return [
        stat.process
        for stat in _all_stats()
        if stat.process.pid != os.getpid() and mark in _environment(stat.process.pid)
    ]


def send_signal(process: ProcessId, number: int) -> bool:
    """Send a signal to exactly `process`; say whether it was there to take it."""
    with _handle(process) as handle:
        if handle is None:
            return False
        try:
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
    return True


def kill(process_ids: Iterable[ProcessId]) -> None:
    """Send SIGKILL to each, without waiting."""
    for process in process_ids:
        send_signal(process, signal.SIGKILL)


def kill_tree(root: ProcessId, *, deadline_ns: int) -> list[ProcessId]:
    """Kill `root` and everything below it until nothing of it is left.

    Returns what still lives when `deadline_ns` of CLOCK_MONOTONIC has passed.
    """
    known: dict[ProcessId, None] = {}
    while (alive := _strike(root, known)) and time.monotonic_ns() < deadline_ns:
        wait_gone(alive, deadline_ns=deadline_ns)
    return alive


async def kill_tree_async(root: ProcessId, *, deadline_ns: int) -> list[ProcessId]:
    """Do what `kill_tree` does, while the loop goes on with everything else."""
    known: dict[ProcessId, None] = {}
    while (alive := _strike(root, known)) and time.monotonic_ns() < deadline_ns:
        await wait_gone_async(alive, deadline_ns=deadline_ns)
    return alive


def wait_gone(process_ids: Sequence[ProcessId], *, deadline_ns: int) -> list[ProcessId]:
    """Wait until all have ended; return those that still live at `deadline_ns`."""
    for process in process_ids:
        with _handle(process) as handle:
            if handle is None:
                continue
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            left_ms = (deadline_ns - time.monotonic_ns()) / 1e6
            poll.poll(max(0, left_ms))
    return [process for process in process_ids if is_alive(process)]


async def wait_gone_async(process_ids: Sequence[ProcessId], *, deadline_ns: int) -> list[ProcessId]:
    """Do what `wait_gone` does, while the loop goes on with everything else."""
    while alive := [process for process in process_ids if is_alive(process)]:
        if time.monotonic_ns() >= deadline_ns:
            break
        await asyncio.sleep(_LOOK_EVERY_S)
    return alive


def _strike(root: ProcessId, known: dict[ProcessId, None]) -> list[ProcessId]:
    """Kill what lives of a tree, that which was `known` before included; return what that was."""
    known.update(dict.fromkeys((root, *descendants(root))))
    alive = [process for process in known if is_alive(process)]
    kill(alive)
    return alive


@contextlib.contextmanager
def _handle(process: ProcessId) -> Iterator[int | None]:
    """Hold on to `process` by a pidfd, checked after it was opened; None when it is gone."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        yield None
        return
    try:
        yield handle if is_alive(process) else None
    finally:
        os.close(handle)


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, field 2, stands in parentheses and may hold both spaces and parentheses.
    fields = text[text.rindex(")") + 2 :].split()
    process = ProcessId(pid=pid, start_ticks=int(fields[19]))
    return _Stat(process=process, state=fields[0], parent_pid=int(fields[1]))


def _all_stats() -> list[_Stat]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    stats = [stat for pid in pids if (stat := _stat(pid)) is not None]
    return [stat for stat in stats if not _is_gone(stat)]


def _is_gone(stat: _Stat) -> bool:
    """Say whether nothing runs any more: a zombie whose other threads live still holds files."""
    if stat.state not in _GONE_STATES:
        return False
    try:
        return len(list(Path(f"/proc/{stat.process.pid}/task").iterdir())) <= 1
    except (FileNotFoundError, ProcessLookupError):
        return True


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []  # it ended, or it is somebody else's and so none of ours
