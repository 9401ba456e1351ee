"""Burden the machine for a while: a program of its own, with the standard library alone.

    burden.py SECONDS cpu SHARE                      use a share of one core
    burden.py SECONDS memory MIB FLOOR_MIB           hold memory, every page of it touched
    burden.py SECONDS disk FOLDER MIB FLOOR_MIB fill|write
                                                     hold a file without a name; write it again

It ends after SECONDS by a timer of the kernel, and before that when less than the floor is left
free. Whatever it holds is given back by its end, however that comes.
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

MIB = 1 << 20
TURN_S = 0.02
LOOK_EVERY_S = 0.2


def burn(share: float) -> None:
    """Use `share` of a core, turn by turn, for ever."""
    while True:
        used_until = time.thread_time() + share * TURN_S
        ends = time.monotonic() + TURN_S
        while time.thread_time() < used_until:
            pass
        time.sleep(max(0.0, ends - time.monotonic()))


def hold_memory(mib: int, floor_mib: int) -> None:
    """Touch `mib` MiB and hold them."""
    prefer_for_killing()
    block = os.urandom(MIB)
    held = mmap.mmap(-1, mib * MIB)  # shared, so that it is counted apart from our own
    for number in range(mib):
        if number % 64 == 0:
            leave_below(available_mib(), floor_mib, "memory")
        held[number * MIB : (number + 1) * MIB] = block
    while True:
        time.sleep(LOOK_EVERY_S)
        leave_below(available_mib(), floor_mib, "memory")


def hold_disk(folder: str, mib: int, floor_mib: int, mode: str) -> None:
    """Hold a file of `mib` MiB that has no name; with the mode "write", write it over and over."""
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        handle = file.fileno()
        os.posix_fallocate(handle, 0, mib * MIB)
        block = os.urandom(MIB)
        number = 0
        while True:
            leave_below(free_mib(folder), floor_mib, "disk")
            if mode != "write":
                time.sleep(LOOK_EVERY_S)
                continue
            os.pwrite(handle, block, number % mib * MIB)
            os.fdatasync(handle)
            number += 1


def prefer_for_killing() -> None:
    """Let the kernel kill this process first where memory runs out."""
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def available_mib() -> int:
    """Return how much memory can still be had without swapping."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("MemAvailable:"))


def free_mib(folder: str) -> int:
    """Return how much an ordinary user may still write to a folder's disk."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize // MIB


def leave_below(left_mib: int, floor_mib: int, what: str) -> None:
    """End where less is left than the floor."""
    if left_mib < floor_mib:
        sys.exit(f"gave up: {left_mib} MiB of {what} are left, the floor is {floor_mib} MiB")


def main(argv: list[str]) -> None:
    """Carry out one burden; it ends by its timer."""
    seconds, kind, *words = argv
    signal.setitimer(signal.ITIMER_REAL, float(seconds))
    match kind, words:
        case "cpu", [share]:
            burn(float(share))
        case "memory", [mib, floor]:
            hold_memory(int(mib), int(floor))
        case "disk", [folder, mib, floor, mode]:
            hold_disk(folder, int(mib), int(floor), mode)
        case _:
            sys.exit(f"no such burden: {kind} {words}")


if __name__ == "__main__":
    main(sys.argv[1:])
