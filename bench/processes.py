"""Run a program on one core and ask the kernel what it cost."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass


class BenchFailure(Exception):
    """A measurement could not be made; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a program printed, and the CPU seconds of it and of all its children."""

    output: str
    cpu_s: float


def run_pinned(argv: Sequence[str], core: int, *, timeout_s: float) -> Cost:
    """Run a program on `core` to its end.

    Raises:
        BenchFailure: it failed, or took longer than `timeout_s`.
    """
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *argv],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        cpu_s, code = _wait(process, timeout_s)
        output.seek(0)
        text = output.read()
    if code:
        raise BenchFailure(f"{argv[0]} ended with {code}: {text[-400:].strip()}")
    return Cost(output=text, cpu_s=cpu_s)


def _wait(process: subprocess.Popen[bytes], timeout_s: float) -> tuple[float, int]:
    """Wait for a process; return what it used and its exit code."""
    timer = _Alarm(process.pid, timeout_s)
    _, status, usage = os.wait4(process.pid, 0)
    timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, process.returncode


class _Alarm:
    """Kill a process and its children once its time is over."""

    def __init__(self, pid: int, timeout_s: float) -> None:
        self._previous = signal.signal(signal.SIGALRM, lambda *_: os.killpg(pid, signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, timeout_s)

    def cancel(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._previous)
