"""A stack of one's own as what the keeper runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec
import pytest
from tests.unit.planning.stack_texts import SOUND, read
from tests.unit.planning.test_compose_files import COMPOSE
from tests.unit.planning.test_compose_files import SOUND as SOUND_COMPOSE

from stormproof.kernel.errors import EnvironmentFailure
from stormproof.model.own_stack import OwnPart, OwnStack
from stormproof.model.part import Link, Part, Project, Readiness, Service, StackPlan, Task
from stormproof.stack import processes
from stormproof.stack.processes import plan_processes

PORTS = {"web": 8123, "cache": 10_001, "cache-link": 10_002}
SECRET = {"CACHE_KEY": "s3cret-of-the-cache"}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OwnStack:
    """Give the sound stack the commands and folders that it names."""
    for name in ("valkey-server", "migrate", "sub/serve"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("#!/bin/sh\n")
        file.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(processes, "choose_ports", lambda names, wanted: PORTS)
    return read(tmp_path)[0]


def planned(own: OwnStack) -> StackPlan:
    return plan_processes(own, "run-1", Path("runs/run-1"), [1], SECRET)


def test_placeholders_are_filled_in_everywhere(own: OwnStack, tmp_path: Path) -> None:
    """Ports, the private folder and secrets stand where the file names them; other braces stay."""
    plan = planned(own)
    cache, link, task, web = plan.steps
    assert isinstance(cache, Part)
    assert isinstance(link, Link)
    assert isinstance(task, Task)
    assert isinstance(web, Part)
    assert cache.argv == ["valkey-server", "--port", "10001"]
    assert (link.listen_port, link.upstream_port) == (10_002, 10_001)
    assert task.argv[1:] == ['{"a": {"b": 1}}', "{ports.web}"]
    assert web.argv[1:] == ["8123", f"{plan.private_dir}/data"]
    assert web.env == {"CACHE": "valkey://:s3cret-of-the-cache@127.0.0.1:10002"}
    assert (web.cwd, web.ready.path) == (str(tmp_path / "sub"), "/health")
    assert plan.base_url == "http://127.0.0.1:8123"
    assert [one.url for one in plan.servers] == ["valkey://:s3cret-of-the-cache@127.0.0.1:10001"]


@pytest.mark.parametrize(("folder", "is_kept"), [("/var/data", True), ("{private}/data", False)])
def test_server_that_holds_its_data_in_the_private_folder_goes_with_the_run(
    own: OwnStack, folder: str, is_kept: bool
) -> None:
    """What a fault changed in a server's data may be there after the run, unless the run's own
    folder held it."""
    steps = [
        msgspec.structs.replace(one, argv=(*one.argv, "--dir", folder))
        if isinstance(one, OwnPart) and one.name == "cache"
        else one
        for one in own.steps
    ]
    plan = planned(msgspec.structs.replace(own, steps=tuple(steps)))
    assert [one.is_kept for one in plan.servers] == [is_kept]


def test_only_what_the_file_says_may_be_broken(own: OwnStack) -> None:
    """`breakable` is false unless it is written down."""
    breakable = [
        one.name for one in planned(own).steps if isinstance(one, Part | Link) and one.breakable
    ]
    assert breakable == ["cache", "cache-link"]


def test_secrets_and_fixed_ports_are_told_to_the_keeper(own: OwnStack) -> None:
    """The keeper knows what to hide, and which ports another run may want as well."""
    plan = planned(own)
    assert plan.hidden == ["s3cret-of-the-cache"]
    assert plan.fixed_ports == [8123]


def test_commands_and_folders_that_are_missing_are_told_together(
    own: OwnStack, tmp_path: Path
) -> None:
    """What is not on this machine is an environment failure that names all of it, but for what a
    task before it may make."""
    (tmp_path / "valkey-server").unlink()
    (tmp_path / "sub" / "serve").unlink()
    early = SOUND.replace('task = "migrate"', 'part = "early"\nready = { port = "web" }').replace(
        'deadline = "10s"', ""
    )
    changed, problems = read(tmp_path, early)
    assert problems == ""
    with pytest.raises(EnvironmentFailure) as caught:
        planned(changed)
    assert "cache: there is no command valkey-server" in str(caught.value)
    assert "web: there is no command ./serve" in str(caught.value)
    (tmp_path / "valkey-server").write_text("#!/bin/sh\n")
    (tmp_path / "valkey-server").chmod(0o700)
    assert planned(own).steps


def test_a_folder_that_is_missing_is_told(own: OwnStack, tmp_path: Path) -> None:
    """A part cannot start in a folder that is not there."""
    text = SOUND.replace("stop = {", 'cwd = "nowhere"\nstop = {')
    with pytest.raises(EnvironmentFailure, match=r"cache: there is no folder .*nowhere"):
        planned(read(tmp_path, text)[0])


def test_the_python_and_the_valkey_of_here_have_placeholders(own: OwnStack, tmp_path: Path) -> None:
    """`{python}` is the interpreter that runs stormproof, `{valkey-server}` the installed wheel."""
    text = SOUND.replace('"valkey-server"', '"{valkey-server}"').replace("./migrate", "{python}")
    cache, _, task, _ = planned(read(tmp_path, text)[0]).steps
    assert isinstance(cache, Part)
    assert isinstance(task, Task)
    assert Path(cache.argv[0]).is_file()
    assert task.argv[0] == sys.executable


def composed(folder: Path) -> OwnStack:
    (folder / "compose.yml").write_text(COMPOSE)
    own, problems = read(folder, SOUND_COMPOSE)
    assert problems == ""
    return own


def test_a_compose_project_comes_before_its_services(
    own: OwnStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name is the run's, its variables are filled in, and services keep their order."""
    (tmp_path / "docker").write_text("#!/bin/sh\n")
    (tmp_path / "docker").chmod(0o700)
    plan = plan_processes(composed(tmp_path), "Run.1", Path("r"), [], {"SHOP_KEY": "s3cret"})
    project, cache, web = plan.steps
    assert isinstance(project, Project)
    assert isinstance(cache, Service)
    assert isinstance(web, Service)
    assert project.name == "stormproof-run-1"
    assert project.file == str(tmp_path / "compose.yml")
    assert project.env == {"WEB_PORT": "8123", "KEY": "s3cret"}
    assert (cache.ready, cache.breakable) == (None, True)
    assert web.ready == Readiness(
        kind="http", port=8123, path="/health", deadline_ns=20_000_000_000
    )


def test_a_machine_without_docker_is_told(
    own: OwnStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One clear message, and what to do instead."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentFailure, match="there is no docker on this machine"):
        plan_processes(composed(tmp_path), "r", Path("r"), [], {"SHOP_KEY": "s3cret"})
