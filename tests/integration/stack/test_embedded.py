"""The embedded stack for real: PostgreSQL, Valkey and Sanctum."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.integration.faults.controller_entry import Order
from tests.integration.faults.small_stack import HERE, KEEPER_ARGV, record_at, until
from tests.integration.stack.embedded_run import CUT, RESTART, EmbeddedRun

from stormproof.faults import shared_memory
from stormproof.faults.heal import heal
from stormproof.faults.journal import JOURNAL_NAME, leftovers
from stormproof.faults.processes import (
    descendants,
    identify,
    is_alive,
    kill_tree,
    marked,
    send_signal,
)
from stormproof.faults.readiness import answers
from stormproof.faults.shared_memory import SharedMemory
from stormproof.model.event import FaultEvent, FaultStep
from stormproof.model.part import Readiness

CLEANUP_DEADLINE_S = (
    10.0  # the bar is two seconds, and it takes a third of one when nobody else wants the CPU
)


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedRun]:
    """Offer an embedded stack to a test, and end what the test has left of it."""
    run = EmbeddedRun(root=tmp_path)
    try:
        yield run
    finally:
        left = marked(run.run_id)
        for process in left:
            kill_tree(process, deadline_ns=2**63)
        shutil.rmtree(run.private_dir, ignore_errors=True)
    assert not left, f"processes of the stack were left: {left}"


def shared_memory_of(run: EmbeddedRun) -> list[SharedMemory]:
    """Return the segments of all parts that the run's journal says it has started."""
    parts = [
        line
        for line in (run.run_dir / JOURNAL_NAME).read_bytes().splitlines()
        if b'"part-started"' in line
    ]
    started = [msgspec.json.decode(line) for line in parts]
    return [
        segment
        for one in started
        for segment in shared_memory.left_by(
            pid=one["process"]["pid"], uid=one["uid"], since_ns=one["wall_ns"]
        )
    ]


def dynamic_shared_memory() -> set[str]:
    return {path.name for path in Path("/dev/shm").glob("PostgreSQL.*")}  # noqa: S108


def fault_steps(run: EmbeddedRun) -> list[tuple[str, FaultStep]]:
    return [(one.fault, one.step) for one in run.events if isinstance(one, FaultEvent)]


async def test_whole_stack_suffers_its_faults_and_leaves_nothing(embedded: EmbeddedRun) -> None:
    """The stack comes up ready, its servers not as root; a cut of the cache link and a restart of
    the cache bite and leave no residue; then no process, port, folder or shared memory is left."""
    before = dynamic_shared_memory()
    stack = embedded.kept(CUT, RESTART)
    base_url = await stack.start()
    ready = Readiness(kind="http", port=int(base_url.rsplit(":", 1)[1]), path="/health/ready")
    assert await answers(ready)
    assert shared_memory_of(embedded)
    assert 0 not in owners(embedded)
    server = identify(embedded.pids()["postgres"])
    assert server is not None
    everything = [server, *descendants(server)]
    for fault in (CUT, RESTART):
        await stack.inject(fault)
        await stack.undo(fault)
    await stack.stop()
    bites = [FaultStep.INTENT, FaultStep.INJECTED, FaultStep.WITNESSED]
    mends = [FaultStep.UNDOING, FaultStep.UNDONE, FaultStep.CLEAN]
    assert fault_steps(embedded) == [
        (fault.name, step) for fault in (CUT, RESTART) for step in bites + mends
    ]
    assert embedded.is_gone()
    assert not any(is_alive(process) for process in everything)
    assert not shared_memory_of(embedded)
    assert dynamic_shared_memory() <= before
    assert not marked(embedded.run_id)


def owners(run: EmbeddedRun) -> set[int]:
    """Return the users that the database and the cache run as."""
    pids = run.pids()
    return {Path(f"/proc/{pids[name]}").stat().st_uid for name in ("postgres", "cache")}


def start_and_cut(run: EmbeddedRun) -> subprocess.Popen[bytes]:
    order = Order(
        keeper_argv=KEEPER_ARGV, plan=run.plan, faults=[CUT], index_dir=str(run.index_dir)
    )
    argv = [sys.executable, str(HERE / "controller_entry.py")]
    controller = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert controller.stdin is not None
    assert controller.stdout is not None
    controller.stdin.write(msgspec.json.encode(order))
    controller.stdin.close()
    assert controller.stdout.readline() == b"waiting\n"
    controller.stdout.close()
    return controller


def test_controller_killed_while_the_link_is_cut(embedded: EmbeddedRun) -> None:
    """Soon after kill -9 of the controller the cut is undone and the whole stack is gone."""
    with start_and_cut(embedded) as controller:
        opened = leftovers(embedded.run_dir / JOURNAL_NAME).opened
        assert opened is not None
        controller.kill()
        controller.wait()
        until(lambda: not is_alive(opened.keeper), within_s=CLEANUP_DEADLINE_S)
    assert embedded.is_gone()
    assert not shared_memory_of(embedded)
    assert leftovers(embedded.run_dir / JOURNAL_NAME).ended is not None


def test_everything_killed_at_once_is_healed(embedded: EmbeddedRun) -> None:
    """After kill -9 of PostgreSQL, keeper and controller its shared memory and its folder are
    left, and healing removes both."""
    with start_and_cut(embedded) as controller:
        left = leftovers(embedded.run_dir / JOURNAL_NAME)
        assert left.opened is not None
        send_signal(left.opened.keeper, signal.SIGSTOP)  # so that it sees nothing of what follows
        (server,) = [process for process, one in left.parts.items() if one.part == "postgres"]
        send_signal(server, signal.SIGKILL)
        until(lambda: not is_alive(server))
        send_signal(left.opened.keeper, signal.SIGKILL)
        controller.kill()
    assert shared_memory_of(embedded)
    assert embedded.private_dir.exists()
    report = heal(embedded.index_dir, None, record_at)
    assert report.is_clean, report.lines
    assert not shared_memory_of(embedded)
    assert not marked(embedded.run_id)
    until(embedded.is_gone)


async def test_part_that_cannot_start_is_told_with_its_log(embedded: EmbeddedRun) -> None:
    """A database port that is taken between plan and start fails the start with what PostgreSQL
    says about it, and leaves nothing."""
    port = embedded.ports()[0]
    taker = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", port)
    try:
        with pytest.raises(Exception, match=r"postgres ended before it was ready(.|\n)*in use"):
            await embedded.kept().start()
    finally:
        taker.close()
        await taker.wait_closed()
    assert embedded.is_gone()
