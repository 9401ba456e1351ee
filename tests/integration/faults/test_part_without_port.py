"""A part that listens nowhere, such as a worker: up once it has run, broken as all others are."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import pytest
from tests.integration.faults.small_stack import SmallStack, record_at

from stormproof.faults.chronicle import Chronicle
from stormproof.faults.journal import Journal
from stormproof.faults.parts import RunningPart
from stormproof.faults.process_kill import ProcessKill
from stormproof.faults.process_pause import ProcessPause
from stormproof.faults.process_restart import ProcessRestart
from stormproof.faults.process_slow_start import ProcessSlowStart
from stormproof.kernel.errors import EnvironmentFailure
from stormproof.kernel.units import MILLISECOND_NS, SECOND_NS
from stormproof.model.part import Part, Readiness
from stormproof.seams import Fault

WORK = [sys.executable, "-I", "-S", "-c", "import signal; signal.pause()"]


def worker(small: SmallStack, argv: list[str], chronicle: Chronicle) -> RunningPart:
    ready = Readiness(kind="alive", alive_ns=50 * MILLISECOND_NS, deadline_ns=10 * SECOND_NS)
    part = Part(name="worker", argv=argv, cwd=str(small.root), ready=ready, breakable=True)
    return RunningPart(part, run_id=small.run_id, logs=small.root, chronicle=chronicle)


@pytest.fixture
async def chronicle(small: SmallStack) -> AsyncIterator[Chronicle]:
    recorder = record_at(small.run_dir / "record" / "keeper.seg", "keeper")
    one = Chronicle(recorder, Journal(small.run_dir / "undo.jsonl"), lambda event: None)
    yield one
    one.close("completed")


async def test_each_fault_of_processes_is_seen_undone_and_leaves_nothing(
    small: SmallStack, chronicle: Chronicle
) -> None:
    """Restart, kill, pause and slow start are witnessed without a port to ask."""
    part = worker(small, WORK, chronicle)
    await part.start()
    faults: list[Fault] = [
        ProcessRestart(part),
        ProcessKill(part, "KILL"),
        ProcessPause(part),
        ProcessSlowStart(part),
    ]
    for fault in faults:
        await fault.inject()
        assert await fault.witness() is not None, type(fault).__name__
        await fault.undo()
        assert await fault.residue() is None, type(fault).__name__
        assert await part.serves()
    await part.stop()
    assert not await part.serves()


async def test_one_that_ends_at_once_was_never_up(small: SmallStack, chronicle: Chronicle) -> None:
    """A worker that ends within its time is told with the end of its log."""
    part = worker(small, [sys.executable, "-I", "-S", "-c", "print('no queue')"], chronicle)
    with pytest.raises(EnvironmentFailure, match=r"(?s)ended before it was ready.*no queue"):
        await part.start()
