"""How a worker process ends when nobody asks it to."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.integration.load.fleets import HERE, make_plan, scenario, write_run
from tests.integration.load.target import TargetServer

from stormproof.load import channel
from stormproof.store.segment import End, read_segment

ENTRY = [sys.executable, str(HERE / "worker_entry.py")]
# A parent that only waits, so that its death and nothing else reaches the worker.
GUARDIAN = "import subprocess, sys; subprocess.run(sys.argv[1:], stdin=0)"


async def until_prepared(line: socket.socket, run_dir: Path, url: str) -> asyncio.StreamWriter:
    """Give a worker its assignment and wait until its users are ready."""
    reader, writer = await asyncio.open_connection(sock=line)
    assignment = channel.Assignment(
        worker=0, workers=1, run_dir=str(run_dir), base_url=url, cores=[]
    )
    writer.write(channel.pack(assignment) + channel.pack(channel.Prepare(data=b"null")))
    async with asyncio.timeout(20):
        while (payload := await channel.receive(reader)) is not None:
            if isinstance(channel.decode_report(payload), channel.Prepared):
                return writer
    pytest.fail("the worker ended before its users were ready")


async def ended(path: Path) -> End:
    """Wait until the worker has closed its segment."""
    async with asyncio.timeout(20):
        while (end := end_of(path)) is None:
            await asyncio.sleep(0.01)
    return end


def end_of(path: Path) -> End | None:
    """Return the end mark of a segment, if it has one by now."""
    return read_segment(path.read_bytes()).end


def start(argv: list[str], line: socket.socket) -> subprocess.Popen[bytes]:
    """Start a process whose standard input is a socket."""
    return subprocess.Popen(argv, stdin=line.fileno())


@pytest.mark.parametrize(("cause", "how"), [("line", "controller-died"), ("signal", "terminated")])
async def test_worker_ends_by_itself(
    tmp_path: Path, target: TargetServer, cause: str, how: str
) -> None:
    """At the end of the controller's line, or on SIGTERM, the worker closes its segment."""
    write_run(tmp_path, make_plan(scenario("talk", executor="constant-vus", vus=2)))
    ours, theirs = socket.socketpair()
    with theirs, start(ENTRY, theirs) as process:
        theirs.close()
        with closing(await until_prepared(ours, tmp_path, target.url)) as writer:
            if cause == "line":
                writer.close()
            else:
                process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 20) == 0
    assert await ended(tmp_path / "record" / "worker-0.seg") == End(how=how)


async def test_worker_ends_with_its_parent(tmp_path: Path, target: TargetServer) -> None:
    """When the parent is killed the kernel tells the worker, even while its line stays open."""
    write_run(tmp_path, make_plan(scenario("talk", executor="constant-vus", vus=2)))
    ours, theirs = socket.socketpair()
    with theirs:
        argv = [sys.executable, "-c", GUARDIAN, *ENTRY]
        with start(argv, theirs) as guardian:
            line = await until_prepared(ours, tmp_path, target.url)
            with closing(line):
                os.kill(guardian.pid, signal.SIGKILL)
                assert await ended(tmp_path / "record" / "worker-0.seg") == End(how="terminated")
