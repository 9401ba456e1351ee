"""The fault `host-cpu`."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from stormproof.faults.host import Burden, Host, lift_all, what_is_not_lifted
from stormproof.kernel.units import SECOND_NS

WITNESS_S = 0.5
_BITES_SHARE = 0.25  # of what is asked for; the stack takes its part of the same cores
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


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
            self._burdens.append(self._host.burden(name, self._for_ns, "cpu", str(self._share)))
        return f"{self._burners} burners ask for {self._share:g} of a core each"

    async def witness(self) -> str | None:
        """Show how much of the cores the burners have used."""
        before_s, began_ns = self._used_s(), time.monotonic_ns()
        await asyncio.sleep(WITNESS_S)
        used = (self._used_s() - before_s) / ((time.monotonic_ns() - began_ns) / SECOND_NS)
        asked = min(self._burners * self._share, len(os.sched_getaffinity(0)))
        if used < _BITES_SHARE * asked or not all(burden.is_there for burden in self._burdens):
            return None
        return f"{self._burners} burners use {used:.2f} cores, {asked:.2f} are asked for"

    async def undo(self) -> str:
        """End the burners."""
        return await lift_all(self._burdens)

    async def residue(self) -> str | None:
        """Show burners that still run."""
        return what_is_not_lifted(self._burdens)

    def _used_s(self) -> float:
        """Return the processor time that all burners have used, in seconds."""
        return sum(_cpu_s(burden.process.pid) for burden in self._burdens if burden.is_there)


def _cpu_s(pid: int) -> float:
    """Return a process's user and system time; 0 for one that is gone. Source: proc(5)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    fields = text[text.rindex(")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
