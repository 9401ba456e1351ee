"""Stacks that do not come up: the error names what is wrong, and nothing stays up."""

from __future__ import annotations

import asyncio
import socket
import sys

import msgspec
import pytest
from tests.integration.faults.small_stack import (
    CUT,
    SmallStack,
    until,
)

from stormproof.faults.journal import JOURNAL_NAME
from stormproof.kernel.errors import BadInput, EnvironmentFailure
from stormproof.model.part import Copy, File, Part, Readiness, Task


async def test_part_that_ends_at_once_is_an_error_with_its_log(small: SmallStack) -> None:
    """A part that ends before it is ready fails the start with its exit code and last words, and
    nothing stays up."""
    small.extra_steps.append(
        Part(
            name="api",
            argv=[sys.executable, "-I", "-S", "-c", "raise SystemExit('no such table')"],
            cwd=str(small.root),
            ready=Readiness(kind="tcp", port=1),
        )
    )
    stack = small.kept()
    with pytest.raises(EnvironmentFailure, match=r"api ended .*exit 1(.|\n)*no such table"):
        await stack.start()
    assert small.is_gone()


async def test_part_that_never_serves_is_given_up(small: SmallStack) -> None:
    """A part that is not ready by its deadline fails the start, and nothing stays up."""
    small.extra_steps.append(
        Part(
            name="api",
            argv=[sys.executable, "-I", "-S", "-c", "import signal; signal.pause()"],
            cwd=str(small.root),
            ready=Readiness(kind="tcp", port=1, deadline_ns=100_000_000),
        )
    )
    with pytest.raises(EnvironmentFailure, match="api was not ready within 100ms"):
        await small.kept().start()
    assert small.is_gone()


@pytest.mark.parametrize(
    ("script", "deadline_ns", "error"),
    [
        ("raise SystemExit('bad seed')", 10**10, r"seed failed \(exit 1\)(.|\n)*bad seed"),
        ("import signal; signal.pause()", 10**8, "seed did not end within 100ms"),
    ],
)
async def test_task_that_fails_stops_the_start(
    small: SmallStack, script: str, deadline_ns: int, error: str
) -> None:
    """A task that fails or does not end in time fails the start with its log, and nothing stays
    up."""
    argv = [sys.executable, "-I", "-S", "-c", script]
    small.extra_steps.append(
        Task(name="seed", argv=argv, cwd=str(small.root), deadline_ns=deadline_ns)
    )
    with pytest.raises(EnvironmentFailure, match=error):
        await small.kept().start()
    assert small.is_gone()


async def test_command_that_does_not_exist_is_named(small: SmallStack) -> None:
    """A command that cannot be started fails the start by its name."""
    small.extra_steps.append(Task(name="seed", argv=["/nowhere/seed"], cwd=str(small.root)))
    with pytest.raises(EnvironmentFailure, match=r"seed cannot be started: .*/nowhere/seed"):
        await small.kept().start()
    assert small.is_gone()


async def test_files_and_copies_lie_below_the_private_folder(small: SmallStack) -> None:
    """Copies and files are made where the plan says, a file closed to others; a place outside
    the private folder is refused."""
    source = small.root / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "file").write_text("text")
    inside = small.private_dir / "copy"
    secret = small.private_dir / "secret"
    script = (
        f"import os; assert open({str(inside / 'deep' / 'file')!r}).read() == 'text';"
        f"assert os.stat({str(secret)!r}).st_mode & 0o777 == 0o600"
    )
    small.extra_steps += [
        Copy(source=str(source), destination=str(inside)),
        File(path=str(secret), text="word"),
        Task(name="look", argv=[sys.executable, "-c", script], cwd=str(small.root)),
        File(path=str(small.private_dir / ".." / "outside"), text="word"),
    ]
    with pytest.raises(EnvironmentFailure, match="outside is not below the private folder"):
        await small.kept().start()
    assert small.is_gone()


async def test_index_that_belongs_to_nobody_we_know_is_refused(small: SmallStack) -> None:
    """A keeper whose index folder is a symbolic link refuses to start anything."""
    small.index_dir.parent.mkdir(mode=0o700)
    small.index_dir.symlink_to(small.root)
    with pytest.raises(EnvironmentFailure, match="is not a folder of this user"):
        await small.kept().start()
    assert not small.private_dir.exists()


def test_port_of_a_part_in_use_is_told_apart(small: SmallStack) -> None:
    """A port that somebody took after the plan was made fails the start and stays theirs."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", small.ports["wire"]))
        other.listen()
        with pytest.raises(EnvironmentFailure, match=f"wire cannot listen.*{small.ports['wire']}"):
            asyncio.run(small.kept().start())
    until(small.is_gone)


async def test_keeper_that_cannot_be_started_is_named(small: SmallStack) -> None:
    """A command for the keeper that does not exist is a clear error."""
    small.keeper_argv = ["/nowhere/keeper"]
    with pytest.raises(EnvironmentFailure, match=r"the keeper cannot be started: .*nowhere"):
        await small.kept().start()


async def test_record_that_cannot_be_opened_stops_the_start(small: SmallStack) -> None:
    """Without a place for its record the keeper starts nothing."""
    (small.run_dir / "record").rmdir()
    with pytest.raises(EnvironmentFailure, match=r"keeper.seg cannot be written"):
        await small.kept().start()
    assert small.is_gone()


async def test_faults_that_cannot_happen_are_bad_input(small: SmallStack) -> None:
    """A plan that breaks what the stack does not have is refused before anything starts."""
    wrong = msgspec.structs.replace(CUT, part="nothing")
    with pytest.raises(BadInput, match="nothing is no link"):
        await small.kept(wrong).start()
    assert not (small.run_dir / JOURNAL_NAME).exists()
