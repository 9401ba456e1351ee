"""Logs of parts: their last words, and their bound."""

from __future__ import annotations

from pathlib import Path

import pytest

from stormproof.faults import part_logs
from stormproof.faults.part_logs import bound, log_path, scrub, tail


def test_tail_is_the_last_lines(tmp_path: Path) -> None:
    """Of a long log the last lines are quoted, without blank ones."""
    log = log_path(tmp_path, "api")
    log.write_text("".join(f"line {number}\n\n" for number in range(1_000)))
    lines = tail(log).splitlines()
    assert lines[-1] == "line 999"
    assert len(lines) == 12


def test_tail_masks_passwords_in_urls(tmp_path: Path) -> None:
    """What is quoted in an error holds no password of a connection URL."""
    log = log_path(tmp_path, "api")
    log.write_text("cannot reach postgresql://app:s3cret@127.0.0.1:5432/x or valkey://:word@h:1\n")
    assert tail(log) == "cannot reach postgresql://app:***@127.0.0.1:5432/x or valkey://:***@h:1"


def test_tail_bounds_each_line(tmp_path: Path) -> None:
    """One endless line does not flood an error message."""
    log = log_path(tmp_path, "api")
    log.write_bytes(b"x" * 100_000 + b"\xff")
    assert len(tail(log)) == 300


def test_tail_of_no_log_is_empty(tmp_path: Path) -> None:
    """A part that wrote nothing, or has no log, has no last words."""
    assert tail(log_path(tmp_path, "api")) == ""


def test_log_that_outgrew_its_bound_is_turned_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large log moves aside whole, its writer goes on in the same file, small ones stay."""
    monkeypatch.setattr(part_logs, "LOG_BYTES_MAX", 20)
    large, small = log_path(tmp_path, "large"), log_path(tmp_path, "small")
    small.write_text("short")
    with large.open("ab", buffering=0) as writer:
        writer.write(b"a long first part")
        bound(tmp_path)
        writer.write(b"second")
    assert large.read_bytes() == b"second"
    assert (tmp_path / "large.log.1").read_bytes() == b"a long first part"
    assert small.read_text() == "short"


def test_secrets_are_scrubbed_from_every_log(tmp_path: Path) -> None:
    """Values that were handed to parts are in no log, nor in one that was turned over; logs
    without one are left as they are."""
    told, turned, other = (tmp_path / name for name in ("a.log", "a.log.1", "b.log"))
    told.write_bytes(b"got s3cret and s3cret-longer\xff\n")
    turned.write_bytes(b"s3cret")
    other.write_bytes(b"nothing")
    before = other.stat().st_mtime_ns
    scrub(tmp_path, ["s3cret", "s3cret-longer"])
    assert told.read_bytes() == b"got *** and ***\xff\n"
    assert turned.read_bytes() == b"***"
    assert other.stat().st_mtime_ns == before
