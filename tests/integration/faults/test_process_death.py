"""What becomes of faults of processes and of the machine when who injected them is killed."""

from __future__ import annotations

import signal

import msgspec
from tests.integration.faults.dead_runs import controlled, heal_all, kill_both, open_run
from tests.integration.faults.small_stack import SmallStack, until

from stormproof.faults.processes import ProcessId, is_alive, marked
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import FaultEvent, FaultStep
from stormproof.model.fault import HOST_PART, KINDS, SettingValue
from stormproof.model.part import Part
from stormproof.model.plan import PlannedFault
from stormproof.stack.ports import choose_ports

CLEANUP_DEADLINE_S = 10.0  # the bar is two seconds; nobody fails here for a busy machine
ON_PARTS = (
    "process-restart",
    "process-kill",
    "process-pause",
    "process-slow-start",
    "process-crash-loop",
    "host-descriptors",
)
ON_HOST = ("host-cpu", "host-memory", "host-disk")
NUMBERS: dict[str, SettingValue] = {"every": 10**8, "mib": 8}


def planned(kind: str, part: str) -> PlannedFault:
    """Plan a fault that lasts longer than any test."""
    settings: dict[str, SettingValue] = {}
    for name, setting in KINDS[kind].settings.items():
        default = setting.default if setting.default is not None else 0
        settings[name] = NUMBERS.get(name, default)
    return PlannedFault(
        name=kind, kind=kind, part=part, at_ns=0, for_ns=600 * SECOND_NS, settings=settings
    )


def every_fault(small: SmallStack) -> list[PlannedFault]:
    """Plan every fault, each of parts on a part of its own; one more part is paused that is told to
    end by SIGINT when the keeper dies, as PostgreSQL is."""
    faults = [planned(kind, f"of-{kind}") for kind in ON_PARTS]
    patient = msgspec.structs.replace(planned("process-pause", "patient"), name="patient")
    faults.append(patient)
    small.ports |= choose_ports([fault.part for fault in faults], {})
    small.extra_steps += [server_of(small, fault.part) for fault in faults]
    return [*faults, *(planned(kind, HOST_PART) for kind in ON_HOST)]


def server_of(small: SmallStack, name: str) -> Part:
    server, port = small.server(), small.ports[name]
    return msgspec.structs.replace(
        server,
        name=name,
        argv=[*server.argv[:-1], str(port)],
        ready=msgspec.structs.replace(server.ready, port=port),
        death_signal=signal.SIGINT if name == "patient" else signal.SIGKILL,
    )


def left_of(small: SmallStack) -> list[ProcessId]:
    return [process for process in marked(small.run_id) if is_alive(process)]


def test_nothing_is_left_when_the_controller_is_killed(small: SmallStack) -> None:
    """After kill -9 of the controller in the middle of every fault the keeper has undone each,
    and neither a process nor a port nor a folder is left."""
    faults = every_fault(small)
    with controlled(small, *faults) as controller:
        keeper = open_run(small).keeper
        controller.kill()
        controller.wait()
        until(lambda: not is_alive(keeper), within_s=CLEANUP_DEADLINE_S)
    assert left_of(small) == []
    assert small.is_gone()
    steps = [one for one in small.keeper_segment().events if isinstance(one, FaultEvent)]
    witnessed = {one.fault for one in steps if one.step is FaultStep.WITNESSED}
    clean = {one.fault for one in steps if one.step is FaultStep.CLEAN and one.after_death}
    assert witnessed == clean == {fault.name for fault in faults}
    assert heal_all(small).lines == ("nothing to do: no run was left open",)


def test_heal_ends_every_fault_of_a_killed_keeper(small: SmallStack) -> None:
    """After kill -9 of keeper and controller in the middle of every fault healing leaves nothing,
    continues what stood still, and names each fault."""
    faults = every_fault(small)
    with controlled(small, *faults) as controller:
        kill_both(small, controller)
    assert len(left_of(small)) == 1
    report = heal_all(small)
    assert report.is_clean
    assert left_of(small) == []
    assert small.is_gone()
    told = "\n".join(report.lines)
    assert "continued patient" in told
    assert all(f"the fault {fault.name} ({fault.kind} of {fault.part})" in told for fault in faults)
