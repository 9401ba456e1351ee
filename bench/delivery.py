"""How long the exact delivery check takes over ten million ledger entries, and its memory."""

from __future__ import annotations

import resource
import subprocess
import sys
import time

import numpy as np
from numpy.typing import NDArray

from bench.processes import BenchFailure
from bench.results import Section, at_most
from stormproof.checks.tally import tally_deliveries
from stormproof.model.ledger import NUMPY_FIELDS, EntryKind, make_key

ENTRIES = 10_000_000
MEMBERS = 8  # of each scope: an invoke and an ok, then eight deliveries, are ten entries
SCOPES = 100
PATIENCE_SECONDS = 300


def measure_delivery(pairs: int) -> Section:
    """Measure the check in a process of its own, made ledger included in its memory."""
    runs = [_in_a_process() for _ in range(min(pairs, 3))]
    seconds = at_most("10 million entries: seconds", [one[0] for one in runs], 10)
    grown = at_most("10 million entries: MB beside the ledger", [one[1] for one in runs], 1_000)
    return Section(title="Delivery check", rows=[seconds, grown])


def _in_a_process() -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.delivery"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    if done.returncode:
        raise BenchFailure(f"the delivery check failed: {done.stderr[-300:]}")
    seconds, megabytes = done.stdout.split()
    return float(seconds), float(megabytes)


def ledger(messages: int) -> NDArray[np.void]:
    """Return the ledger of a healthy run: each message acknowledged and received by each member."""
    rows = np.zeros(SCOPES * MEMBERS + messages * (MEMBERS + 2), dtype=np.dtype(NUMPY_FIELDS))
    joined = rows[: SCOPES * MEMBERS]
    joined["kind"] = EntryKind.JOINED
    joined["user"] = np.arange(len(joined)) + 1
    joined["scope"] = np.arange(len(joined)) // MEMBERS + 1
    lives = rows[SCOPES * MEMBERS :].reshape(messages, MEMBERS + 2)
    order = np.arange(messages)
    scope = order % SCOPES + 1
    lives["scope"] = scope[:, None]
    lives["key"] = (np.uint64(make_key(0, 1, 0)) + order.astype(np.uint64))[:, None]
    lives["digest"] = lives["key"] + np.uint64(1)
    lives["at_ns"] = (np.arange(messages * (MEMBERS + 2)) * 1_000).reshape(lives.shape)
    lives["kind"] = [EntryKind.INVOKE, EntryKind.OK, *[EntryKind.RECEIVED] * MEMBERS]
    lives["number"] = (order // SCOPES + 1)[:, None]
    members = (scope - 1)[:, None] * MEMBERS + np.arange(MEMBERS) + 1
    lives["user"] = np.concatenate([members[:, :1], members[:, :1], members], axis=1)
    return rows


def _main() -> None:
    """Print the seconds of one check and the megabytes that it grew the process by."""
    rows = ledger(ENTRIES // (MEMBERS + 2))
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began_s = time.process_time()
    tally = tally_deliveries([rows], drained=True, whole=True)
    seconds = time.process_time() - began_s
    if len(tally.lost) or len(tally.doubled) or not tally.owed:
        sys.exit("the made ledger is not healthy")
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    sys.stdout.write(f"{seconds:.3f} {grown_kb / 1024:.1f}\n")


if __name__ == "__main__":
    _main()
