"""The generator's own health, read from the kernel of this machine."""

from __future__ import annotations

import gc
import threading

import msgspec

from stormproof.clients.tape import Tape
from stormproof.load.health import CollectorPauses, HealthMonitor, Meter


def test_meter_reads_the_kernel() -> None:
    """CPU time rises with work, readings are differences, memory and shares are plausible."""
    meter = Meter()
    sum(range(500_000))
    assert meter.cpu_ns() > 0
    assert meter.wait_ns() >= 0
    assert meter.rss_bytes() > 1_000_000
    shares = meter.core_shares()
    assert shares.idle == -1 or 0 <= shares.idle <= 1
    assert shares.steal == -1 or 0 <= shares.steal <= 1
    again = meter.core_shares()
    assert again.idle == -1 or 0 <= again.idle <= 1


def test_waits_survive_ended_threads() -> None:
    """A thread that ended between two readings makes no wait negative."""
    meter = Meter()
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    meter.wait_ns()
    stop.set()
    thread.join()
    assert meter.wait_ns() >= 0


def test_collections_are_measured() -> None:
    """The pauses of the garbage collector are added up and given once."""
    pauses = CollectorPauses()
    gc.collect()
    assert pauses.take_ns() > 0
    pauses.close()
    pauses.close()
    gc.collect()
    assert pauses.take_ns() == 0


def test_health_is_spread_over_seconds() -> None:
    """Health of several seconds at once is shared evenly but for the lags, which start anew."""
    tape = Tape(0)
    tape.sockets = 3
    monitor = HealthMonitor(tape)
    monitor.users = lambda: (7, 2)
    monitor.note_lag(5)
    monitor.note_lag(4)
    assert monitor.of_seconds(0) == []
    first, second = monitor.of_seconds(2)
    assert (first.loop_lag_index, first.loop_lag_count) == ([1], [2])
    assert first == msgspec.structs.replace(second, loop_lag_index=[1], loop_lag_count=[2])
    assert (first.loop_lag_ns_max, first.users, first.users_busy, first.sockets) == (5, 7, 2, 3)
    assert monitor.of_seconds(1)[0].loop_lag_ns_max == 0
    monitor.close()
