"""What the machine refuses is told in one line with its exit code, and leaves nothing."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import Run


def test_a_taken_port_is_named(run: Run) -> None:
    """A port that the profile fixes and that is in use ends in 69 with its number."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        profile = json.loads(run.profile.read_bytes())
        profile["ports"] = {"api": port}
        run.profile.write_text(json.dumps(profile))
        run.start()
        assert run.wait() == 69
    assert str(port) in run.progress()
    run.assert_nothing_left()


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)  # noqa: S607 - a fixed command


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * 4096)
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017 - what ends the loop


def test_a_full_disk_ends_in_order(run: Run, small_disk: Path) -> None:
    """When the record's disk fills up the run ends in 69, undone and sealed, never with PASS."""
    run.out = small_disk / "runs"
    run.start()
    run.wait_for("phase warmup")
    fill(small_disk / "filler")
    assert run.wait() == 69
    assert "disk is full" in run.progress()
    assert (run.directory() / "seal.json").is_file()
    run.assert_nothing_left()


def test_a_target_that_cannot_start_is_told_with_its_log(run: Run) -> None:
    """A part that ends before it is ready is named with what it printed, and all is stopped."""
    run.environment["SANCTUM_DEFECTS"] = "no_such_defect"
    run.start()
    assert run.wait() == 69
    assert "no_such_defect" in run.progress()
    run.assert_nothing_left()
