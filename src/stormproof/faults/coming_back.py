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

    Raises:
        EnvironmentFailure: it does not come back; says what can be done.
    """
    if part.is_closing:
        return f"{part.name} stays stopped: the whole stack is being stopped"
    try:
        if part.process is None:
            await part.start()
        else:
            await part.become_ready()
    except EnvironmentFailure as failure:
        advice = "mend what its log tells and run again; the run ends here and stops the stack"
        raise EnvironmentFailure(failure.what, failure.fix or advice) from failure
    return f"{part.name} is ready as process {part.pid}"


async def what_is_not_back(part: RunningPart, old: ProcessId | None) -> str | None:
    """Show an old process that lives, or a part that does not run or serve; None when all is well.

    A stack that is being stopped has nothing to come back.
    """
    if old is not None and is_alive(old):
        return f"the old process {old.pid} still runs"
    if part.is_closing:
        return None
    if part.process is None:
        return f"{part.name} does not run"
    if not await part.serves():
        return f"{part.name} runs but does not serve"
    return None
