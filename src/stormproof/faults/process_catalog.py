"""How faults of processes and of the machine are built from what a plan says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from stormproof.faults.host_cpu import HostCpu
from stormproof.faults.host_descriptors import HostDescriptors
from stormproof.faults.host_disk import HostDisk
from stormproof.faults.host_memory import HostMemory
from stormproof.faults.process_crash_loop import ProcessCrashLoop
from stormproof.faults.process_kill import ProcessKill
from stormproof.faults.process_pause import ProcessPause
from stormproof.faults.process_restart import ProcessRestart
from stormproof.faults.process_slow_start import ProcessSlowStart
from stormproof.faults.running import RunningStack
from stormproof.model.plan import PlannedFault
from stormproof.seams import Fault


def _restart(stack: RunningStack, planned: PlannedFault) -> Fault:
    return ProcessRestart(stack.part(planned.part))


def _kill(stack: RunningStack, planned: PlannedFault) -> Fault:
    return ProcessKill(stack.part(planned.part), str(planned.settings["signal"]))


def _pause(stack: RunningStack, planned: PlannedFault) -> Fault:
    return ProcessPause(stack.part(planned.part))


def _slow_start(stack: RunningStack, planned: PlannedFault) -> Fault:
    return ProcessSlowStart(stack.part(planned.part))


def _crash_loop(stack: RunningStack, planned: PlannedFault) -> Fault:
    return ProcessCrashLoop(
        stack.part(planned.part),
        every_ns=int(planned.settings["every"]),
        times=int(planned.settings["times"]),
        for_ns=planned.for_ns,
    )


def _descriptors(stack: RunningStack, planned: PlannedFault) -> Fault:
    return HostDescriptors(
        stack.part(planned.part),
        name=planned.name,
        spare=int(planned.settings["spare"]),
        chronicle=stack.chronicle,
    )


def _cpu(stack: RunningStack, planned: PlannedFault) -> Fault:
    return HostCpu(
        stack.host(),
        name=planned.name,
        for_ns=planned.for_ns,
        burners=int(planned.settings["burners"]),
        share=float(planned.settings["share"]),
    )


def _memory(stack: RunningStack, planned: PlannedFault) -> Fault:
    mib = int(planned.settings["mib"])
    return HostMemory(stack.host(), name=planned.name, for_ns=planned.for_ns, mib=mib)


def _disk(stack: RunningStack, planned: PlannedFault) -> Fault:
    return HostDisk(
        stack.host(),
        name=planned.name,
        for_ns=planned.for_ns,
        mib=int(planned.settings["mib"]),
        leave_mib=int(planned.settings["leave_mib"]),
        mode=str(planned.settings["mode"]),
    )


PROCESS_FAULTS: Final[Mapping[str, Callable[[RunningStack, PlannedFault], Fault]]] = {
    "process-restart": _restart,
    "process-kill": _kill,
    "process-pause": _pause,
    "process-slow-start": _slow_start,
    "process-crash-loop": _crash_loop,
    "host-cpu": _cpu,
    "host-memory": _memory,
    "host-disk": _disk,
    "host-descriptors": _descriptors,
}
