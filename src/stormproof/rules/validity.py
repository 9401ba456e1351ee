"""Was it the target, or was it us? The validity of the load generator, second by second.

A second is invalid when the generator or its machine, not the target, may have shaped what was
measured in it. An objective on time is not judged on a window with more such seconds than
`tolerated_seconds` allows: validity comes before value. What can be computed again without its
invalid seconds bears more of them than what cannot, because they never decide its answer.

All limits are here, each with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from stormproof.kernel.units import MILLISECOND_NS, SECOND_NS
from stormproof.model.event import WorkerEvent
from stormproof.model.histogram import Histogram
from stormproof.model.record import Record
from stormproof.model.series import AnyFrame, GeneratorHealth
from stormproof.model.verdict import Generator
from stormproof.rules.fold import merge_cells, per_second
from stormproof.rules.windows import Windows

# A pacer with an idle core is late by its quantum (0.25 ms) and a few scheduler ticks. 50 ms is a
# sixth of the tightest latency bar in use: lateness below it cannot turn a verdict by itself.
SCHEDULE_LAG_P99_NS_MAX: Final = 50 * MILLISECOND_NS
# The same for whatever is not paced by the schedule, such as receipts of messages.
LOOP_LAG_NS_MAX: Final = 150 * MILLISECOND_NS
# A core with less than a tenth to spare has a queue; answers wait in it before we can time them.
# A busy loop beside the workers leaves 0 to 5 %, although the kernel lets them in within 3 ms.
CORE_IDLE_SHARE_MIN: Final = 0.10
# A worker that wakes up a few hundred times a second waits about as long as it runs even on a
# half-idle core: 20 to 60 ms each. Waiting more than it ran and a quarter of the second is
# somebody else having the core.
WAIT_SHARE_MAX: Final = 0.5
WAIT_NS_MIN: Final = 250 * MILLISECOND_NS
# Another guest of the host took the core from the whole machine. That only makes times longer: a
# bar that is met in spite of it is met, one that is broken is not judged by it. Measured on a
# demonstration run with 26 % stolen in its worst second: the loop was at most 22 ms late.
CORE_STEAL_SHARE_MAX: Final = 0.10
# p95 is the sharpest common objective: no more of the window than it looks past may be tainted.
INVALID_SHARE_MAX: Final = 0.05
# An objective over frames is answered twice, with its invalid seconds and without them, and on
# enough samples without: they cannot decide it, but most of its window must still be evidence.
INVALID_SHARE_MAX_ANSWERED_TWICE: Final = 0.2
# A core counts as filled by ourselves when the workers on it used this much of it.
OWN_CORE_SHARE: Final = 0.7


class Cause(Enum):
    """What made a second invalid, worst first, with what to do about it."""

    WORKER_DIED = "a worker died"
    GAP = "a worker's frame is missing"
    STEAL = "the host took the core away (steal)"
    CORE_TAKEN = "another process kept the workers' core busy"
    CORE_FULL = "the load generator filled its own core"
    WAIT = "the workers waited for a CPU"
    SCHEDULE_LAG = "operations started late"
    LOOP_LAG = "the workers' event loop was late"

    @property
    def remedy(self) -> str:
        """Return what to do about it."""
        return _REMEDIES[self]


_REMEDIES: Final[Mapping[Cause, str]] = {
    Cause.WORKER_DIED: "look for the worker's last words in the record's logs, and run again",
    Cause.GAP: "look for the worker's last words in the record's logs, and run again",
    Cause.STEAL: "run on a machine whose cores are not shared with others",
    Cause.CORE_TAKEN: "stop what else runs on the workers' cores, and run again",
    Cause.CORE_FULL: "lower the rate, or give the workers more cores",
    Cause.WAIT: "stop what else runs on the machine, or give the workers more cores",
    Cause.SCHEDULE_LAG: "lower the rate, or give the workers more cores",
    Cause.LOOP_LAG: "lower the rate, or give the workers more cores",
}


# Without a frame nobody knows what happened in a second: not one is borne.
BLIND: Final = frozenset({Cause.WORKER_DIED, Cause.GAP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """The invalid seconds of a run, with their causes."""

    causes: Mapping[int, frozenset[Cause]]

    def invalid(self, seconds: set[int]) -> set[int]:
        """Return which of some seconds are invalid."""
        return seconds & self.causes.keys()

    def blind(self) -> Validity:
        """Return the validity for what asks only whether, and not when: no frame may be missing."""
        blind = {second: causes & BLIND for second, causes in self.causes.items()}
        return Validity(causes={second: causes for second, causes in blind.items() if causes})

    def on_schedule(self) -> Validity:
        """Return the validity for a bar that was met although the host took the core.

        Where nothing but STEAL is against a second, the workers measured in it that they started
        and received on time: its evidence is whole, only harder to pass (see `rules.handicap`).
        """
        stolen = {Cause.STEAL}
        return Validity(causes={at: found for at, found in self.causes.items() if found != stolen})

    def doubt(self, seconds: set[int], *, answered_twice: bool = False) -> tuple[str, str]:
        """Return why a window of `seconds` cannot be judged, and the remedy; empty when it can.

        `answered_twice`: the invalid seconds cannot decide the answer, and more of them are borne.
        """
        invalid = {second: self.causes[second] for second in seconds if second in self.causes}
        blind = {second: causes & BLIND for second, causes in invalid.items() if causes & BLIND}
        if not blind and len(invalid) <= tolerated_seconds(
            len(seconds), answered_twice=answered_twice
        ):
            return "", ""
        invalid = blind or invalid
        cause, count = _leading_cause(invalid)
        why = (
            f"in {len(invalid)} of {len(seconds)} s the measurement is not valid:"
            f" {cause.value} ({count} s)"
        )
        return why, cause.remedy


def tolerated_seconds(seconds: int, *, answered_twice: bool = False) -> int:
    """Return how many invalid seconds a window of `seconds` bears, if none of them is `BLIND`.

    One in twenty, one in five of what is answered twice, and one in any case: a second is the
    grain of the health figures, so that a hiccup of a few milliseconds marks a whole one.
    """
    share = INVALID_SHARE_MAX_ANSWERED_TWICE if answered_twice else INVALID_SHARE_MAX
    return min(seconds, max(1, int(seconds * share)))


def _leading_cause(invalid: Mapping[int, frozenset[Cause]]) -> tuple[Cause, int]:
    counts = Counter(cause for causes in invalid.values() for cause in causes)
    order = list(Cause)
    return max(counts.items(), key=lambda item: (item[1], -order.index(item[0])))


def validity_of(record: Record, windows: Windows) -> Validity:
    """Return the invalid seconds of the load, warm-up included."""
    seconds = windows.seconds("warmup") | windows.seconds("load")
    by_second: dict[int, list[AnyFrame]] = {}
    for frame in record.frames:
        by_second.setdefault(frame.second, []).append(frame)
    died = _deaths(record, windows)
    found: dict[int, frozenset[Cause]] = {}
    for second in seconds:
        causes = causes_in(by_second.get(second, []), _workers_on_core(record))
        present = {frame.worker for frame in by_second.get(second, [])}
        for worker in range(record.plan.workers):
            if worker not in present:
                dead = worker in died and died[worker] <= second
                causes.add(Cause.WORKER_DIED if dead else Cause.GAP)
        if causes:
            found[second] = frozenset(causes)
    return Validity(causes=found)


def _deaths(record: Record, windows: Windows) -> dict[int, int]:
    """Return the second in which each dead worker died."""
    return {
        event.worker: windows.second_of(event.at_ns)
        for event in reversed(record.events)
        if isinstance(event, WorkerEvent) and event.step == "died"
    }


def _workers_on_core(record: Record) -> int:
    """Return how many workers share one of the workers' cores."""
    cores = len(record.manifest.worker_cores) or record.manifest.cores
    return -(-record.plan.workers // max(1, cores))


def causes_in(frames: Iterable[AnyFrame], workers_on_core: int) -> set[Cause]:
    """Return what made one second of all workers invalid; empty when it is valid."""
    health = [frame.generator for frame in frames]
    used = [one.cpu_ns / SECOND_NS for one in health]
    causes: set[Cause] = set()
    if any(0 <= one.core_idle_share < CORE_IDLE_SHARE_MIN for one in health):
        own = sum(sorted(used, reverse=True)[:workers_on_core])
        causes.add(Cause.CORE_FULL if own >= OWN_CORE_SHARE else Cause.CORE_TAKEN)
    for one in health:
        causes |= _causes_of_worker(one)
    return causes


def _causes_of_worker(health: GeneratorHealth) -> set[Cause]:
    causes = set()
    if health.core_steal_share > CORE_STEAL_SHARE_MAX:
        causes.add(Cause.STEAL)
    if (
        health.wait_ns >= WAIT_NS_MIN
        and _wait_share(health.cpu_ns, health.wait_ns) > WAIT_SHARE_MAX
    ):
        causes.add(Cause.WAIT)
    lag_us = _schedule_lag([health]).percentile_us(99)
    if lag_us is not None and lag_us * 1_000 > SCHEDULE_LAG_P99_NS_MAX:
        causes.add(Cause.SCHEDULE_LAG)
    if health.loop_lag_ns_max > LOOP_LAG_NS_MAX:
        causes.add(Cause.LOOP_LAG)
    return causes


def _wait_share(cpu_ns: int, wait_ns: int) -> float:
    return wait_ns / (cpu_ns + wait_ns) if wait_ns else 0.0


def _schedule_lag(health: Iterable[GeneratorHealth]) -> Histogram:
    lag = Histogram()
    for one in health:
        lag.add(one.schedule_lag_index, one.schedule_lag_count)
    return lag


def generator_of(record: Record, windows: Windows, validity: Validity) -> Generator:
    """Sum up how well the load generator did its own work during the judged load."""
    load = windows.seconds("load")
    health = [frame.generator for frame in record.frames if frame.second in load]
    why, remedy = validity.on_schedule().doubt(load, answered_twice=True)
    cpu_ns = sum(one.cpu_ns for one in health)
    wait_ns = sum(one.wait_ns for one in health)
    idle = [one.core_idle_share for one in health if one.core_idle_share >= 0]
    lag_us = _schedule_lag(health).percentile_us(99)
    return Generator(
        valid=bool(load) and not why,
        why=f"{why}; {remedy}" if why else "" if load else "the judged load never began",
        workers=record.plan.workers,
        operations=_operations(record, load),
        dropped=_count(record, "dropped_iterations", load),
        schedule_lag_p99_ms=None if lag_us is None else lag_us / 1_000,
        cpu_share=cpu_ns / SECOND_NS / len(health) if health else 0.0,
        wait_share=_wait_share(cpu_ns, wait_ns),
        loop_lag_ms_max=max((one.loop_lag_ns_max for one in health), default=0) / MILLISECOND_NS,
        gc_pause_ms=sum(one.gc_pause_ns for one in health) / MILLISECOND_NS,
        core_idle_share_min=min(idle, default=-1.0),
        core_steal_share_max=max((one.core_steal_share for one in health), default=0.0),
        invalid_seconds=sorted(load & validity.causes.keys()),
    )


def _operations(record: Record, seconds: set[int]) -> int:
    return sum(_count(record, base, seconds) for base in ("http_req", "ws_connect", "ws_send"))


def _count(record: Record, base: str, seconds: set[int]) -> int:
    cells = per_second(record, base, {})
    return merge_cells(cell for second, cell in cells.items() if second in seconds).count
