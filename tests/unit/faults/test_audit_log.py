"""The audit log: whole lines from whoever writes, bounded, and nobody else's file."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest

from stormproof.faults import audit_log
from stormproof.faults.audit_log import AuditLog, default_audit_path, read_log
from stormproof.kernel.errors import EnvironmentFailure
from stormproof.model.audit import AuditEntry

ENTRY = AuditEntry(at="2026-01-01T00:00:00.000Z", what="run-began", who="me@here", run="r1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "audit.jsonl"


def test_what_is_appended_is_read_in_order(path: Path) -> None:
    """Entries come back as they were written, the file is its user's alone."""
    entries = [msgspec.structs.replace(ENTRY, run=f"r{number}") for number in range(5)]
    for entry in entries:
        AuditLog(path).append(entry)
    assert read_log(path) == (entries, 0)
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_two_runs_at_once_write_whole_lines(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four writers, the file turned over meanwhile: every line that is kept can be read."""
    monkeypatch.setattr(audit_log, "FILE_BYTES_MAX", 20_000)
    start = threading.Barrier(4)

    def write(name: int) -> None:
        start.wait()
        for number in range(100):
            AuditLog(path).append(msgspec.structs.replace(ENTRY, run=f"{name}-{number}"))

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    entries, unread = read_log(path)
    assert unread == 0
    assert len({one.run for one in entries}) == len(entries) >= 150
    assert path.with_name("audit.1.jsonl").exists()
    assert sum(file.stat().st_size for file in path.parent.iterdir()) < 50_000


def test_a_text_is_cut_and_stays_in_its_line(path: Path) -> None:
    """A detail of a megabyte with line breaks is three hundred characters of one line."""
    AuditLog(path).append(msgspec.structs.replace(ENTRY, detail="a\nb " * 300_000))
    ((entry,), unread) = read_log(path)
    assert (len(entry.detail), unread) == (300, 0)
    assert len(path.read_bytes().splitlines()) == 1


def test_a_broken_line_costs_itself_alone(path: Path) -> None:
    """What cannot be read is counted, the rest is told."""
    AuditLog(path).append(ENTRY)
    with path.open("ab") as stream:
        stream.write(b'{"torn\n\xff\xfe\n[]\n')
    AuditLog(path).append(ENTRY)
    assert read_log(path) == ([ENTRY, ENTRY], 3)


def test_a_log_that_leads_elsewhere_is_refused(path: Path) -> None:
    """A symbolic link in its place is not followed, and the remedy is told."""
    path.parent.mkdir()
    path.symlink_to(path.parent / "other")
    with pytest.raises(EnvironmentFailure, match=r"cannot be written.*XDG_STATE_HOME"):
        AuditLog(path).append(ENTRY)
    assert not (path.parent / "other").exists()


def test_no_log_is_an_empty_one(path: Path) -> None:
    """Before the first run there is nothing to read, and nothing wrong."""
    assert read_log(path) == ([], 0)


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({"XDG_STATE_HOME": "/s", "HOME": "/h"}, "/s/stormproof/audit.jsonl"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/stormproof/audit.jsonl"),
        ({"HOME": "/h"}, "/h/.local/state/stormproof/audit.jsonl"),
    ],
)
def test_its_place_is_the_users(environment: dict[str, str], place: str) -> None:
    """XDG's folder for state, where it is a whole path."""
    assert str(default_audit_path(environment)) == place


def test_who_has_no_home_has_one_in_the_temporary_folder() -> None:
    """A service's user without a home is audited as well."""
    assert default_audit_path({}).name == "audit.jsonl"
