"""The services of a compose project while they run: brought up together, each asked and told by
its name, ended together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

from stormproof.faults.chronicle import Chronicle
from stormproof.faults.docker import LOOK_NS, DockerCompose
from stormproof.faults.journal import ProjectIntended, ProjectRemoved
from stormproof.faults.readiness import answers
from stormproof.kernel.errors import EnvironmentFailure
from stormproof.kernel.units import SECOND_NS, duration_text
from stormproof.model.event import PartEvent
from stormproof.model.part import Project, Service

RUNNING, PAUSED = "running", "paused"
STOP_MARGIN_NS = 20 * SECOND_NS  # for docker, beside what the container gets
HURRIED_S = 1  # that containers get to end in when nobody waits for them
HURRIED_NS = 20 * SECOND_NS
_ASK_EVERY_S = 0.2


class RunningService:
    """One service of a project; the same object over its restarts."""

    def __init__(self, service: Service, docker: DockerCompose, chronicle: Chronicle) -> None:
        self._service = service
        self._docker = docker
        self._chronicle = chronicle
        self.is_closing = False  # the stack is being stopped: nothing is started any more

    @property
    def name(self) -> str:
        """The service's name in the compose file."""
        return self._service.name

    @property
    def breakable(self) -> bool:
        """Whether the plan lets it be broken."""
        return self._service.breakable

    @property
    def is_asked(self) -> bool:
        """Whether its own answer shows that it is up; a port that accepts is the kernel's."""
        return self._service.ready is not None and self._service.ready.kind != "tcp"

    async def state(self) -> str:
        """Return its state, as docker says it; empty where it has no container.

        Raises:
            EnvironmentFailure: docker does not say.
        """
        return (await self._docker.states()).get(self.name, "")

    async def serves(self) -> bool:
        """Say whether it answers at the port that shows that it is up; else whether it runs."""
        if self._service.ready is None:
            return await self.state() == RUNNING
        return await answers(self._service.ready)

    async def tell(self, *words: str, deadline_ns: int | None = None) -> None:
        """Have docker do something with it, such as `pause`.

        Raises:
            EnvironmentFailure: it fails, or does not end by its deadline.
        """
        await self._docker.tell(*words, self.name, deadline_ns=deadline_ns)

    async def stop(self) -> str:
        """End its container in order, by force after its deadline; return how."""
        allowed_ns = self._service.stop_deadline_ns
        deadline_ns = allowed_ns + STOP_MARGIN_NS
        began_ns = time.monotonic_ns()
        words = ("stop", "--timeout", str(max(1, allowed_ns // SECOND_NS)))
        await self.tell(*words, deadline_ns=deadline_ns)
        detail = f"stopped in {duration_text(time.monotonic_ns() - began_ns)}"
        self.note("stopped", detail)
        return f"{self.name}: {detail}"

    async def start(self) -> None:
        """Start its container again and wait until it serves.

        Raises:
            EnvironmentFailure: it cannot be started, or does not serve by its deadline.
        """
        await self.tell("start")
        await self.wait_ready()

    async def wait_ready(self) -> None:
        """Wait until it serves.

        Raises:
            EnvironmentFailure: it does not by its deadline.
        """
        allowed_ns = self._service.deadline_ns
        deadline_ns = time.monotonic_ns() + allowed_ns
        while not await self.serves():
            if time.monotonic_ns() >= deadline_ns:
                last = await self._docker.fetch_logs()
                raise EnvironmentFailure(
                    f"{self.name} was not ready within {duration_text(allowed_ns)}; "
                    f"its containers logged at last:\n{last}"
                )
            await asyncio.sleep(_ASK_EVERY_S)
        self.note("ready")

    def note(self, step: str, detail: str = "") -> None:
        """Write down what has become of it."""
        event = PartEvent(
            at_ns=time.monotonic_ns(), part=self.name, step=step, pid=0, detail=detail
        )
        self._chronicle.note(event)


class RunningProject:
    """A compose project of this run and its services."""

    def __init__(self, project: Project, *, run_id: str, logs: Path, chronicle: Chronicle) -> None:
        self._project = project
        self._docker = DockerCompose(project, run_id=run_id, logs=logs, chronicle=chronicle)
        self._chronicle = chronicle
        self.services: dict[str, RunningService] = {}
        self.is_gone = True  # whether nothing is left of it

    async def up(self) -> None:
        """Bring all services up, as their file orders them; written down before.

        Raises:
            EnvironmentFailure: there is no docker, or it fails.
        """
        await self._docker.check()
        self._chronicle.commit(None, ProjectIntended(project=self._project.name))
        self.is_gone = False
        words = ("up", "--detach", "--quiet-pull")
        await self._docker.tell(*words, deadline_ns=self._project.up_deadline_ns)

    async def add(self, service: Service) -> None:
        """Wait until a service is ready.

        Raises:
            EnvironmentFailure: it is not by its deadline.
        """
        one = RunningService(service, self._docker, self._chronicle)
        self.services[service.name] = one
        await one.wait_ready()

    def close(self) -> None:
        """Start nothing any more."""
        for service in self.services.values():
            service.is_closing = True

    async def down(self, *, hurry: bool) -> None:
        """End everything and remove what was made for the project; what fails is reported."""
        if self.is_gone:
            return
        if not hurry:
            await self._look_back()
        allowed_ns = HURRIED_NS if hurry else self._project.down_deadline_ns
        within_s = HURRIED_S if hurry else self._project.stop_s
        try:
            await self._docker.down(within_s=within_s, deadline_ns=allowed_ns)
        except EnvironmentFailure as failure:
            self._chronicle.report(f"{self._project.name} was not taken down: {failure}")
            return
        self.is_gone = True
        self._chronicle.note(None, ProjectRemoved(project=self._project.name))

    async def _look_back(self) -> None:
        """Say which services have ended by themselves, and keep what all have logged."""
        try:
            states: Mapping[str, str] = await self._docker.states(deadline_ns=LOOK_NS)
        except EnvironmentFailure as failure:
            self._chronicle.report(f"nobody knows how the services were at the end: {failure}")
            return
        for name, service in self.services.items():
            if (state := states.get(name, "gone")) != RUNNING:
                service.note("exited", f"is {state} at the end")
        await self._docker.fetch_logs()
