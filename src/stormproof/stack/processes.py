"""A stack of the user's own, from its file to what the keeper runs: commands, links between them,
and the services of a compose file."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stormproof.kernel.errors import EnvironmentFailure
from stormproof.kernel.placeholders import filled, placeholders_in
from stormproof.kernel.units import SECOND_NS
from stormproof.model.own_stack import (
    OwnCompose,
    OwnLink,
    OwnPart,
    OwnReadiness,
    OwnService,
    OwnStack,
    OwnStep,
    OwnTask,
)
from stormproof.model.part import (
    Link,
    Part,
    Project,
    Readiness,
    Server,
    Service,
    StackPlan,
    Step,
    Task,
    project_name,
)
from stormproof.stack.ports import HOST, choose_ports, is_taken
from stormproof.stack.servers import find_valkey

VALKEY = "valkey-server"
SERVICE_READY_NS = 60 * SECOND_NS  # where nothing is asked but that it runs


def plan_processes(
    own: OwnStack,
    run_id: str,
    run_dir: Path,
    stack_cores: Sequence[int],
    secret_values: Mapping[str, str],
    *,
    seed: int = 0,
) -> StackPlan:
    """Plan a stack of one's own for one run; nothing is made or started.

    Args:
        own: what its file says.
        run_id: names the run.
        run_dir: its run directory, where the parts' logs go.
        stack_cores: the cores that all parts run on; empty: any.
        secret_values: the values of its secrets, by name.
        seed: of what its links draw.

    Raises:
        EnvironmentFailure: a port is taken, or one from outside is not served; a command or a
            folder is not there.
    """
    private = Path(tempfile.gettempdir()).resolve() / (
        f"stormproof-{run_id}-{secrets.token_hex(4)}"
    )
    filling = Filling.of(own, private, secret_values)
    steps = [_step(one, filling, list(stack_cores)) for one in own.steps]
    if own.compose is not None:
        steps.insert(0, _project(own.compose, filling, run_id))
    _refuse_missing(own, steps, private)
    return StackPlan(
        run_id=run_id,
        run_dir=str(run_dir.resolve()),
        private_dir=str(private),
        base_url=filling.text(own.base_url),
        seed=seed,
        cores=list(stack_cores),
        steps=steps,
        servers=[
            Server(
                part=one.part,
                kind=one.kind,
                url=filling.text(one.url),
                is_kept=not _goes_with(private, one.part, steps),
            )
            for one in own.servers
        ],
        fixed_ports=sorted(port for port in own.ports.values() if port),
        hidden=list(secret_values.values()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """What the placeholders of one run stand for."""

    ports: Mapping[str, int]
    values: Mapping[str, str]
    folder: Path

    @classmethod
    def of(cls, own: OwnStack, private: Path, secret_values: Mapping[str, str]) -> Filling:
        """Choose the ports of a stack, and gather what its texts stand for.

        Raises:
            EnvironmentFailure: a port is taken, or Valkey is asked for and not installed.
        """
        wanted = {name: port for name, port in own.ports.items() if port}
        ports = {**choose_ports(list(own.ports), wanted), **own.outside}
        _refuse_silent(own.outside)
        values = {f"ports.{name}": str(port) for name, port in ports.items()}
        values |= {f"secrets.{name}": value for name, value in secret_values.items()}
        values |= {"folder": own.folder, "private": str(private), "python": sys.executable}
        if _asks_for(own, VALKEY):
            values[VALKEY] = str(find_valkey())
        return cls(ports=ports, values=values, folder=Path(own.folder))

    def text(self, text: str) -> str:
        """Return a text with all its placeholders filled in."""
        return filled(text, self.values)

    def texts(self, named: Mapping[str, str]) -> dict[str, str]:
        """Return named texts, filled in."""
        return {name: self.text(text) for name, text in named.items()}

    def argv(self, words: Sequence[str]) -> list[str]:
        """Return a command, filled in."""
        return [self.text(word) for word in words]

    def cwd(self, text: str) -> str:
        """Return a working folder: below the stack file's, unless it is absolute."""
        return str(self.folder / self.text(text))

    def ready(self, ready: OwnReadiness) -> Readiness:
        """Return what is asked to know that a part is up."""
        return Readiness(
            kind=ready.how,
            port=self.ports[ready.port] if ready.port else 0,
            path=self.text(ready.path),
            alive_ns=ready.alive_ns,
            deadline_ns=ready.deadline_ns,
        )


def _refuse_silent(outside: Mapping[str, int]) -> None:
    """Refuse ports that somebody else should serve, and nobody does, all of them at once.

    Raises:
        EnvironmentFailure: with each that takes no connection.
    """
    silent = [f"{name} ({port})" for name, port in outside.items() if not is_taken(port)]
    if silent:
        raise EnvironmentFailure(
            f"nobody listens on what runs outside of the stack: {', '.join(silent)}",
            "start it, or correct its port in the stack file",
        )


def _project(compose: OwnCompose, filling: Filling, run_id: str) -> Project:
    """Return the compose project, which comes before everything else.

    Raises:
        EnvironmentFailure: there is no docker on this machine.
    """
    if shutil.which("docker") is None:
        raise EnvironmentFailure(
            "there is no docker on this machine",
            "install Docker with its plugin compose, or use a stack of the kind processes",
        )
    return Project(
        name=project_name(run_id),
        file=str(filling.folder / compose.file),
        env=filling.texts(compose.env),
        cwd=str(filling.folder),
        up_deadline_ns=compose.up_deadline_ns,
    )


def _service(own: OwnService, filling: Filling) -> Service:
    ready = None if own.ready is None else filling.ready(own.ready)
    return Service(
        name=own.name,
        ready=ready,
        deadline_ns=SERVICE_READY_NS if ready is None else ready.deadline_ns,
        stop_deadline_ns=own.stop_deadline_ns,
        breakable=own.breakable,
    )


def _asks_for(own: OwnStack, name: str) -> bool:
    words = [word for one in own.steps if isinstance(one, OwnPart | OwnTask)
             for word in (*one.argv, *one.env.values())]  # fmt: skip
    return any(name in placeholders_in(word) for word in words)


def _step(own: OwnStep, filling: Filling, cores: list[int]) -> Step:
    match own:
        case OwnPart():
            return Part(
                name=own.name,
                argv=filling.argv(own.argv),
                env=filling.texts(own.env),
                cwd=filling.cwd(own.cwd),
                ready=filling.ready(own.ready),
                stop_signal=own.stop_signal,
                stop_deadline_ns=own.stop_deadline_ns,
                cores=cores,
                breakable=own.breakable,
            )
        case OwnTask():
            return Task(
                name=own.name,
                argv=filling.argv(own.argv),
                env=filling.texts(own.env),
                cwd=filling.cwd(own.cwd),
                deadline_ns=own.deadline_ns,
            )
        case OwnService():
            return _service(own, filling)
        case OwnLink():
            return Link(
                name=own.name,
                listen_port=filling.ports[own.listen],
                upstream_port=filling.ports[own.upstream],
                host=HOST,
                breakable=own.breakable,
            )


def _goes_with(private: Path, part: str, steps: Sequence[Step]) -> bool:
    """Say whether a part keeps what it holds below the private folder, as far as one can see."""
    parts = [step for step in steps if isinstance(step, Part) and step.name == part]
    return any(str(private) in word for step in parts for word in (*step.argv, step.cwd))


def _refuse_missing(own: OwnStack, steps: Sequence[Step], private: Path) -> None:
    """Refuse commands and folders that are not there, all of them at once.

    What lies below the private folder, or is made by a task of the stack, is not looked for.

    Raises:
        EnvironmentFailure: with each that is missing.
    """
    missing = []
    has_task = False
    for step in steps:
        if not isinstance(step, Part | Task):
            continue
        has_task = has_task or isinstance(step, Task)
        if has_task or private in (Path(step.cwd), *Path(step.cwd).parents):
            continue
        if not Path(step.cwd).is_dir():
            missing.append(f"{step.name}: there is no folder {step.cwd}")
        elif not _is_command(step):
            missing.append(f"{step.name}: there is no command {step.argv[0]}")
    if missing:
        raise EnvironmentFailure(
            f"{own.file} names what is not on this machine: {'; '.join(missing)}",
            "install it, or correct the file",
        )


def _is_command(step: Part | Task) -> bool:
    """Say whether a step's command can be executed, as the system looks for it."""
    path = step.env.get("PATH", os.environ.get("PATH", os.defpath))
    name = step.argv[0]
    return shutil.which(str(Path(step.cwd) / name) if "/" in name else name, path=path) is not None
