"""The small stack as a fixture; whatever a test leaves of it is a failure of the test."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest
from tests.integration.faults.real_servers import MADE, PLACES
from tests.integration.faults.small_stack import SmallStack, record_at
from tests.sanctum.servers import Postgres

from stormproof.faults.chronicle import Chronicle
from stormproof.faults.journal import Journal
from stormproof.faults.parts import RunningPart
from stormproof.faults.processes import identify_self, kill_tree, marked
from stormproof.model.event import Event

KILL_PATIENCE_NS = 10 * 10**9


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallStack]:
    """Offer a stack of its own to a test, and end what the test has left of it."""
    stack = SmallStack(root=tmp_path)
    try:
        yield stack
    finally:
        left = [process for process in marked(stack.run_id) if process != identify_self()]
        for process in left:
            kill_tree(process, deadline_ns=time.monotonic_ns() + KILL_PATIENCE_NS)
        shutil.rmtree(stack.private_dir, ignore_errors=True)
    assert not left, f"processes of the stack were left: {left}"


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
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as process:
        yield process
        process.kill()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Serve a database with the application's role and table."""
    server = Postgres(max_connections=str(PLACES))
    server.start()
    asyncio.run(server.execute(*MADE))
    yield server
    server.stop()


@pytest.fixture
def promises() -> list[Mapping[str, str]]:
    """Take what faults promise to put back."""
    return []
