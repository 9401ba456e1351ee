"""The faults of processes on the services of a compose project, by the same names.

    process-restart   stop SERVICE    undone by   start SERVICE
    process-kill      kill SERVICE    undone by   start SERVICE
    process-pause     pause SERVICE   undone by   unpause SERVICE

What each undoes follows from how the service is found, so that undoing is safe where docker had
not carried out the fault, or has undone it already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from stormproof.faults.services import PAUSED, RUNNING, RunningService
from stormproof.kernel.errors import FaultRefused
from stormproof.model.plan import PlannedFault
from stormproof.seams import Fault


class _Down:
    """What a service that was taken down shows, and how it comes back."""

    def __init__(self, service: RunningService) -> None:
        self._service = service

    async def witness(self) -> str | None:
        """Show that its container does not run and that nothing serves in its place."""
        state = await self._service.state()
        if state in (RUNNING, PAUSED) or await self._service.serves():
            return None
        return f"{self._service.name} is {state or 'gone'} and does not serve"

    async def undo(self) -> str:
        """Start the service again and wait until it serves."""
        if self._service.is_closing:
            return f"{self._service.name} stays down: the whole stack is being stopped"
        if await self._service.state() != RUNNING:
            await self._service.start()
        return f"{self._service.name} runs"

    async def residue(self) -> str | None:
        """Show a service that does not run or serve."""
        if self._service.is_closing:
            return None
        return await _what_is_wrong(self._service)


class ServiceRestart(_Down):
    """Stop a service's container and start it again.

    What it does:
        `docker compose stop`: the stop signal, then force at the service's deadline. Undoing
        starts the same container and ends once it serves. What it held in memory is lost, what it
        wrote to its own file system is not.
    Why it matters:
        Containers are rolled, moved and upgraded; their clients see refused connections, then a
        server that has forgotten every session.
    What a failure looks like:
        As of a restarted process: clients that never reconnect, errors long after it is back.
    Limits:
        The address of the container may change within its network, as it does in operation.
    Source:
        Litmus' container-kill; the commands of docker compose.
    """

    async def inject(self) -> str:
        """Stop the container; return once it has ended."""
        await _refuse_unless_running(self._service)
        return await self._service.stop()


class ServiceKill(_Down):
    """Kill a service's container, which ends without a last word.

    What it does:
        `docker compose kill` with the signal of the plan. A restart policy may bring the container
        back by itself; then there is nothing to witness. Undoing starts it where nobody has.
    Why it matters:
        The kernel kills for memory and machines lose power: nothing is flushed or said good-bye to.
    What a failure looks like:
        Data that was acknowledged is gone; locks and leases of the dead are never taken over.
    Limits:
        A container that survives the signal is no fault that bites.
    Source:
        Jepsen's process nemesis; the commands of docker compose.
    """

    def __init__(self, service: RunningService, signal_name: str) -> None:
        super().__init__(service)
        self._signal = f"SIG{signal_name}"

    async def inject(self) -> str:
        """Kill the container."""
        await _refuse_unless_running(self._service)
        await self._service.tell("kill", "--signal", self._signal)
        self._service.note("stopped", self._signal)
        return f"{self._service.name}: {self._signal}"


class ServicePause:
    """Freeze all processes of a service's container.

    What it does:
        `docker compose pause`: the container's control group is frozen, its connections stay open
        and silent. Undoing thaws it.
    Why it matters:
        Garbage collectors, overloaded hosts and live migration stop a peer and close nothing.
    What a failure looks like:
        Callers wait without a deadline, pools run dry, and health says ready.
    Limits:
        The kernel still takes connections and bytes for it, up to its buffers.
    Source:
        Jepsen's pause nemesis; the commands of docker compose.
    """

    def __init__(self, service: RunningService) -> None:
        self._service = service

    async def inject(self) -> str:
        """Freeze the container."""
        await _refuse_unless_running(self._service)
        await self._service.tell("pause")
        return f"{self._service.name} is paused"

    async def witness(self) -> str | None:
        """Show that docker says so, and that it answers no more, where it is asked."""
        if await self._service.state() != PAUSED:
            return None
        if self._service.is_asked and await self._service.serves():
            return None
        return f"{self._service.name} is {PAUSED}"

    async def undo(self) -> str:
        """Thaw the container, if it is frozen."""
        if await self._service.state() == PAUSED:
            await self._service.tell("unpause")
            await self._service.wait_ready()
        return f"{self._service.name} goes on"

    async def residue(self) -> str | None:
        """Show a service that is still frozen, or does not serve."""
        return await _what_is_wrong(self._service)


async def _refuse_unless_running(service: RunningService) -> None:
    state = await service.state()
    if state != RUNNING:
        raise FaultRefused(f"{service.name} is {state or 'not there'}, not running")


async def _what_is_wrong(service: RunningService) -> str | None:
    state = await service.state()
    if state != RUNNING:
        return f"{service.name} is {state or 'gone'}"
    return None if await service.serves() else f"{service.name} runs but does not serve"


SERVICE_FAULTS: Final[dict[str, Callable[[RunningService, PlannedFault], Fault]]] = {
    "process-restart": lambda service, _: ServiceRestart(service),
    "process-kill": lambda service, planned: ServiceKill(
        service, str(planned.settings.get("signal", "KILL"))
    ),
    "process-pause": lambda service, _: ServicePause(service),
}


def service_fault(service: RunningService, planned: PlannedFault) -> Fault:
    """Build a planned fault on a service.

    Raises:
        FaultRefused: services do not suffer faults of its kind, or this one may not be broken.
    """
    if not service.breakable:
        raise FaultRefused(f"{service.name} is no service of this stack that may be broken")
    build = SERVICE_FAULTS.get(planned.kind)
    if build is None:
        known = ", ".join(SERVICE_FAULTS)
        raise FaultRefused(f"{planned.kind} is no fault of a service; known: {known}")
    return build(service, planned)
