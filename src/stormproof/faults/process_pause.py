"""The fault `process-pause`."""

from __future__ import annotations

from stormproof.faults.coming_back import running_process
from stormproof.faults.parts import RunningPart
from stormproof.faults.pausing import continue_all, is_stopped, pause_tree
from stormproof.faults.processes import ProcessId, is_alive
from stormproof.faults.standing import StandingConnection
from stormproof.kernel.errors import FaultRefused

ASK_BEFORE_S = 0.5
SILENCE_S = 0.3


class ProcessPause:
    """Stop a part where it stands, with every process below it, and let it go on later.

    What it does:
        Sends SIGSTOP to the part's whole process tree until two looks in a row find nothing that
        runs, children born meanwhile and a PostgreSQL's backends with sessions of their own
        included. Connections stay open, new ones are taken by the kernel, nothing is answered.
        Undoing sends SIGCONT; what had waited is then worked off.
    Why it matters:
        Garbage collectors, full swap, moved virtual machines and stalled disks all look like this:
        a peer that is neither dead nor alive. It holds its locks and leases, and believes when it
        wakes that no time has passed.
    What a failure looks like:
        Clients without a deadline hang with it; a pool's connections are all lost in waiting; two
        processes believe to be the leader; requests that were given up long ago still take effect.
    Limits:
        The kernel goes on: it acknowledges bytes and accepts connections until its queues are
        full. A process that the part has left without a parent runs on. A part that is neither
        HTTP nor PostgreSQL and answers nothing to PING is shown to stand still by its state alone.
    Source:
        Jepsen's pause nemesis (`hammer-time`); PostgreSQL's one session for each backend.
    """

    def __init__(self, part: RunningPart) -> None:
        self._part = part
        self._root: ProcessId | None = None
        self._paused: list[ProcessId] = []
        self._standing: StandingConnection | None = None

    async def inject(self) -> str:
        """Stop all processes of the part; return once they stand still."""
        root = running_process(self._part)
        if self._part.ready.port:
            self._standing = await StandingConnection.open(self._part.ready, within_s=ASK_BEFORE_S)
        self._root = root
        try:
            self._paused = await pause_tree(root)
        except FaultRefused:
            self._hang_up()
            raise
        return f"{len(self._paused)} processes of {self._part.name} stand still"

    async def witness(self) -> str | None:
        """Show that all stand still and that a connection from before gets no answer."""
        silence = await self._silence()
        if silence is None or not self._paused or not all(map(is_stopped, self._paused)):
            return None
        return f"{len(self._paused)} processes of {self._part.name} stand still; {silence}"

    async def lapse(self) -> str | None:
        """Show processes that somebody else has let go on."""
        running = [one for one in self._paused if is_alive(one) and not is_stopped(one)]
        pids = ", ".join(str(one.pid) for one in running)
        return f"of {self._part.name} went on before: processes {pids}" if running else None

    async def undo(self) -> str:
        """Let all go on, also what was born below them."""
        self._hang_up()
        continued = continue_all(self._of_the_pause())
        return f"{len(continued)} processes of {self._part.name} go on"

    async def residue(self) -> str | None:
        """Show a process that still stands still, or a part that has ended meanwhile."""
        stopped = [process for process in self._of_the_pause() if is_stopped(process)]
        if stopped:
            pids = ", ".join(str(process.pid) for process in stopped)
            return f"of {self._part.name} still stand still: processes {pids}"
        if self._root is not None and not is_alive(self._root) and not self._part.is_closing:
            return f"{self._part.name}, process {self._root.pid}, has ended while it was paused"
        return None

    async def _silence(self) -> str | None:
        """Say which connection of ours gets no answer; None when one does."""
        if self._part.ready.kind == "alive":
            return "it has no port to be asked at"
        if self._standing is not None:
            is_silent = await self._standing.is_silent(within_s=SILENCE_S)
            self._hang_up()
            if is_silent:
                return "a connection that had been answered before gets no answer"
        fresh = await StandingConnection.open(self._part.ready, within_s=SILENCE_S)
        if fresh is not None:
            fresh.close()
            return None
        return "a new connection gets no answer"

    def _of_the_pause(self) -> list[ProcessId]:
        return [*self._paused, *([] if self._root is None else [self._root])]

    def _hang_up(self) -> None:
        if self._standing is not None:
            self._standing.close()
            self._standing = None
