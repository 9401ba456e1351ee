"""The fault `process-restart`."""

from __future__ import annotations

from stormproof.faults.coming_back import (
    bring_back,
    evidence_that_it_is_down,
    running_process,
    what_is_not_back,
)
from stormproof.faults.parts import RunningPart
from stormproof.faults.processes import ProcessId


class ProcessRestart:
    """Stop a part's process and start a new one in its place.

    What it does:
        Sends the part its stop signal, kills what is left of its process tree at the deadline, and
        is injected once the process is gone. Undoing starts the part again, as it was started at
        first, and ends once it is ready. What the process held in memory is lost.
    Why it matters:
        Dependencies are upgraded, moved and killed for memory. Their clients see refused
        connections, then a server that has forgotten every session, subscription and cached value.
    What a failure looks like:
        The service crashes, never reconnects, answers errors long after the part is back, or
        loses what it had acknowledged.
    Limits:
        The part ends by its stop signal first and so may save what it saves on a clean stop; the
        new process takes the same port and configuration.
    Source:
        Jepsen's process nemesis; Litmus' container-kill.
    """

    def __init__(self, part: RunningPart) -> None:
        self._part = part
        self._old: ProcessId | None = None

    async def inject(self) -> str:
        """Stop the process; return once it is gone."""
        self._old = running_process(self._part)
        return await self._part.stop()

    async def witness(self) -> str | None:
        """Show that the old process is gone and that nothing serves in its place."""
        return await evidence_that_it_is_down(self._part, self._old)

    async def undo(self) -> str:
        """Start the part again and wait until it is ready."""
        return await bring_back(self._part)

    async def residue(self) -> str | None:
        """Show an old process that lives, or a part that does not run or answer."""
        return await what_is_not_back(self._part, self._old)
