"""The logs of the stack's parts: bounded on disk, and their ends quoted in errors."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from stormproof.kernel.limits import LOG_BYTES_MAX
from stormproof.kernel.masking import MASK

_TAIL_BYTES = 8 << 10
_TAIL_LINES = 12
_LINE_LENGTH_MAX = 300
_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@/\s]+@")


def log_path(folder: Path, name: str) -> Path:
    """Return the log of the part or task called `name`."""
    return folder / f"{name}.log"


def tail(log: Path) -> str:
    """Return the last lines of a log, passwords in URLs masked; empty when there are none."""
    if not log.exists():
        return ""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        text = stream.read(_TAIL_BYTES).decode("utf-8", errors="replace")
    lines = [line[:_LINE_LENGTH_MAX] for line in text.splitlines() if line.strip()]
    return _PASSWORD.sub(r"\1***@", "\n".join(lines[-_TAIL_LINES:]))


def bound(folder: Path) -> None:
    """Turn over each log that has outgrown its bound; the part goes on writing to the same file.

    What a part writes between the copy and the cut is lost.
    """
    for log in folder.glob("*.log"):
        if log.stat().st_size > LOG_BYTES_MAX // 2:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            with log.open("r+b") as stream:
                stream.truncate(0)


def scrub(folder: Path, hidden: Sequence[str]) -> None:
    """Take secret values out of all logs; once nobody writes to them any more.

    Raises:
        OSError: a log cannot be read or written.
    """
    values = [value.encode() for value in sorted(hidden, key=len, reverse=True)]
    for log in sorted(folder.glob("*.log*")) if values else ():
        data = log.read_bytes()
        clean = data
        for value in values:
            clean = clean.replace(value, MASK.encode())
        if clean != data:
            log.write_bytes(clean)
