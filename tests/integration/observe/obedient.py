"""A process that does what it is told on standard input, and says when it is done."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

MEGABYTE = 1 << 20
PAUSE = [sys.executable, "-c", "import signal; signal.pause()"]
ORPHAN = f"import subprocess; subprocess.Popen({PAUSE!r}, stdin=-3, stdout=-3)"

held: list[object] = []


def grow(megabytes: str) -> None:
    held.append(b"x" * (int(megabytes) * MEGABYTE))


def open_files(count: str) -> None:
    held.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(int(count)))


def connect(host: str, port: str, count: str) -> None:
    held.extend(socket.create_connection((host, int(port))) for _ in range(int(count)))


def start_threads(count: str) -> None:
    for _ in range(int(count)):
        threading.Thread(target=threading.Event().wait, daemon=True).start()


def burn(milliseconds: str) -> None:
    """Use that much CPU, however long it takes."""
    end = time.process_time() + int(milliseconds) / 1000
    while time.process_time() < end:
        pass


def burn_below(milliseconds: str) -> None:
    """Have a child use that much CPU, and wait for its end."""
    code = f"import time\nwhile time.process_time() < {int(milliseconds) / 1000}: pass"
    subprocess.run([sys.executable, "-c", code], check=True)


def fork() -> None:
    held.append(subprocess.Popen(PAUSE, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL))


def orphan() -> None:
    """Start a child whose own child outlives it."""
    subprocess.run([sys.executable, "-c", ORPHAN], check=True)


ORDERS: dict[str, Callable[..., None]] = {
    "grow": grow,
    "open": open_files,
    "connect": connect,
    "threads": start_threads,
    "burn": burn,
    "burn-below": burn_below,
    "fork": fork,
    "orphan": orphan,
}


def main() -> None:
    for line in sys.stdin:
        order, *arguments = line.split()
        ORDERS[order](*arguments)
        sys.stdout.write("done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
