"""The machine below the stack, and the processes of ours that burden it.

A burden is a child of the keeper that holds or uses what a fault takes away. It dies with the
keeper, gives everything back by dying (a file of its has no name), and ends by itself when its time
is over, even if nobody is left who could end it.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Final

from stormproof.faults.children import Child, spawn, uid_of
from stormproof.faults.chronicle import Chronicle
from stormproof.faults.journal import PartStarted
from stormproof.faults.part_logs import log_path, tail
from stormproof.faults.parts import stop_child
from stormproof.faults.processes import ProcessId
from stormproof.kernel.errors import EnvironmentFailure
from stormproof.kernel.units import SECOND_NS
from stormproof.model.part import Task

OVERDUE_NS: Final = 10 * SECOND_NS  # a burden ends by itself so long after its fault should have
_PROGRAM = Path(__file__).with_name("burden.py")


class Host:
    """The machine of one run's stack.

    Args:
        folder: the stack's private folder, on the disk that its databases write to.
        run_id: the run's.
        logs: where burdens say what is wrong.
        chronicle: where they are written down.
    """

    def __init__(self, *, folder: Path, run_id: str, logs: Path, chronicle: Chronicle) -> None:
        self.folder = folder
        self._run_id = run_id
        self._logs = logs
        self._chronicle = chronicle

    async def burden(self, name: str, for_ns: int, *words: str) -> Burden:
        """Put one burden on the machine; `words` are what `burden.py` is told.

        Raises:
            EnvironmentFailure: it cannot be started or written down; it is ended again.
        """
        seconds = str((for_ns + OVERDUE_NS) / SECOND_NS)
        argv = [sys.executable, "-I", "-S", str(_PROGRAM), seconds, *words]
        log = log_path(self._logs, name)
        child = spawn(Task(name=name, argv=argv, cwd="/"), run_id=self._run_id, log=log)
        line = PartStarted(
            part=name,
            process=child.process,
            uid=uid_of(""),
            wall_ns=child.started_wall_ns,
        )
        burden = Burden(child, log, self._chronicle)
        try:
            self._chronicle.commit(None, line)
        except EnvironmentFailure:
            await burden.lift()
            raise
        return burden


class Burden:
    """One burden on the machine."""

    def __init__(self, child: Child, log: Path, chronicle: Chronicle) -> None:
        self._child = child
        self._log = log
        self._chronicle = chronicle

    @property
    def process(self) -> ProcessId:
        """Its process."""
        return self._child.process

    @property
    def is_there(self) -> bool:
        """Whether it has not ended."""
        return not self._child.exited.done()

    @property
    def last_words(self) -> str:
        """What it said before it ended by itself; empty when it said nothing."""
        return tail(self._log)

    async def lift(self) -> None:
        """End it; safe to call twice."""
        await stop_child(self._child, signal.SIGKILL, 0, self._chronicle)


async def lift_all(burdens: list[Burden]) -> str:
    """End all burdens; say how many there were and which had ended before."""
    gone = [burden.last_words or "without a word" for burden in burdens if not burden.is_there]
    for burden in burdens:
        await burden.lift()
    early = f"; {len(gone)} had ended before: {gone[0]}" if gone else ""
    return f"{len(burdens)} burdens lifted{early}"


def what_has_ended(burdens: list[Burden]) -> str | None:
    """Show burdens that have ended by themselves; None when there are none."""
    gone = [burden.last_words or "without a word" for burden in burdens if not burden.is_there]
    return f"{len(gone)} of {len(burdens)} burdens had ended: {gone[0]}" if gone else None


def what_is_not_lifted(burdens: list[Burden]) -> str | None:
    """Show burdens that still weigh; None when there are none."""
    left = ", ".join(str(burden.process.pid) for burden in burdens if burden.is_there)
    return f"burdens still run: processes {left}" if left else None
