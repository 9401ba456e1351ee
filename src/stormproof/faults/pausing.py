"""Stop a whole process tree where it stands, and let it go on.

A process that is stopped still gets signals, but acts on none save SIGKILL until it is continued:
so whoever ends something that may be stopped continues it after having told it to end.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from stormproof.faults.processes import ProcessId, is_alive, send_signal, trees
from stormproof.kernel.errors import FaultRefused
from stormproof.kernel.units import SECOND_NS

PAUSE_DEADLINE_NS = 2 * SECOND_NS  # one that waits for its disk stops when that has answered
_STOPPED_STATES = frozenset("Tt")
_LOOK_EVERY_S = 0.005


async def pause_tree(root: ProcessId) -> list[ProcessId]:
    """Stop `root` and all below it; return what stands still.

    A process may have been born while its parent was being stopped, and has a session of its own
    where it likes. So the tree is looked at until two looks in a row find the same processes, all
    of them stopped: between these nothing can be born.

    Raises:
        FaultRefused: something does not stop in time; everything goes on again.
    """
    deadline_ns = time.monotonic_ns() + PAUSE_DEADLINE_NS
    known: set[ProcessId] = set()
    was_quiet = False
    while True:
        tree = [process for process in trees([root]) if is_alive(process)]
        running = [process for process in tree if not is_stopped(process)]
        is_quiet = bool(tree) and not running and set(tree) == known
        if is_quiet and was_quiet:
            return tree
        if time.monotonic_ns() >= deadline_ns:
            continue_all([*known, *tree])
            pids = ", ".join(str(process.pid) for process in running)
            raise FaultRefused(f"process {pids or root.pid} does not stop where it stands")
        for process in running:
            send_signal(process, signal.SIGSTOP)
        known, was_quiet = set(tree), is_quiet
        await asyncio.sleep(_LOOK_EVERY_S)


def continue_all(processes: Iterable[ProcessId]) -> list[ProcessId]:
    """Continue what is stopped of `processes` and of all below them; return what was."""
    stopped = [process for process in trees(processes) if is_stopped(process)]
    for process in stopped:
        send_signal(process, signal.SIGCONT)
    return stopped


def is_stopped(process: ProcessId) -> bool:
    """Say whether `process` lives and none of its threads runs, because it was stopped."""
    if not is_alive(process):
        return False
    states = [_state(thread) for thread in Path(f"/proc/{process.pid}/task").glob("*/stat")]
    return bool(states) and all(state in _STOPPED_STATES for state in states if state)


def _state(stat: Path) -> str:
    """Return the state of one thread; empty when it has ended."""
    try:
        text = stat.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return text[text.rindex(")") + 2 :][:1]
