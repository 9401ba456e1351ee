"""Runs whose keeper has died, and their healing."""

from __future__ import annotations

import msgspec
from tests.integration.faults.small_stack import SmallStack, record_at

from stormproof.faults.heal import HealReport, heal
from stormproof.faults.index import OpenRun, OpenRuns
from stormproof.faults.journal import JOURNAL_NAME, Journal, Opened
from stormproof.faults.processes import ProcessId, pid_namespace


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
