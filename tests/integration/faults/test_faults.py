"""Each fault on the real thing that it breaks, without a keeper."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.integration.faults.small_stack import SmallStack, record_at

from stormproof.faults import partition
from stormproof.faults.chronicle import Chronicle
from stormproof.faults.journal import Journal
from stormproof.faults.links import TcpLink
from stormproof.faults.partition import LinkPartition
from stormproof.faults.parts import RunningPart
from stormproof.faults.processes import is_alive
from stormproof.faults.restart import ProcessRestart
from stormproof.kernel.errors import FaultRefused
from stormproof.model.event import Event
from stormproof.seams import Fault


@pytest.fixture
async def part(small: SmallStack) -> AsyncIterator[RunningPart]:
    """Run the small stack's server."""
    told: list[Event] = []
    recorder = record_at(small.run_dir / "record" / "keeper.seg", "keeper")
    chronicle = Chronicle(recorder, Journal(small.run_dir / "undo.jsonl"), told.append)
    server = RunningPart(small.server(), run_id=small.run_id, logs=small.root, chronicle=chronicle)
    await server.start()
    yield server
    await server.stop()
    chronicle.close("completed")


@pytest.fixture
async def link(small: SmallStack, part: RunningPart) -> AsyncIterator[TcpLink]:
    """Link to that server."""
    wire = TcpLink(small.link())
    await wire.open()
    yield wire
    await wire.close()


async def speak(link: TcpLink, word: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(link.host, link.listen_port)
    writer.write(word)
    return reader, writer


async def test_partition_keeps_the_contract_of_faults(link: TcpLink) -> None:
    """A cut bites, is residue of itself while in force, and is gone after one undo or two."""
    fault: Fault = LinkPartition(link)
    assert "holds 0 connections" in await fault.inject()
    reader, writer = await speak(link, b"word")
    assert "4 bytes and 1 new connections held back" in (await fault.witness() or "")
    assert await fault.residue() == "wire still holds"
    assert "released 4 bytes" in await fault.undo()
    assert await reader.readexactly(4) == b"word"
    await fault.undo()
    assert await fault.residue() is None
    writer.close()


async def test_partition_that_lets_something_through_is_not_witnessed(link: TcpLink) -> None:
    """A link that was released behind the fault's back gives no evidence of a cut."""
    fault = LinkPartition(link)
    await fault.inject()
    _, writer = await speak(link, b"word")
    witnessing = asyncio.ensure_future(fault.witness())
    while not link.held_back().bytes:
        await asyncio.sleep(0)
    link.release()
    assert await witnessing is None
    writer.close()


async def test_partition_before_a_dead_upstream_leaves_residue(
    link: TcpLink, part: RunningPart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the undo a link through which nothing gets is residue."""
    monkeypatch.setattr(partition, "_CONNECT_S", 0.1)
    fault = LinkPartition(link)
    await fault.inject()
    await part.stop()
    await fault.undo()
    assert await fault.residue() == "a new connection through wire reaches no upstream"


async def test_restart_keeps_the_contract_of_faults(part: RunningPart) -> None:
    """A restart bites while the part is down, is residue of itself until then, and is gone after
    one undo or two."""
    fault: Fault = ProcessRestart(part)
    old = part.process
    assert old is not None
    assert await fault.witness() is None
    await fault.inject()
    assert not is_alive(old)
    assert "is gone" in (await fault.witness() or "")
    assert await fault.residue() == "server does not run"
    await fault.undo()
    new = part.process
    await fault.undo()
    assert part.process == new != old
    assert await fault.residue() is None
    assert await fault.witness() is None


async def test_restart_of_what_does_not_run_is_refused(part: RunningPart) -> None:
    """A part that is down already cannot be restarted as a fault."""
    await part.stop()
    with pytest.raises(FaultRefused, match="server is not running"):
        await ProcessRestart(part).inject()


async def test_restart_is_not_finished_while_the_stack_goes_down(part: RunningPart) -> None:
    """When everything is being stopped a part that is down stays down, without residue."""
    fault = ProcessRestart(part)
    await fault.inject()
    part.is_closing = True
    assert "stays stopped" in await fault.undo()
    assert await fault.residue() is None
    assert part.process is None


async def test_part_that_ignores_its_signal_is_killed_with_all_below_it(
    small: SmallStack, tmp_path: Path
) -> None:
    """A part that does not end by its deadline is killed, and what it has started too."""
    script = (
        "import os, signal, socket, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    time.sleep(600)\n"
        "server = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
        "time.sleep(600)\n"
    )
    server = msgspec.structs.replace(
        small.server(),
        argv=[sys.executable, "-I", "-S", "-c", script, str(small.ports["server"])],
        stop_deadline_ns=50_000_000,
    )
    recorder = record_at(small.run_dir / "record" / "keeper.seg", "keeper")
    chronicle = Chronicle(recorder, Journal(small.run_dir / "undo.jsonl"), lambda event: None)
    part = RunningPart(server, run_id=small.run_id, logs=tmp_path, chronicle=chronicle)
    await part.start()
    assert "SIGKILL, ended by SIGKILL" in await part.stop()
    assert await part.stop() == "server did not run"
    chronicle.close("completed")
    assert chronicle.problems == []
