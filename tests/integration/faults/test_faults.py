"""Each fault on the real thing that it breaks, without a keeper."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest
from tests.integration.faults.small_stack import SmallStack, record_at

from stormproof.faults.chronicle import Chronicle
from stormproof.faults.journal import Journal
from stormproof.faults.parts import RunningPart
from stormproof.faults.process_restart import ProcessRestart
from stormproof.faults.processes import is_alive
from stormproof.kernel.errors import FaultRefused
from stormproof.seams import Fault


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
