"""Commands that must end with 0: run to their end, by their deadline, with their output logged."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

from stormproof.faults.children import spawn
from stormproof.faults.chronicle import Chronicle
from stormproof.faults.parts import ending, enter, failure_with_log, stop_child
from stormproof.kernel.units import SECOND_NS, duration_text
from stormproof.model.event import PartEvent
from stormproof.model.part import Task

TASK_STOP_NS = SECOND_NS


async def run_task(task: Task, *, run_id: str, log: Path, chronicle: Chronicle) -> None:
    """Run a command to its end; its output is appended to `log`.

    Raises:
        EnvironmentFailure: it cannot be started, fails, or takes too long and is ended.
    """
    child = spawn(task, run_id=run_id, log=log)
    began_ns = time.monotonic_ns()
    try:
        enter(child, chronicle)
        await asyncio.wait([child.exited], timeout=task.deadline_ns / SECOND_NS)
        if not child.exited.done():
            limit = duration_text(task.deadline_ns)
            raise failure_with_log(task.name, f"did not end within {limit}", log)
    finally:
        await stop_child(child, signal.SIGTERM, TASK_STOP_NS, chronicle)
    code = child.exited.result()
    if code != 0:
        raise failure_with_log(task.name, f"failed ({ending(code)})", log)
    now_ns = time.monotonic_ns()
    event = PartEvent(
        at_ns=now_ns,
        part=task.name,
        step="stopped",
        pid=child.process.pid,
        detail=f"done in {duration_text(now_ns - began_ns)}",
    )
    chronicle.note(event)
