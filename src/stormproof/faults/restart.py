"""The fault `process-restart`."""

from __future__ import annotations

from stormproof.faults.parts import RunningPart
from stormproof.faults.processes import ProcessId, is_alive
from stormproof.faults.readiness import answers
from stormproof.kernel.errors import FaultRefused


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
        self._old = self._part.process
        if self._old is None:
            raise FaultRefused(f"{self._part.name} is not running")
        return await self._part.stop()

    async def witness(self) -> str | None:
        """Show that the old process is gone and that nothing serves in its place."""
        if self._old is None or is_alive(self._old) or await answers(self._part.ready):
            return None
        return f"process {self._old.pid} is gone and port {self._part.ready.port} does not serve"

    async def undo(self) -> str:
        """Start the part again and wait until it is ready."""
        if self._part.is_closing:
            return f"{self._part.name} stays stopped: the whole stack is being stopped"
        if self._part.process is None:
            await self._part.start()
        return f"{self._part.name} is ready as process {self._part.pid}"

    async def residue(self) -> str | None:
        """Show an old process that lives, or a part that does not run or serve."""
        if self._old is not None and is_alive(self._old):
            return f"the old process {self._old.pid} still runs"
        if self._part.is_closing:
            return None
        if self._part.process is None:
            return f"{self._part.name} does not run"
        if not await answers(self._part.ready):
            return f"{self._part.name} runs but does not serve"
        return None
