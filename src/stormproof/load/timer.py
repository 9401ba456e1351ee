"""A timerfd: an absolute CLOCK_MONOTONIC alarm in nanoseconds that an event loop can wait for.

Event loops keep timers in milliseconds and fire them early or late by as much. `os.timerfd_create`
exists from Python 3.13 on; before that the C library is called.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import ClassVar

from stormproof.kernel.units import SECOND_NS

_CLOCK_MONOTONIC = 1
_NONBLOCK = os.O_NONBLOCK
_CLOEXEC = os.O_CLOEXEC
_ABSOLUTE = 1


class _Timespec(ctypes.Structure):
    _fields_: ClassVar = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


class _Setting(ctypes.Structure):
    _fields_: ClassVar = [("interval", _Timespec), ("value", _Timespec)]


class Alarm:
    """One timerfd; readable once its instant has come."""

    def __init__(self) -> None:
        self._setting = _Setting()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self._create()

    def set(self, at_ns: int) -> None:
        """Ring at `at_ns`; an instant that has passed rings at once. Replaces what was set."""
        value = self._setting.value
        value.seconds, value.nanoseconds = divmod(max(at_ns, 1), SECOND_NS)
        setting = ctypes.byref(self._setting)
        if self._libc.timerfd_settime(self.fd, _ABSOLUTE, setting, None):
            raise _failure("set")

    def acknowledge(self) -> None:
        """Take note that it rang, so that it is no longer readable."""
        try:
            os.read(self.fd, 8)
        except BlockingIOError:
            return  # it was set again before we came to read it

    def close(self) -> None:
        """Give it back; safe to call twice."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _create(self) -> int:
        if sys.version_info >= (3, 13):
            flags = os.TFD_NONBLOCK | os.TFD_CLOEXEC
            return os.timerfd_create(_CLOCK_MONOTONIC, flags=flags)
        fd: int = self._libc.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK | _CLOEXEC)
        if fd < 0:
            raise _failure("create")
        return fd


def _failure(verb: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"cannot {verb} a timer: {os.strerror(number)}")
