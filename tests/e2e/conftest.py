"""The shipped command on the embedded stack, in a short run, watched from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 90.0


def short_profile() -> dict[str, Any]:
    """Return the shipped ci profile, cut to a few seconds with one fault in the middle."""
    value: dict[str, Any] = json.loads((ROOT / "load/profiles/ci.json").read_bytes())
    value |= {"warmup": "3s", "duration": "30s"}
    value["faults"] = {
        "cache-cut": {"at": "6s", "for": "15s"},
        "cache-restart": {"at": "24s", "for": "1s"},
    }
    value["thresholds"].pop("messages_acknowledged")
    return value


def wait_until(holds: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait for a condition.

    Raises:
        AssertionError: it did not come true in time.
    """
    end = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < end, f"not within {deadline_s:g} s: {what}"
        time.sleep(0.02)


class Run:
    """A certify run in a process of its own, with its own temporary folder."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir(mode=0o711, exist_ok=True)
        self.out = folder / "runs"
        self.profile = folder / "short.json"
        self.profile.write_text(json.dumps(short_profile()))
        self.environment = {**os.environ, "TMPDIR": str(self.temporary), **environment}
        self.log = folder / "progress.log"
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command of stormproof with the same temporary folder."""
        return subprocess.run(
            [sys.executable, "-m", "stormproof", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
        )

    def start(self, *more: str) -> None:
        """Start certifying; progress goes to a file."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "stormproof", "certify", "--profile", str(self.profile),
                 "--out", str(self.out), *more],
                env=self.environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def progress(self) -> str:
        """Return what it has printed so far."""
        return self.log.read_text(encoding="utf-8")

    def wait_for(self, text: str) -> None:
        """Wait until it has printed `text`."""
        assert self.process is not None
        process = self.process
        wait_until(lambda: text in self.progress() or process.poll() is not None, text)
        assert text in self.progress(), f"{text!r} is not in:\n{self.progress()}"

    def wait(self) -> int:
        """Wait for its end; return its exit code."""
        assert self.process is not None
        return self.process.wait(timeout=DEADLINE_S)

    def directory(self) -> Path:
        """Return its run directory."""
        (only,) = self.out.iterdir()
        return only

    def keeper_pid(self) -> int:
        """Return the process id of its keeper."""
        return next(one.pid for one in self.ours() if "_keeper" in one.cmdline())

    def ours(self) -> list[psutil.Process]:
        """Return every process that belongs to this run, by its temporary folder or its session."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                if process.environ().get("TMPDIR") == str(self.temporary):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def assert_nothing_left(self) -> None:
        """Assert that no process, private folder or index entry of this run is left.

        Raises:
            AssertionError: something is left.
        """
        wait_until(lambda: not self.ours(), f"ended: {self.ours()}")
        left = [path for path in self.temporary.rglob("*") if not path.is_dir()]
        assert left == []
        assert not [path for path in self.temporary.iterdir() if "-demonstration-" in path.name]

    def end(self) -> None:
        """End whatever a failed test has left."""
        for process in self.ours():
            process.send_signal(signal.SIGKILL)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the servers' own user can reach into; pytest keeps its own folders closed."""
    with tempfile.TemporaryDirectory(prefix="sp-e2e-", ignore_cleanup_errors=True) as name:
        path = Path(name)
        path.chmod(0o711)
        yield path


@pytest.fixture
def run(folder: Path) -> Iterator[Run]:
    one = Run(folder)
    try:
        yield one
    finally:
        one.end()
