"""A part that a fault took down comes back: how every such fault undoes, and what it may leave."""

from __future__ import annotations

from stormproof.faults.parts import RunningPart
from stormproof.faults.processes import ProcessId, is_alive
from stormproof.kernel.errors import EnvironmentFailure, FaultRefused


def running_process(part: RunningPart) -> ProcessId:
    """Return the process of a part that is to be broken.

    Raises:
        FaultRefused: the part does not run.
    """
    if part.process is None:
        raise FaultRefused(f"{part.name} is not running")
    return part.process


async def evidence_that_it_is_down(part: RunningPart, old: ProcessId | None) -> str | None:
    """Show that a part's old process is gone and that nothing serves in its place."""
    if old is None or is_alive(old) or await part.serves():
        return None
    return f"process {old.pid} is gone and {part.place} does not serve"


async def bring_back(part: RunningPart) -> str:
    """Start a part again unless it runs, and wait until it is ready; return how it is.

    One that answers at its deadline that it is not ready is back as well: what it depends on may
    be broken too, and whether the target recovers is for the probes to tell.

    Raises:
        EnvironmentFailure: it does not come back; says what can be done.
    """
    if part.is_closing:
        return _stays_stopped(part)
    try:
        if part.process is None:
            await part.start(or_answer=True)
        else:
            await part.become_ready(or_answer=True)
    except FaultRefused:
        return _stays_stopped(part)
    except EnvironmentFailure as failure:
        advice = "mend what its log tells and run again; the run ends here and stops the stack"
        raise EnvironmentFailure(failure.what, failure.fix or advice) from failure
    if await part.serves():
        return f"{part.name} is ready as process {part.pid}"
    return f"{part.name} runs as process {part.pid} and answers that it is not ready"


def _stays_stopped(part: RunningPart) -> str:
    return f"{part.name} stays stopped: the whole stack is being stopped"


async def what_is_not_back(part: RunningPart, old: ProcessId | None) -> str | None:
    """Show an old process that lives, or a part that does not run or answer; None when all is well.

    A stack that is being stopped has nothing to come back.
    """
    if old is not None and is_alive(old):
        return f"the old process {old.pid} still runs"
    if part.is_closing:
        return None
    if part.process is None:
        return f"{part.name} does not run"
    if not await part.responds():
        return f"{part.name} runs but does not answer"
    return None
