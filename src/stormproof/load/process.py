"""What a worker asks of the operating system for itself."""

from __future__ import annotations

import asyncio
import ctypes
import io
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Collection

from stormproof.kernel.errors import EnvironmentFailure
from stormproof.kernel.limits import LOG_BYTES_MAX

LAST_WORDS_S = 2  # after the signal to end, before the kernel ends the process
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Have the kernel send SIGTERM when the parent dies, however it dies."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0):
        number = ctypes.get_errno()
        raise EnvironmentFailure(f"prctl refuses a death signal: {os.strerror(number)}")


def take_line() -> socket.socket:
    """Return standard input as the socket it is; children of this process will not hold it."""
    line = socket.socket(fileno=os.dup(0))
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    return line


def on_terminate(loop: asyncio.AbstractEventLoop, end: Callable[[], None]) -> None:
    """Call `end` on SIGTERM; the kernel ends the process if that has not done it soon after.

    Journeys are foreign code: one that never gives the loop back would keep the process alive.
    """

    def handle(_number: int, _frame: object) -> None:
        signal.alarm(LAST_WORDS_S)
        loop.call_soon_threadsafe(end)

    signal.signal(signal.SIGTERM, handle)


def pin(cores: Collection[int]) -> None:
    """Run on these cores only; an empty collection leaves it to the kernel.

    Raises:
        EnvironmentFailure: none of them exists, or may be used.
    """
    if not cores:
        return
    try:
        os.sched_setaffinity(0, cores)
    except OSError as error:
        listed = ", ".join(str(core) for core in cores)
        raise EnvironmentFailure(f"cannot run on the cores {listed}: {error.strerror}") from error


def raise_limits() -> None:
    """Allow as many open sockets as the system does."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def bound_output() -> Output:
    """Let what journeys print go to the log, up to a limit."""
    output = Output(2, LOG_BYTES_MAX)
    sys.stdout = sys.stderr = output
    return output


class Output(io.TextIOBase):
    """A text stream onto a file descriptor that falls silent after so many bytes."""

    hide: Callable[[str], str] = staticmethod(str)  # takes secrets out of what is written

    def __init__(self, fd: int, bytes_max: int) -> None:
        self._fd = fd
        self._left = bytes_max

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def write(self, text: str) -> int:
        """Write a text, as much of it as there is room for."""
        data = self.hide(text).encode("utf-8", "replace")[: self._left]
        self._left -= len(data)
        if data:
            os.write(self._fd, data)
        if data and not self._left:
            os.write(self._fd, b"\n(the rest is not kept)\n")
        return len(text)
