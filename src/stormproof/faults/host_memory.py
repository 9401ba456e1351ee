"""The fault `host-memory`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from stormproof.faults.host import Burden, Host, lift_all, what_has_ended, what_is_not_lifted
from stormproof.faults.memory_left import available_mib
from stormproof.kernel.errors import FaultRefused

WITNESS_S = 10.0
FLOOR_MIB = 256  # with less than this left the memory is given back, whatever the plan says
_LOOK_EVERY_S = 0.05


class HostMemory:
    """Take memory away from the machine.

    What it does:
        A process of ours touches `mib` MiB and holds them. Undoing ends it.
    Why it matters:
        With less memory for its file cache a database reads from disk what it used to have at
        hand; a service whose own memory grows under load meets its limit earlier.
    What a failure looks like:
        Response times rise with the disk's; processes are killed for memory and do not come back;
        work that was acknowledged is lost with them.
    Limits:
        Never more than half of what is available when it begins, in the machine and in the control
        groups we run in: more is refused. With less than 256 MiB left it gives everything back,
        and it is what the kernel kills first. It ends by itself ten seconds after the fault should
        have ended. Memory that is short but not gone may trouble nobody.
    Source:
        Litmus' node-memory-hog; the kernel's `oom_score_adj`.
    """

    def __init__(self, host: Host, *, name: str, for_ns: int, mib: int) -> None:
        self._host = host
        self._name = name
        self._for_ns = for_ns
        self._mib = mib
        self._burdens: list[Burden] = []

    async def inject(self) -> str:
        """Start to take the memory."""
        available = available_mib()
        if self._mib > available // 2 or available - self._mib < FLOOR_MIB:
            limit = max(0, min(available // 2, available - FLOOR_MIB))
            raise FaultRefused(
                f"{self._mib} MiB of memory are not taken: {available} MiB are available, of which "
                f"at most {limit} MiB may be"
            )
        words = ("memory", str(self._mib), str(FLOOR_MIB))
        self._burdens.append(await self._host.burden(self._name, self._for_ns, *words))
        return f"taking {self._mib} MiB of the {available} MiB available"

    async def witness(self) -> str | None:
        """Show that the memory is resident in our process."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + WITNESS_S
        while loop.time() < deadline and all(burden.is_there for burden in self._burdens):
            held = sum(_held_mib(burden.process.pid) for burden in self._burdens)
            if held >= self._mib:
                return f"{held} MiB are held, {available_mib()} MiB are left"
            await asyncio.sleep(_LOOK_EVERY_S)
        return None

    async def lapse(self) -> str | None:
        """Show a burden that has ended by itself."""
        return what_has_ended(self._burdens)

    async def undo(self) -> str:
        """Give the memory back."""
        return await lift_all(self._burdens)

    async def residue(self) -> str | None:
        """Show a process that still holds memory."""
        return what_is_not_lifted(self._burdens)


def _held_mib(pid: int) -> int:
    """Return how much memory a burden holds, which it has asked for as shared memory, so that it is
    told apart from the interpreter's own; 0 for one that is gone. Source: proc(5)."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    sizes = [line.split()[1] for line in text.splitlines() if line.startswith("RssShmem:")]
    return int(sizes[0]) // 1024 if sizes else 0
