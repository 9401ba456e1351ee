"""The audit log: one file a user, outside of all run directories, that is only ever appended to.

Each entry is a line of JSON, written at once, so that two runs may write side by side. When the
file is full it becomes `audit.1.jsonl`, in the place of the one before, and a new one is begun:
so much history is kept, and no more. Nothing here undoes anything: that is the journal's.

What cannot be written is told and keeps nobody from a run: the record holds the same events.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import socket
import stat
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from stormproof.kernel.canonical import UNREADABLE
from stormproof.kernel.errors import EnvironmentFailure
from stormproof.model.audit import AUDITED_STEPS, RUN_ENDED, AuditEntry, AuditOrigin
from stormproof.model.control import Start
from stormproof.model.event import FaultEvent

FILE_BYTES_MAX: Final = 8 << 20
TEXT_MAX: Final = 300  # characters of a field
_APPEND: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


def default_audit_path(environment: Mapping[str, str]) -> Path:
    """Return this user's log: below XDG_STATE_HOME, else ~/.local/state, else where there is room.

    A user without a home has it below the temporary directory.
    """
    state = environment.get("XDG_STATE_HOME", "")
    if state.startswith("/"):
        return Path(state) / "stormproof" / "audit.jsonl"
    home = environment.get("HOME", "")
    if home.startswith("/"):
        return Path(home) / ".local" / "state" / "stormproof" / "audit.jsonl"
    return Path(tempfile.gettempdir()) / f"stormproof-{os.geteuid()}" / "audit.jsonl"


def user_and_host() -> str:
    """Return who we are, as the operating system says it, not the environment."""
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        name = f"uid {os.geteuid()}"
    return f"{name}@{socket.gethostname()}"


def now_text() -> str:
    """Return the wall clock as an entry has it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class AuditLog:
    """Append to the log at `path`; the file and its folder are made as they are needed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, entry: AuditEntry) -> None:
        """Append an entry, each of its texts cut to `TEXT_MAX` characters in a line.

        Raises:
            EnvironmentFailure: it cannot be written, or is not this user's own.
        """
        line = msgspec.json.encode(_bounded(entry)) + b"\n"
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self._path, _APPEND, 0o600)
            try:
                self._check(handle)
                if os.write(handle, line) != len(line):
                    os.write(handle, b"\n")  # the next entry is whole again
                is_full = os.fstat(handle).st_size >= FILE_BYTES_MAX
            finally:
                os.close(handle)
            if is_full:
                self._turn()
        except OSError as error:
            raise EnvironmentFailure(
                f"the audit log {self._path} cannot be written: {error.strerror}",
                "set XDG_STATE_HOME to a folder of yours that can be written",
            ) from error

    def _check(self, handle: int) -> None:
        status = os.fstat(handle)
        if status.st_uid != os.geteuid() or not stat.S_ISREG(status.st_mode):
            raise EnvironmentFailure(f"the audit log {self._path} is no file of this user's own")

    def _turn(self) -> None:
        """Put a full file aside, unless somebody else is doing so or has done it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        lock = os.open(self._path.with_suffix(".lock"), flags, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._path.stat().st_size >= FILE_BYTES_MAX:
                self._path.rename(_older(self._path))
        except (BlockingIOError, FileNotFoundError):
            return  # somebody is doing so, or has done it a moment ago
        finally:
            os.close(lock)


class FaultAudit:
    """Enter what happens to the faults of one run, and its end where nobody else can."""

    def __init__(self, origin: AuditOrigin, start: Start) -> None:
        self._log = AuditLog(Path(origin.path))
        self._origin = origin
        self._start = start
        self._faults = {fault.name: fault for fault in start.faults}

    @classmethod
    def of(cls, start: Start) -> FaultAudit | None:
        """Return the audit of the run that a keeper is to start; None where it has none."""
        return None if start.audit is None else cls(start.audit, start)

    def enter(self, event: FaultEvent) -> None:
        """Enter a step of a fault, if it is one that is audited.

        Raises:
            EnvironmentFailure: it cannot be written.
        """
        fault = self._faults.get(event.fault)
        if event.step in AUDITED_STEPS and fault is not None:
            entry = self._entry(f"fault-{event.step.value}", event.detail)
            self._log.append(
                msgspec.structs.replace(entry, fault=event.fault, kind=fault.kind, part=fault.part)
            )

    def run_ended(self, how: str) -> None:
        """Enter the end of a run whose controller is dead.

        Raises:
            EnvironmentFailure: it cannot be written.
        """
        self._log.append(self._entry(RUN_ENDED, how))

    def _entry(self, what: str, detail: str) -> AuditEntry:
        plan = self._start.plan
        return entry_of(self._origin, what, plan.run_id, plan.run_dir, detail)


def entry_of(
    origin: AuditOrigin, what: str, run_id: str, run_dir: str, detail: str = ""
) -> AuditEntry:
    """Return an entry of now."""
    return AuditEntry(
        at=now_text(),
        what=what,
        who=origin.who,
        run=run_id,
        run_dir=run_dir,
        target=origin.target,
        why=origin.why,
        detail=detail,
    )


def read_log(path: Path) -> tuple[list[AuditEntry], int]:
    """Return the entries of a log, oldest first, and how many lines cannot be read.

    Raises:
        EnvironmentFailure: a file of it is there and cannot be read.
    """
    entries: list[AuditEntry] = []
    unread = 0
    for line in _lines(path):
        try:
            entries.append(msgspec.json.decode(line, type=AuditEntry))
        except UNREADABLE:
            unread += 1
    return entries, unread


def _lines(path: Path) -> Iterator[bytes]:
    for file in (_older(path), path):
        try:
            with file.open("rb") as stream:
                yield from (line for line in stream.read(2 * FILE_BYTES_MAX).splitlines() if line)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise EnvironmentFailure(f"{file} cannot be read: {error.strerror}") from error


def _older(path: Path) -> Path:
    return path.with_name("audit.1.jsonl")


def _bounded(entry: AuditEntry) -> AuditEntry:
    cut = {
        name: " ".join(value.split())[:TEXT_MAX]
        for name, value in msgspec.structs.asdict(entry).items()
    }
    return msgspec.structs.replace(entry, **cut)
