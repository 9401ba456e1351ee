"""Source "cgroup": what the kernel bounds each part with, where a part has a group of its own.

    memory_bytes                  charged to the group, caches included
    oom_kills_total               processes of it that were killed for want of memory
    cpu_seconds_total             of the whole group
    throttled_seconds_total       in which it waited for its share of the CPU
    throttled_periods_total       periods in which it used up its share

All have the tag `part`. Control groups of version 2; what a group has no controller for is not
told. A part in our own group has none of its own: its figures would be ours too. Where no running
part has one the source is absent.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from stormproof.kernel.errors import SourceSilent
from stormproof.kernel.limits import CGROUP_FILE_BYTES_MAX
from stormproof.model.observed import Observed, ObservedKind
from stormproof.observe.parts import PartsInSight

_MOUNTS: Final = Path("/proc/self/mountinfo")
_UNIFIED: Final = "0::"  # how /proc/<pid>/cgroup names the group of version 2
_MICROSECONDS_PER_S: Final = 1_000_000
_GONE = (FileNotFoundError, ProcessLookupError)
# file, field of it (none: the file is one number), figure, kind, what one is divided by
_FIGURES: Final = (
    ("memory.current", "", "memory_bytes", ObservedKind.GAUGE, 1),
    ("memory.events", "oom_kill", "oom_kills_total", ObservedKind.COUNTER, 1),
    ("cpu.stat", "usage_usec", "cpu_seconds_total", ObservedKind.COUNTER, _MICROSECONDS_PER_S),
    ("cpu.stat", "throttled_usec", "throttled_seconds_total", ObservedKind.COUNTER,
     _MICROSECONDS_PER_S),
    ("cpu.stat", "nr_throttled", "throttled_periods_total", ObservedKind.COUNTER, 1),
)  # fmt: skip


class CgroupSource:
    """Read the control groups of a stack's parts (`stormproof.seams.Source`)."""

    name = "cgroup"

    def __init__(self, parts: PartsInSight) -> None:
        self._parts = parts
        self._mount = cgroup_mount()
        self._own = group_of(os.getpid())

    async def read(self) -> Sequence[Observed]:
        """Read a few small files of each group.

        Raises:
            SourceSilent: no part has a group of its own, none runs, or one cannot be read.
        """
        try:
            groups = self._groups()
            if not groups:
                raise SourceSilent("no part has a control group of its own", is_absent=True)
            return [
                one
                for part, group in groups.items()
                for one in observe_group(self._mount / group.lstrip("/"), part)
            ]
        except OSError as error:
            raise SourceSilent(f"a control group cannot be read: {error}") from error

    def _groups(self) -> Mapping[str, str]:
        """Return the group of each running part that is not ours."""
        pids = {
            name: seen.process.pid
            for name, seen in self._parts.started.items()
            if seen.process is not None
        }
        groups = {name: group_of(pid) for name, pid in pids.items()}
        running = {name: group for name, group in groups.items() if group or not self._own}
        if not running:
            raise SourceSilent("no part of the stack runs")
        return {
            name: group
            for name, group in running.items()
            if group not in ("", self._own) and not group.startswith("/..")
        }


def cgroup_mount() -> Path:
    """Return where control groups of version 2 are mounted; where they would be if they are not."""
    for line in _MOUNTS.read_text(encoding="utf-8").splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            return Path(before.split()[4])
    return Path("/sys/fs/cgroup")


def group_of(pid: int) -> str:
    """Return the control group of a process, from the root of the mount; empty without one."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines()
    except _GONE:
        return ""
    return next((line[len(_UNIFIED) :] for line in lines if line.startswith(_UNIFIED)), "")


def observe_group(folder: Path, part: str) -> Iterator[Observed]:
    """Yield what the files of one group say."""
    for file, field, name, kind, divisor in _FIGURES:
        value = _numbers(folder / file).get(field)
        if value is not None:
            yield Observed(name=name, tags={"part": part}, kind=kind, value=value / divisor)


def _numbers(path: Path) -> dict[str, int]:
    """Read lines `name number`, or a lone number, which then has no name."""
    try:
        with path.open("rb") as stream:
            text = stream.read(CGROUP_FILE_BYTES_MAX).decode("ascii", errors="replace")
    except OSError as error:
        if isinstance(error, PermissionError):
            raise
        return {}  # no such controller, or the group was removed (ENODEV)
    rows = [("", *line.split())[-2:] for line in text.splitlines() if line.strip()]
    return {name: int(number) for name, number in rows if number.isdigit()}
