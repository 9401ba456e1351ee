"""The fault `process-slow-start`."""

from __future__ import annotations

from stormproof.faults.coming_back import bring_back, running_process, what_is_not_back
from stormproof.faults.parts import RunningPart
from stormproof.faults.processes import ProcessId, is_alive


class ProcessSlowStart:
    """Restart a part that takes at least as long to become ready as the fault lasts.

    What it does:
        Stops the part in order and starts it at once, but holds the new process before its first
        instruction: it is there, has its place among the processes, and serves nothing. Undoing
        lets it begin and ends once it is ready.
    Why it matters:
        Caches warm up, logs are replayed, images are fetched: a start that took a second when it
        was tried takes a minute on a bad day. Whoever takes "the process runs" for "it serves"
        sends it work too early or gives it up and starts it anew, for ever.
    What a failure looks like:
        Traffic is sent to a part that is not ready; retries without a pause keep it from starting;
        the service needs a restart of its own to notice that its dependency is back.
    Limits:
        Nothing listens meanwhile, so connections are refused at once; a server that accepts and
        does not answer is `process-pause`. The part's own start comes on top of the time held.
    Source:
        Kubernetes' startup probes and the outages that led to them.
    """

    def __init__(self, part: RunningPart) -> None:
        self._part = part
        self._old: ProcessId | None = None
        self._new: ProcessId | None = None

    async def inject(self) -> str:
        """Stop the part and start it, held."""
        self._old = running_process(self._part)
        how = await self._part.stop()
        await self._part.start(held=True)
        self._new = self._part.process
        return f"{how}; its successor is held before it begins"

    async def witness(self) -> str | None:
        """Show that the new process is there and does not serve."""
        if self._new is None or not is_alive(self._new) or await self._part.serves():
            return None
        return f"process {self._new.pid} runs and {self._part.place} does not serve"

    async def undo(self) -> str:
        """Let the new process begin, and wait until it is ready."""
        return await bring_back(self._part)

    async def residue(self) -> str | None:
        """Show an old process that lives, or a part that does not run or answer."""
        return await what_is_not_back(self._part, self._old)
