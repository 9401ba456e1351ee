"""The command line of docker, as lists of words: nothing goes through a shell.

Every command has a deadline, after which it is ended; its output goes to the run's logs. What
docker itself has been told by then it may still do, so whoever gives up asks how things are.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from stormproof.faults.chronicle import Chronicle
from stormproof.faults.part_logs import log_path, tail
from stormproof.faults.tasks import run_task
from stormproof.kernel.errors import EnvironmentFailure
from stormproof.kernel.units import SECOND_NS
from stormproof.model.part import Project, Task

DOCKER = "docker"
LOOK_NS = 5 * SECOND_NS  # for what is good to know, and what nobody waits for
TAKE_DOWN_S = 90.0
NOT_THERE = "install Docker with its plugin compose, or use a stack of the kind processes"
_ANSWER_BYTES_MAX = 1 << 20
_SHOWN_CHARACTERS = 200


def down_argv(project: str, *, within_s: int, file: str = "") -> list[str]:
    """Return the command that ends all of a project and removes what was made for it.

    Args:
        project: its name, by which all that belongs to it is labelled.
        within_s: how long its containers may take to end.
        file: the compose file; not needed.
    """
    named = ["--file", file] if file else []
    words = ["down", "--volumes", "--remove-orphans", "--timeout", str(within_s)]
    return [DOCKER, "compose", "--project-name", project, *named, *words]


def take_down(project: str) -> str:
    """End all of a project that nobody keeps any more, waiting for it; return why it is not gone
    and what to do by hand, empty when it is."""
    argv = down_argv(project, within_s=1)
    by_hand = f"by hand: {' '.join(argv)}"
    try:
        done = subprocess.run(
            argv,
            cwd="/",  # where no other compose file is taken for the project's
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=TAKE_DOWN_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"{error} ({by_hand})"
    if done.returncode != 0:
        last = " ".join(done.stderr.decode("utf-8", "replace").split())[-_SHOWN_CHARACTERS:]
        return f"{last} ({by_hand})"
    return ""


class DockerCompose:
    """Docker compose for one project of one run."""

    def __init__(self, project: Project, *, run_id: str, logs: Path, chronicle: Chronicle) -> None:
        self._project = project
        self._run_id = run_id
        self._logs = logs
        self._chronicle = chronicle
        self._asking = asyncio.Lock()  # one question at a time: all answers go to one file

    async def check(self) -> None:
        """Make sure that docker and its plugin are there.

        Raises:
            EnvironmentFailure: they are not, or do not answer.
        """
        try:
            await self._run([DOCKER, "compose", "version"])
            await self._run([DOCKER, "version"])  # which fails without its daemon, too
        except EnvironmentFailure as failure:
            raise EnvironmentFailure(
                f"docker compose does not work here: {failure.what}", NOT_THERE
            ) from failure

    async def tell(self, *words: str, deadline_ns: int | None = None) -> None:
        """Give a command for the project, such as `pause web`, with a deadline of its own or the
        usual one.

        Raises:
            EnvironmentFailure: it fails, or does not end by its deadline.
        """
        await self._run(self._argv(words), deadline_ns=deadline_ns)

    async def down(self, *, within_s: int, deadline_ns: int) -> None:
        """End all of the project and remove what was made for it.

        Raises:
            EnvironmentFailure: it fails, or does not end by its deadline.
        """
        argv = down_argv(self._project.name, within_s=within_s, file=self._project.file)
        await self._run(argv, deadline_ns=deadline_ns)

    async def states(self, *, deadline_ns: int | None = None) -> Mapping[str, str]:
        """Return the state of each service that has a container: "running", "paused", "exited".

        Raises:
            EnvironmentFailure: the command fails, or its answer is none.
        """
        log = log_path(self._logs, "docker-ps")
        async with self._asking:
            log.unlink(missing_ok=True)
            argv = self._argv(("ps", "--all", "--format", "json"))
            await self._run(argv, deadline_ns=deadline_ns, log=log)
            with log.open("rb") as stream:
                answer = stream.read(_ANSWER_BYTES_MAX)
        return _states_in(answer.decode("utf-8", "replace"))

    async def fetch_logs(self) -> str:
        """Keep what the containers logged last among the run's logs; return its end."""
        log = log_path(self._logs, "compose")
        words = ("logs", "--no-color", "--tail", "2000")
        try:
            await self._run(self._argv(words), deadline_ns=LOOK_NS, log=log)
        except EnvironmentFailure as failure:
            return failure.what
        return tail(log)

    def _argv(self, words: Sequence[str]) -> list[str]:
        project = self._project
        return [DOCKER, "compose", "--project-name", project.name, "--file", project.file, *words]

    async def _run(
        self, argv: list[str], *, deadline_ns: int | None = None, log: Path | None = None
    ) -> None:
        task = Task(
            name=f"docker-{_verb(argv)}",
            argv=argv,
            env=self._project.env,
            cwd=self._project.cwd,
            deadline_ns=deadline_ns or self._project.command_deadline_ns,
        )
        await run_task(
            task,
            run_id=self._run_id,
            log=log or log_path(self._logs, "docker"),
            chronicle=self._chronicle,
        )


def _verb(argv: Sequence[str]) -> str:
    """Return the word of a command that says what it does."""
    known = ("up", "down", "ps", "logs", "pause", "unpause", "stop", "start", "kill", "version")
    return next((word for word in argv[1:] if word in known), "command")


def _states_in(answer: str) -> dict[str, str]:
    """Read what `ps --format json` answered: a list, or an object a line; other lines are words
    of warning, which docker writes between them.

    Raises:
        EnvironmentFailure: nothing of it can be understood.
    """
    states: dict[str, str] = {}
    is_understood = not answer.strip()
    for line in answer.splitlines():
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, dict):
                continue
            service, state = one.get("Service"), one.get("State")
            if isinstance(service, str) and isinstance(state, str):
                states[service] = state
        is_understood = is_understood or isinstance(value, list | dict)
    if not is_understood:
        shown = " ".join(answer.split())[:_SHOWN_CHARACTERS]
        raise EnvironmentFailure(
            f"docker compose ps did not say how the services are, but: {shown!r}",
            "update Docker and its plugin compose",
        )
    return states
