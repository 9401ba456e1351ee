"""Services of docker compose under a keeper: the exact commands that docker is given, and what
becomes of a project when docker fails, hangs or talks nonsense, or when we die.

docker itself is a stand-in (`docker_standin.py`): what is tested is our side of the command line.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.faults.dead_runs import controlled, heal_all, open_run
from tests.integration.faults.small_stack import HERE, SmallStack, accepts, until

from stormproof.faults.index import OpenRuns
from stormproof.faults.journal import JOURNAL_NAME, leftovers
from stormproof.faults.processes import is_alive, send_signal
from stormproof.kernel.errors import EnvironmentFailure, FaultRefused
from stormproof.kernel.units import MILLISECOND_NS, SECOND_NS
from stormproof.model.event import FaultEvent, FaultStep, PartEvent
from stormproof.model.part import Project, Readiness, Service, project_name
from stormproof.model.plan import PlannedFault

RESTART = PlannedFault(name="restart", kind="process-restart", part="web", at_ns=0)
KILL = PlannedFault(name="kill", kind="process-kill", part="web", at_ns=0,
                    settings={"signal": "TERM"})  # fmt: skip
PAUSE = PlannedFault(name="pause", kind="process-pause", part="web", at_ns=0, for_ns=1)
REFUSED = PlannedFault(name="loop", kind="process-crash-loop", part="web", at_ns=0, for_ns=1)
UNTOUCHED = PlannedFault(name="no", kind="process-pause", part="store", at_ns=0, for_ns=1)
WITNESSED = [FaultStep.INTENT, FaultStep.INJECTED, FaultStep.WITNESSED]
MENDED = [FaultStep.UNDOING, FaultStep.UNDONE, FaultStep.CLEAN]


class Standin:
    """The stand-in of docker, and a small stack whose server is a service of it."""

    def __init__(self, small: SmallStack, folder: Path) -> None:
        self.small = small
        self.folder = folder
        self.file = folder / "docker-compose.yml"
        self.file.write_text("services: {web: {image: web}, store: {image: store}}\n")
        ports = {"web": small.ports["server"], "store": small.ports["server"] + 1}
        (folder / "services.json").write_text(json.dumps(ports))
        command = folder / "docker"
        script = HERE / "docker_standin.py"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {script} "$@"\n')
        command.chmod(0o700)
        self.name = project_name(small.run_id)
        ready = Readiness(kind="http", port=small.ports["server"], path="/")
        small.first_steps = [
            Project(
                name=self.name,
                file=str(self.file),
                cwd=str(folder),
                up_deadline_ns=5 * SECOND_NS,
                command_deadline_ns=5 * SECOND_NS,
            ),
            Service(name="web", ready=ready, stop_deadline_ns=3 * SECOND_NS, breakable=True),
            Service(name="store"),
        ]

    def hurry(self, **deadlines_ns: int) -> None:
        """Give docker less time."""
        project, *services = self.small.first_steps
        assert isinstance(project, Project)
        fields = {name: getattr(project, name) for name in project.__struct_fields__}
        self.small.first_steps = [Project(**{**fields, **deadlines_ns}), *services]

    def misbehave(self, **how: str) -> None:
        """Have it hang, fail or talk nonsense at one of its verbs; at none: behave."""
        (self.folder / "mode.json").write_text(json.dumps(how))

    def calls(self) -> list[list[str]]:
        """Return the commands so far, but for questions."""
        lines = (self.folder / "calls.jsonl").read_text().splitlines()
        every: list[list[str]] = [json.loads(line) for line in lines]
        return [one for one in every if "ps" not in one]

    def ours(self, *words: str) -> list[str]:
        """Return a command for the project, as it must be."""
        return ["compose", "--project-name", self.name, "--file", str(self.file), *words]

    def down(self, within_s: int) -> list[str]:
        """Return the command that takes the project down."""
        words = ("down", "--volumes", "--remove-orphans", "--timeout", str(within_s))
        return self.ours(*words)

    def containers(self) -> list[int]:
        """Return the process ids of its services that are there."""
        state = json.loads((self.folder / "state.json").read_bytes())
        return [one["pid"] for one in state.values()]

    def end(self) -> None:
        """End what a failed test has left."""
        if (self.folder / "state.json").exists():
            for pid in self.containers():
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def docker(small: SmallStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Standin]:
    """Put the stand-in before every other docker."""
    folder = tmp_path / "docker"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_STANDIN", str(folder))
    one = Standin(small, folder)
    try:
        yield one
    finally:
        one.end()


def steps_of(small: SmallStack, fault: str) -> list[FaultStep]:
    events = small.keeper_segment().events
    return [one.step for one in events if isinstance(one, FaultEvent) and one.fault == fault]


async def test_services_are_brought_up_broken_and_taken_down_by_these_commands(
    docker: Standin,
) -> None:
    """Each fault is seen to bite and leaves no residue; docker is given exactly these words, and
    nothing of the project is left."""
    small = docker.small
    stack = small.kept(RESTART, KILL, PAUSE, REFUSED)
    await stack.start()
    assert accepts(small.ports["wire"])
    await stack.inject(RESTART)
    await stack.inject(KILL)
    with pytest.raises(FaultRefused, match="process-crash-loop is no fault of a service"):
        await stack.inject(REFUSED)
    await stack.inject(PAUSE)
    await stack.undo(PAUSE)
    await stack.stop()
    assert docker.calls() == [
        ["compose", "version"],
        ["version"],
        docker.ours("up", "--detach", "--quiet-pull"),
        docker.ours("stop", "--timeout", "3", "web"),
        docker.ours("start", "web"),
        docker.ours("kill", "--signal", "SIGTERM", "web"),
        docker.ours("start", "web"),
        docker.ours("pause", "web"),
        docker.ours("unpause", "web"),
        docker.ours("logs", "--no-color", "--tail", "2000"),
        docker.down(10),
    ]
    for fault in ("restart", "kill", "pause"):
        assert steps_of(small, fault) == [*WITNESSED, *MENDED]
    assert docker.containers() == []
    assert small.is_gone()
    left = leftovers(small.run_dir / JOURNAL_NAME)
    assert left.projects == {}
    assert left.ended is not None
    parts = [one for one in small.keeper_segment().events if isinstance(one, PartEvent)]
    assert not [one for one in parts if one.step == "exited"]
    log = small.run_dir / "logs" / "compose.log"
    assert log.read_text() == "web-1  | the last words of web\n"


async def test_only_services_that_the_plan_names_are_broken(docker: Standin) -> None:
    """A fault on a service that is not breakable is bad input before anything is started."""
    with pytest.raises(Exception, match="store is no part of the stack that may be broken"):
        await docker.small.kept(UNTOUCHED).start()
    assert not (docker.folder / "calls.jsonl").exists()


@pytest.mark.parametrize(
    ("how", "verb", "told"),
    [
        ("fail", "version", "docker compose does not work here: docker-version failed (exit 1)"),
        ("fail", "up", "docker-up failed (exit 1)"),
        ("hang", "up", "docker-up did not end within 500ms"),
        ("garbage", "ps", "did not say how the services are, but: '<html>proxy error</html>'"),
    ],
)
async def test_what_docker_does_wrong_ends_the_start(
    docker: Standin, how: str, verb: str, told: str
) -> None:
    """Docker that fails, hangs or talks nonsense is an environment failure with its last words,
    and what it may have begun is taken down."""
    docker.misbehave(**{how: verb})
    docker.hurry(up_deadline_ns=500 * MILLISECOND_NS)
    with pytest.raises(EnvironmentFailure) as caught:
        await docker.small.kept().start()
    assert told in str(caught.value)
    if how == "fail":
        assert "Is the docker daemon running?" in str(caught.value)
    assert (docker.calls()[-1] == docker.down(10)) == (verb != "version")
    assert docker.small.is_gone()


async def test_a_command_that_hangs_is_given_up_and_what_it_may_have_done_is_undone(
    docker: Standin,
) -> None:
    """A hanging pause fails by its deadline; nothing was paused, so nothing is unpaused."""
    docker.hurry(command_deadline_ns=700 * MILLISECOND_NS)
    stack = docker.small.kept(PAUSE)
    await stack.start()
    docker.misbehave(hang="pause")
    with pytest.raises(EnvironmentFailure, match="docker-pause did not end within 700ms"):
        await stack.inject(PAUSE)
    await stack.stop()
    assert docker.ours("unpause", "web") not in docker.calls()
    assert docker.calls()[-1] == docker.down(10)
    assert docker.small.is_gone()


def test_a_project_is_taken_down_when_the_controller_is_killed(docker: Standin) -> None:
    """Kill -9 of the controller while a service is paused: nothing waits, and all is gone; where
    docker is too slow to unpause it in time, it goes as it is."""
    with controlled(docker.small, PAUSE) as controller:
        keeper = open_run(docker.small).keeper
        controller.kill()
        controller.wait()
        until(lambda: not is_alive(keeper))
    assert docker.calls()[-1] == docker.down(1)
    assert steps_of(docker.small, "pause")[:4] == [*WITNESSED, FaultStep.UNDOING]
    assert docker.small.is_gone()


def test_heal_takes_down_what_keeper_and_controller_left(docker: Standin) -> None:
    """Containers outlive a killed keeper: heal takes the project down by the name that follows from
    the run's; where docker fails it says what to do by hand, and is asked again."""
    small = docker.small
    with controlled(small, PAUSE) as controller:
        keeper = open_run(small).keeper
        send_signal(keeper, signal.SIGKILL)
        controller.kill()
        controller.wait()
        until(lambda: not is_alive(keeper))
    assert len(docker.containers()) == 2
    docker.misbehave(fail="down")
    failed = heal_all(small)
    assert not failed.is_clean
    by_hand = f"by hand: docker compose --project-name {docker.name} down --volumes"
    assert any("is not taken down" in line and by_hand in line for line in failed.lines)
    assert OpenRuns(small.index_dir).entries()[0]
    docker.misbehave()
    healed = heal_all(small)
    assert healed.is_clean
    assert any(f"took the compose project {docker.name} down" in line for line in healed.lines)
    words = ("down", "--volumes", "--remove-orphans", "--timeout", "1")
    assert docker.calls()[-1] == ["compose", "--project-name", docker.name, *words]
    assert docker.containers() == []
    assert small.is_gone()
