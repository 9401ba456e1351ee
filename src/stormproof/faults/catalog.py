"""Which fault carries out which kind of planned fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from stormproof.faults.link_bandwidth import LinkBandwidth
from stormproof.faults.link_latency import LinkLatency
from stormproof.faults.link_limit import LinkLimit
from stormproof.faults.link_partition import LinkPartition
from stormproof.faults.link_refusal import LinkRefusal
from stormproof.faults.link_reset import LinkReset
from stormproof.faults.link_slice import LinkSlice
from stormproof.faults.link_slow_close import LinkSlowClose
from stormproof.faults.links import TcpLink
from stormproof.faults.restart import ProcessRestart
from stormproof.faults.running import RunningStack
from stormproof.kernel.errors import FaultRefused
from stormproof.model.plan import PlannedFault
from stormproof.seams import Fault

_ON_LINKS: Final[Mapping[str, Callable[[TcpLink, PlannedFault], Fault]]] = {
    "link-bandwidth": LinkBandwidth,
    "link-latency": LinkLatency,
    "link-limit": LinkLimit,
    "link-partition": LinkPartition,
    "link-refusal": LinkRefusal,
    "link-reset": LinkReset,
    "link-slice": LinkSlice,
    "link-slow-close": LinkSlowClose,
}


def fault_on(stack: RunningStack, planned: PlannedFault) -> Fault:
    """Build a planned fault on a running stack.

    Raises:
        FaultRefused: the stack has no such link or part, or does not let it be broken.
    """
    if planned.kind in _ON_LINKS:
        return _ON_LINKS[planned.kind](stack.link(planned.part), planned)
    match planned.kind:
        case "process-restart":
            return ProcessRestart(stack.part(planned.part))
        case unknown:
            raise FaultRefused(f"no fault of the kind {unknown} is known")
