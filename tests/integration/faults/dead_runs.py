"""Runs whose keeper has died, and their healing."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from tests.integration.faults.controller_entry import Order
from tests.integration.faults.small_stack import HERE, SmallStack, accepts, record_at, until

from stormproof.faults.heal import HealReport, heal
from stormproof.faults.index import OpenRun, OpenRuns
from stormproof.faults.journal import JOURNAL_NAME, Journal, Opened
from stormproof.faults.processes import ProcessId, is_alive, pid_namespace, send_signal
from stormproof.model.plan import PlannedFault


def heal_all(small: SmallStack) -> HealReport:
    return heal(small.index_dir, None, record_at)


def open_run(small: SmallStack) -> OpenRun:
    (entry,) = small.index_dir.glob("*.json")
    return msgspec.json.decode(entry.read_bytes(), type=OpenRun)


def enter_dead_run(
    small: SmallStack, *, boot: str, keeper: ProcessId | None = None, namespace: str = ""
) -> Journal:
    """Enter a run whose keeper has died, as far as identity and boot say."""
    dead = keeper or ProcessId(pid=2**22 - 1, start_ticks=1)
    opened = Opened(
        run_id=small.run_id,
        boot_id=boot,
        pid_namespace=namespace or pid_namespace(),
        keeper=dead,
        controller=dead,
    )
    OpenRuns(small.index_dir).add(OpenRun.of(opened, small.run_dir))
    journal = Journal(small.run_dir / JOURNAL_NAME)
    journal.append(opened)
    return journal


@contextmanager
def controlled(small: SmallStack, *faults: PlannedFault) -> Iterator[subprocess.Popen[bytes]]:
    """Have a controller of its own start the stack and inject `faults`."""
    order = Order(
        keeper_argv=small.keeper_argv,
        plan=small.plan,
        faults=list(faults),
        index_dir=str(small.index_dir),
    )
    argv = [sys.executable, str(HERE / "controller_entry.py")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as controller:
        assert controller.stdin is not None
        assert controller.stdout is not None
        controller.stdin.write(msgspec.json.encode(order))
        controller.stdin.close()
        try:
            assert controller.stdout.readline() == b"waiting\n"
            yield controller
        finally:
            controller.kill()


def kill_both(small: SmallStack, controller: subprocess.Popen[bytes]) -> None:
    """Kill keeper and controller, the keeper first so that it cannot clean up."""
    keeper = open_run(small).keeper
    send_signal(keeper, signal.SIGKILL)
    controller.kill()
    controller.wait()
    until(lambda: not is_alive(keeper) and not accepts(small.ports["server"]))
