"""How well a worker does its own work, so that our lateness is told apart from the target's."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from time import process_time_ns

import msgspec

from stormproof.clients.tape import Tape
from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.units import MICROSECOND_NS
from stormproof.model.histogram import index_of
from stormproof.model.series import GeneratorHealth

_TASKS = Path("/proc/self/task")
_STAT = Path("/proc/stat")
_STATM = Path("/proc/self/statm")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreShares:
    """How the cores that the worker may use spent a span of time, 0..1; -1 unknown."""

    idle: float = -1.0
    steal: float = -1.0


class Meter:
    """Read the kernel's counters of this process and its cores; each reading is since the last."""

    def __init__(self) -> None:
        self._cores = os.sched_getaffinity(0)
        self._cpu_ns = process_time_ns()
        self._waits = _waits_ns()
        self._ticks = _core_ticks(self._cores)

    def cpu_ns(self) -> int:
        """Return the CPU time that the process has used."""
        before, self._cpu_ns = self._cpu_ns, process_time_ns()
        return self._cpu_ns - before

    def wait_ns(self) -> int:
        """Return how long threads of the process were ready to run and had no core."""
        before, self._waits = self._waits, _waits_ns()
        return sum(max(0, ns - before.get(task, 0)) for task, ns in self._waits.items())

    def core_shares(self) -> CoreShares:
        """Return how the worker's cores were used, by anybody."""
        before, self._ticks = self._ticks, _core_ticks(self._cores)
        deltas = [now - then for now, then in zip(self._ticks, before, strict=True)]
        total = sum(deltas)
        if total <= 0:
            return CoreShares()
        _, _, _, idle, iowait, _, _, steal = deltas
        return CoreShares(idle=(idle + iowait) / total, steal=steal / total)

    @staticmethod
    def rss_bytes() -> int:
        """Return the memory that the process has in use."""
        return int(_STATM.read_text(encoding="ascii").split()[1]) * _PAGE_BYTES


class CollectorPauses:
    """Measure how long the garbage collector holds everything up."""

    def __init__(self) -> None:
        self._began_ns = 0
        self._pause_ns = 0
        gc.callbacks.append(self._measure)

    def take_ns(self) -> int:
        """Return the pauses since the last call, added up."""
        pause_ns, self._pause_ns = self._pause_ns, 0
        return pause_ns

    def close(self) -> None:
        """Stop measuring."""
        if self._measure in gc.callbacks:
            gc.callbacks.remove(self._measure)

    def _measure(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._began_ns = monotonic_ns()
        else:
            self._pause_ns += monotonic_ns() - self._began_ns


def _waits_ns() -> dict[str, int]:
    """Return each thread's time on the run queue; empty where the kernel does not tell."""
    waits = {}
    for task in os.listdir(_TASKS):  # noqa: PTH208 - once a second, names only
        try:
            waits[task] = int((_TASKS / task / "schedstat").read_text(encoding="ascii").split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread has ended, or the kernel keeps no such statistics
    return waits


def _core_ticks(cores: Collection[int]) -> list[int]:
    """Return user, nice, system, idle, iowait, irq, softirq and steal ticks over `cores`."""
    names = {f"cpu{core}" for core in cores}
    totals = [0] * 8
    for line in _STAT.read_text(encoding="ascii").splitlines():
        name, *fields = line.split()
        if name in names:
            totals = [total + int(one) for total, one in zip(totals, fields, strict=False)]
    return totals


class HealthMonitor:
    """Put together how well the worker did, for each second that is written."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._meter = Meter()
        self._pauses = CollectorPauses()
        self._lag_ns_max = 0
        self._lags: Counter[int] = Counter()  # by histogram index
        self.users: Callable[[], tuple[int, int]] = lambda: (0, 0)  # all, inside an iteration

    def note_lag(self, lag_ns: int) -> None:
        """Take how late the loop called a periodic timer."""
        self._lag_ns_max = max(self._lag_ns_max, lag_ns)
        self._lags[index_of(-(-lag_ns // MICROSECOND_NS))] += 1

    def of_seconds(self, seconds: int) -> list[GeneratorHealth]:
        """Return the health since the last call, spread evenly over `seconds` (usually one); how
        late the loop was each time cannot be spread and belongs to the first."""
        if seconds <= 0:
            return []
        shares = self._meter.core_shares()
        users, busy = self.users()
        health = GeneratorHealth(
            cpu_ns=self._meter.cpu_ns() // seconds,
            wait_ns=self._meter.wait_ns() // seconds,
            loop_lag_ns_max=self._lag_ns_max,
            gc_pause_ns=self._pauses.take_ns() // seconds,
            schedule_lag_index=[],
            schedule_lag_count=[],
            core_idle_share=shares.idle,
            core_steal_share=shares.steal,
            users=users,
            users_busy=busy,
            sockets=self._tape.sockets,
            rss_bytes=self._meter.rss_bytes(),
            recorded=self._tape.recorded,
        )
        lags = sorted(self._lags.items())
        self._lag_ns_max = 0
        self._lags.clear()
        first = msgspec.structs.replace(
            health,
            loop_lag_index=[index for index, _ in lags],
            loop_lag_count=[count for _, count in lags],
        )
        return [first, *[health] * (seconds - 1)]

    def close(self) -> None:
        """Stop measuring."""
        self._pauses.close()
