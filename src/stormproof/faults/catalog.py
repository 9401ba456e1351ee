"""Which fault carries out which kind of planned fault."""

from __future__ import annotations

from stormproof.faults.partition import LinkPartition
from stormproof.faults.restart import ProcessRestart
from stormproof.faults.running import RunningStack
from stormproof.kernel.errors import FaultRefused
from stormproof.model.plan import PlannedFault
from stormproof.seams import Fault


def fault_on(stack: RunningStack, planned: PlannedFault) -> Fault:
    """Build a planned fault on a running stack.

    Raises:
        FaultRefused: the stack has no such link or part, or does not let it be broken.
    """
    match planned.kind:
        case "link-partition":
            return LinkPartition(stack.link(planned.part))
        case "process-restart":
            return ProcessRestart(stack.part(planned.part))
        case unknown:
            raise FaultRefused(f"no fault of the kind {unknown} is known")
