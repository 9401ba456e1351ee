"""The machine that a figure belongs to, and which core does what."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

VERSION_SECONDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """The core of whatever is measured, and the core of its counterpart."""

    tool: int
    server: int


def cores() -> Cores:
    """Return two cores that this process may use.

    Raises:
        SystemExit: there is only one.
    """
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise SystemExit("bench: two cores are needed, one for the tool and one for the server")
    return Cores(tool=usable[-1], server=usable[0])


def describe() -> str:
    """Return the machine in one line."""
    return (
        f"{_processor()}, {os.cpu_count()} cores, Linux {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def version_of(argv: list[str]) -> str:
    """Return the first line that a program prints of its version, or that it is not here."""
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=VERSION_SECONDS, check=False
        )
    except OSError:
        return "not here"
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0].strip() if lines else "no version told"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
