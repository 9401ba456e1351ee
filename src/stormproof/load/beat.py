"""The worker's heartbeat: measure the loop's lag, empty the tape, write what is due."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import count

from stormproof.clients.tape import ROW, Tape
from stormproof.kernel.clock import monotonic_ns
from stormproof.load.health import HealthMonitor
from stormproof.load.recording import Recording

BEAT_NS = 10_000_000
LEDGER_EVERY = 10  # beats: ten times a second
ROWS_AT_ONCE_BYTES = 500 * ROW.size  # binned without waiting for more


async def beat(
    tape: Tape,
    recording: Recording,
    health: HealthMonitor,
    tell_warnings: Callable[[], None],
    sleep_until: Callable[[int], Awaitable[None]],
) -> None:
    """Beat until cancelled; `sleep_until` is the pacer's, since a loop's timers have a grain of a
    millisecond, which would pass for lag.

    Rows are binned in small portions, because the loop stands still meanwhile: at 40,000 operations
    a second a portion takes about a fifth of a millisecond.

    Raises:
        EnvironmentFailure: the record cannot be written.
    """
    for number in count(1):
        due_ns = monotonic_ns() + BEAT_NS
        await sleep_until(due_ns)
        now_ns = monotonic_ns()
        health.note_lag(max(0, now_ns - due_ns))
        ledger_due = number % LEDGER_EVERY == 0
        if ledger_due or len(tape.rows) > ROWS_AT_ONCE_BYTES:
            recording.drain()
        if ledger_due:
            recording.write_ledger()
            recording.write_frames(now_ns)
            tell_warnings()
