"""Source "process": what each part of the stack, with everything below it, takes of the machine.

    up                  1 while its process runs, else 0 (and then only counters are told of it)
    starts_total        how often it was started
    processes, threads  alive now
    cpu_seconds_total   of all its processes, those of its past included, even while it is down
    anonymous_bytes     memory that is its own: what leaks grow
    rss_bytes           all that is resident; what processes share counts in each
    open_descriptors    files, sockets, pipes
    tcp_connections     established ones that it holds an end of

All have the tag `part`. What we may not read of a single process (another user's descriptors) is
not told for its part at all: a sum without it would be too low.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence

from stormproof.kernel.errors import SourceSilent
from stormproof.kernel.limits import PART_PROCESSES_MAX
from stormproof.model.observed import Observed, ObservedKind
from stormproof.observe.parts import PartSeen, PartsInSight
from stormproof.observe.process_files import (
    TICKS_PER_S,
    ProcessId,
    ProcessStat,
    TcpTables,
    all_stats,
    read_descriptors,
    read_memory,
    tree_below,
)


class ProcessSource:
    """Read the processes of a stack's parts (`stormproof.seams.Source`)."""

    name = "process"

    def __init__(self, parts: PartsInSight) -> None:
        self._parts = parts
        self._cpu: dict[str, _CpuMeter] = {}
        self._lock = threading.Lock()  # a reading that was given up may still be under way

    async def read(self) -> Sequence[Observed]:
        """Read all parts, beside the event loop.

        Raises:
            SourceSilent: no part runs, one has more processes than are looked at, or /proc refuses.
        """
        try:
            return await asyncio.to_thread(self._read, self._parts.started)
        except OSError as error:
            raise SourceSilent(f"/proc cannot be read: {error}") from error

    def _read(self, parts: Mapping[str, PartSeen]) -> list[Observed]:
        with self._lock:
            stats, tables = all_stats(), TcpTables()
            found: list[Observed] = []
            running = 0
            for name, part in parts.items():
                tree = [] if part.process is None else tree_below(part.process, stats)
                running += bool(tree)
                found += _life(name, part, is_up=bool(tree))
                if tree and part.process is not None:
                    found += self._usage(name, part.process, tree, tables)
                elif name in self._cpu:
                    found.append(_cpu_seconds(name, self._cpu[name].total))
            if not running:
                raise SourceSilent("no part of the stack runs")
            return found

    def _usage(
        self, name: str, root: ProcessId, tree: Sequence[ProcessStat], tables: TcpTables
    ) -> list[Observed]:
        if len(tree) > PART_PROCESSES_MAX:
            raise SourceSilent(
                f"{name} has {len(tree)} processes; at most {PART_PROCESSES_MAX} are looked at"
            )
        meter = self._cpu.setdefault(name, _CpuMeter())
        cpu_ticks = meter.add(root, sum(stat.cpu_ticks for stat in tree))
        alive = [stat for stat in tree if not stat.has_ended]
        tags = {"part": name}
        values = {
            "processes": len(alive),
            "threads": sum(stat.threads for stat in alive),
            **_memory(alive),
            **_descriptors(alive, tables),
        }
        return [
            _cpu_seconds(name, cpu_ticks),
            *(_gauge(metric, tags, value) for metric, value in values.items()),
        ]


class _CpuMeter:
    """Add up the CPU ticks of a part over the processes that come and go.

    A process that ends hands its ticks to whoever waits for it; where nobody of the part does, the
    sum of those that are left falls, and what was counted stays counted.
    """

    def __init__(self) -> None:
        self._root: ProcessId | None = None
        self._last = 0
        self.total = 0

    def add(self, root: ProcessId, ticks: int) -> int:
        before = self._last if root == self._root else 0
        self.total += max(0, ticks - before)
        self._root, self._last = root, ticks
        return self.total


def _cpu_seconds(name: str, ticks: int) -> Observed:
    return _counter("cpu_seconds_total", {"part": name}, ticks / TICKS_PER_S)


def _life(name: str, part: PartSeen, *, is_up: bool) -> list[Observed]:
    tags = {"part": name}
    return [_gauge("up", tags, int(is_up)), _counter("starts_total", tags, part.starts)]


def _memory(alive: Sequence[ProcessStat]) -> dict[str, int]:
    read = [read_memory(stat.process.pid) for stat in alive]
    known = [one for one in read if one is not None]
    return {
        "anonymous_bytes": sum(one.anonymous for one in known),
        "rss_bytes": sum(one.resident for one in known),
    }


def _descriptors(alive: Sequence[ProcessStat], tables: TcpTables) -> dict[str, int]:
    """Count descriptors, and the connections among them where all could be looked at."""
    count, connections, is_complete = 0, 0, True
    try:
        for stat in alive:
            held = read_descriptors(stat.process.pid)
            if held is None:
                continue  # it ended after it was listed
            count += held.count
            is_complete &= held.is_complete
            if held.sockets and is_complete:
                established = tables.established(stat.process.pid)
                is_complete = established is not None
                connections += len(held.sockets & (established or frozenset()))
    except PermissionError:
        return {}
    values = {"open_descriptors": count}
    return {**values, "tcp_connections": connections} if is_complete else values


def _gauge(name: str, tags: dict[str, str], value: float) -> Observed:
    return Observed(name=name, tags=tags, kind=ObservedKind.GAUGE, value=float(value))


def _counter(name: str, tags: dict[str, str], value: float) -> Observed:
    return Observed(name=name, tags=tags, kind=ObservedKind.COUNTER, value=float(value))
