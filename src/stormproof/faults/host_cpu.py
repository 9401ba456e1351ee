"""The fault `host-cpu`."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from stormproof.faults.host import Burden, Host, lift_all, what_has_ended, what_is_not_lifted

WITNESS_S = 0.5
_WANTED_SHARE = 0.5  # of what is asked for that is used or waited for, while others use the cores


class HostCpu:
    """Let processes of ours use the cores that the stack runs on.

    What it does:
        Starts `burners` processes, each of which uses `share` of a core (1: all of it), on the
        cores of the stack. Undoing ends them.
    Why it matters:
        A neighbour, a backup or a deployment takes the processor, and queues grow where nothing is
        broken. A service that has no bound on them answers late for long after.
    What a failure looks like:
        Response times far beyond what the lost share explains; health checks time out, so that a
        busy process is restarted, which makes it busier; the backlog is never worked off.
    Limits:
        The kernel shares the cores fairly, so that one burner costs a busy process at most half a
        core. Where load and stack share the cores the load generator suffers as well, and the run
        is rather undecided than wrong. At most 64 burners, which end by themselves ten seconds
        after the fault should have ended.
    Source:
        Litmus' node-cpu-hog and pod-cpu-hog.
    """

    def __init__(self, host: Host, *, name: str, for_ns: int, burners: int, share: float) -> None:
        self._host = host
        self._name = name
        self._for_ns = for_ns
        self._burners = burners
        self._share = share
        self._burdens: list[Burden] = []

    async def inject(self) -> str:
        """Start the burners."""
        for number in range(self._burners):
            name = f"{self._name}-{number + 1}"
            burden = await self._host.burden(name, self._for_ns, "cpu", str(self._share))
            self._burdens.append(burden)
        return f"{self._burners} burners ask for {self._share:g} of a core each"

    async def witness(self) -> str | None:
        """Show how much of the cores the burners have used, or stood in line for."""
        before, began_ns = self._times_ns(), time.monotonic_ns()
        await asyncio.sleep(WITNESS_S)
        after, passed_ns = self._times_ns(), time.monotonic_ns() - began_ns
        used, waited = ((now - then) / passed_ns for now, then in zip(after, before, strict=True))
        asked = self._burners * self._share
        everyone_is_there = all(burden.is_there for burden in self._burdens)
        if not everyone_is_there or not used or used + waited < _WANTED_SHARE * asked:
            return None
        return f"{self._burners} burners use {used:.2f} cores and wait for {waited:.2f} more"

    async def lapse(self) -> str | None:
        """Show a burden that has ended by itself."""
        return what_has_ended(self._burdens)

    async def undo(self) -> str:
        """End the burners."""
        return await lift_all(self._burdens)

    async def residue(self) -> str | None:
        """Show burners that still run."""
        return what_is_not_lifted(self._burdens)

    def _times_ns(self) -> tuple[int, int]:
        """Return how long all burners have run on a core, and waited for one."""
        times = [_times_ns(burden.process.pid) for burden in self._burdens]
        return sum(ran for ran, _ in times), sum(waited for _, waited in times)


def _times_ns(pid: int) -> tuple[int, int]:
    """Return how long a process has run and waited to run; zeros for one that is gone.

    Source: the kernel's documentation of schedstat.
    """
    try:
        ran, waited, _ = Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    return int(ran), int(waited)
