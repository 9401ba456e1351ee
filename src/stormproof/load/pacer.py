"""Wake users at their instants: never early, late by at most a quantum on an idle core.

Theory of operation. Open-model load stands and falls with its clock: an iteration that begins early
hides queueing, one that begins late must be measured from when it should have begun. One timerfd
(see `timer`) wakes the loop at the next instant that anything waits for. On waking, everything
due is released in one batch, in order of its instant; nothing is released before its instant has
passed on CLOCK_MONOTONIC, which is also the clock of every measurement. Waking costs about
ten microseconds of a core, so after a batch the next wake is at least a quantum away: at 40,000
iterations a second ten of them share one wake, each at most 250 us late. That lateness is
measured (schedule lag) and is part of every response time, since that runs from the instant.

    wakes     |    |    |    |         at most one a quantum
    instants  . ..  . .. . .   .       released at the next wake after them

A schedule is a sorted stream of instants and sits in the heap with its next one only, so its length
costs nothing. A release may not block; it hands the instant to a waiting user or counts a drop.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterator
from itertools import count

from stormproof.kernel.clock import monotonic_ns
from stormproof.load.timer import Alarm

QUANTUM_NS = 250_000


class Pacer:
    """Wake sleepers and follow schedules on one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, quantum_ns: int = QUANTUM_NS) -> None:
        self._loop = loop
        self._quantum_ns = quantum_ns
        self._alarm = Alarm()
        self._due: list[tuple[int, int, _Waiting]] = []
        self._order = count()  # of equal instants: first come, first woken
        self._set_ns = 0  # what the alarm is set to; 0 when it is not
        self._woken_ns = 0
        loop.add_reader(self._alarm.fd, self._wake)

    def sleep_until(self, due_ns: int) -> asyncio.Future[None]:
        """Return a future that is done once `due_ns` has passed."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._push(due_ns, future)
        return future

    def follow(
        self, instants_ns: Iterator[int], release: Callable[[int], None]
    ) -> asyncio.Future[None]:
        """Call `release` with each instant (rising) once it has passed.

        Returns:
            A future that is done after the last, or failed when a release has raised; cancel it
            to stop following.
        """
        future: asyncio.Future[None] = self._loop.create_future()
        self._advance(_Schedule(instants_ns, release, future))
        return future

    def close(self) -> None:
        """Stop waking anybody."""
        self._due.clear()
        if self._alarm.fd >= 0:
            self._loop.remove_reader(self._alarm.fd)
            self._alarm.close()

    def _push(self, due_ns: int, waiting: _Waiting) -> None:
        heapq.heappush(self._due, (due_ns, next(self._order), waiting))
        if self._set_ns == 0 or due_ns < self._set_ns:
            self._set(due_ns)

    def _set(self, due_ns: int) -> None:
        at_ns = max(due_ns, self._woken_ns + self._quantum_ns)
        if at_ns != self._set_ns:
            self._set_ns = at_ns
            self._alarm.set(at_ns)

    def _wake(self) -> None:
        self._alarm.acknowledge()
        self._woken_ns = now_ns = monotonic_ns()
        self._set_ns = now_ns  # nothing pushed meanwhile may set the alarm
        due = self._due
        try:
            while due and due[0][0] <= now_ns:
                instant_ns, _, waiting = heapq.heappop(due)
                if isinstance(waiting, _Schedule):
                    self._release(waiting, instant_ns, now_ns)
                elif not waiting.done():
                    waiting.set_result(None)
        finally:  # a release that raises ends its own schedule and nobody else's
            self._set_ns = 0
            if due:
                self._set(due[0][0])

    def _release(self, schedule: _Schedule, instant_ns: int, now_ns: int) -> None:
        if schedule.future.done():
            return
        try:
            schedule.release(instant_ns)
            self._advance(schedule, now_ns)
        except BaseException as error:
            if not schedule.future.done():
                schedule.future.set_exception(error)
            raise

    def _advance(self, schedule: _Schedule, now_ns: int = 0) -> None:
        """Release what is due of a schedule, and wait for the rest of it."""
        for instant_ns in schedule.instants_ns:
            if instant_ns > now_ns:
                self._push(instant_ns, schedule)
                return
            schedule.release(instant_ns)
        if not schedule.future.done():
            schedule.future.set_result(None)


class _Schedule:
    __slots__ = ("future", "instants_ns", "release")

    def __init__(
        self,
        instants_ns: Iterator[int],
        release: Callable[[int], None],
        future: asyncio.Future[None],
    ) -> None:
        self.instants_ns = instants_ns
        self.release = release
        self.future = future


_Waiting = asyncio.Future[None] | _Schedule
