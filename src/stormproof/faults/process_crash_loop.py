"""The fault `process-crash-loop`."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from stormproof.faults.coming_back import bring_back, running_process, what_is_not_back
from stormproof.faults.parts import RunningPart
from stormproof.faults.processes import ProcessId, is_alive
from stormproof.kernel.errors import EnvironmentFailure, FaultRefused
from stormproof.kernel.units import SECOND_NS, duration_text

STARTS_KEPT_MAX: Final = 100  # identities of killed processes; older ones are long gone
_WITNESS_S = 2.0


class ProcessCrashLoop:
    """Kill a part again and again, each time soon after it was started.

    What it does:
        Kills the part's process tree at once and starts it anew without a pause; `every` so long
        after each start it kills it again, ready or not, until the fault is over or, where `times`
        is given, it was killed so often. The last start is left alone. Undoing waits until the
        part is ready.
    Why it matters:
        A bad setting or a poisoned message kills a process whenever it comes up. A part that is
        away for a second, and again, and again, costs its clients their connections each time,
        and none of the outages is long enough for what only looks once in a while.
    What a failure looks like:
        Health flaps or says "ready" all along; retries of all clients hit each new process at
        once; work that was acknowledged in one of the short lives is lost.
    Limits:
        No delay grows between the starts, as a supervisor's would. A part that needs longer than
        `every` to become ready is never ready. `every` has to be shorter than the fault.
    Source:
        Kubernetes' CrashLoopBackOff; Jepsen's kill nemesis in a tight cycle.
    """

    def __init__(self, part: RunningPart, *, every_ns: int, times: int, for_ns: int) -> None:
        if every_ns >= for_ns:
            lengths = f"{duration_text(every_ns)} is not below {duration_text(for_ns)}"
            raise FaultRefused(
                f"a crash loop's `every` has to be shorter than its `for`: {lengths}"
            )
        self._part = part
        self._every_s = every_ns / SECOND_NS
        self._times = times or for_ns // every_ns + 1
        self._for_s = for_ns / SECOND_NS
        self._killed: list[ProcessId] = []
        self._kills = 0
        self._is_killing = False
        self._killed_again = asyncio.Event()
        self._looping: asyncio.Task[None] | None = None

    async def inject(self) -> str:
        """Kill the process and let the loop begin."""
        running_process(self._part)
        how = await self._kill()
        self._looping = asyncio.get_running_loop().create_task(self._loop())
        return f"{how}; killed again {self._every_s:g}s after each start"

    async def witness(self) -> str | None:
        """Show that the first process is gone and that its successor was killed as well."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._every_s + _WITNESS_S):
                await self._killed_again.wait()
        if not self._killed_again.is_set() or any(map(is_alive, self._killed)):
            return None
        pids = ", ".join(str(process.pid) for process in self._killed)
        return f"killed {self._kills} times by now: processes {pids} are gone"

    async def undo(self) -> str:
        """End the loop, and wait until the part is ready."""
        if self._looping is not None:
            self._looping.cancel()
            await asyncio.gather(self._looping, return_exceptions=True)
        if self._is_killing:
            await self._kill()  # the loop was ended in the middle of it
        return f"killed {self._kills} times; {await bring_back(self._part)}"

    async def residue(self) -> str | None:
        """Show a loop that goes on, a killed process that lives, or a part that does not serve."""
        if not self._is_over():
            return f"{self._part.name} is still being killed"
        alive = [process for process in self._killed if is_alive(process)]
        return await what_is_not_back(self._part, alive[0] if alive else None)

    async def _loop(self) -> None:
        """Start and kill in turn; over by itself when the fault's time is, whoever asks or not."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._for_s
        while not self._part.is_closing:
            is_last = self._kills >= self._times or loop.time() + self._every_s >= end
            try:
                async with asyncio.timeout(None if is_last else self._every_s):
                    await self._live(is_last)
            except TimeoutError:
                await self._kill()
                continue
            except (EnvironmentFailure, FaultRefused):
                await asyncio.sleep(self._every_s)  # it died by itself: that counts as well
            if is_last:
                return

    async def _live(self, is_last: bool) -> None:
        """Start the part; unless it is for the last time wait to be interrupted."""
        await self._part.start()
        if not is_last:
            await asyncio.get_running_loop().create_future()

    async def _kill(self) -> str:
        self._is_killing = True
        if self._part.process is not None:
            self._killed = [*self._killed, self._part.process][-STARTS_KEPT_MAX:]
        how = await self._part.stop(deadline_ns=0)
        self._kills += 1
        self._is_killing = False
        if self._kills >= min(2, self._times):
            self._killed_again.set()
        return how

    def _is_over(self) -> bool:
        return self._looping is None or self._looping.done()
