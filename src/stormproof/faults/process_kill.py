"""The fault `process-kill`."""

from __future__ import annotations

import signal
from typing import Final

from stormproof.faults.coming_back import (
    bring_back,
    evidence_that_it_is_down,
    running_process,
    what_is_not_back,
)
from stormproof.faults.parts import RunningPart
from stormproof.faults.processes import ProcessId

SIGNALS: Final = {"KILL": signal.SIGKILL, "TERM": signal.SIGTERM}


class ProcessKill:
    """Kill a part, which stays down as long as the fault lasts.

    What it does:
        With `signal` KILL (default) the part's process and all below it are gone at once, without
        a last word; with TERM they are asked to end and killed at the part's deadline. It is
        injected once nothing of them is left. Undoing starts the part again and ends once it is
        ready; a PostgreSQL first recovers from its log.
    Why it matters:
        The kernel kills for memory, machines lose power, deployments give up waiting. Whatever was
        acknowledged has to be on disk by then, and whoever depends on the part has to come back.
    What a failure looks like:
        Acknowledged work is missing after the restart; the part does not come up over what it left
        behind; its clients hang on dead connections, or never connect again.
    Limits:
        The machine lives on: what the kernel had taken for the disk is not lost, as it would be
        without power. A PostgreSQL told TERM waits for its clients, so that it is mostly killed.
        Its shared memory is removed before it is started again, as a reboot would do.
    Source:
        Jepsen's kill nemesis; Litmus' container-kill and pod-delete.
    """

    def __init__(self, part: RunningPart, signal_name: str) -> None:
        self._part = part
        self._signal = SIGNALS[signal_name]
        self._old: ProcessId | None = None

    async def inject(self) -> str:
        """Kill the process and all below it; return once they are gone."""
        self._old = running_process(self._part)
        if self._signal == signal.SIGKILL:
            return await self._part.stop(deadline_ns=0)
        return await self._part.stop(signal_number=self._signal)

    async def witness(self) -> str | None:
        """Show that the old process is gone and that nothing serves in its place."""
        return await evidence_that_it_is_down(self._part, self._old)

    async def undo(self) -> str:
        """Start the part again and wait until it is ready."""
        return await bring_back(self._part)

    async def residue(self) -> str | None:
        """Show an old process that lives, or a part that does not run or answer."""
        return await what_is_not_back(self._part, self._old)
