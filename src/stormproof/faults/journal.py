"""The undo journal of one run: what has to be made whole again, on disk before it is broken.

Theory of operation. The keeper appends one JSON line to `undo.jsonl` before it breaks or makes
anything, or at once after where the thing has no name before (a process), and another when it is
whole again; each line is forced to disk before the keeper goes on. What is left to do is then what
was opened and never closed. Nothing in a line is a command: `heal` checks each thing against the
machine (identity, boot, owner, place) before it touches it. A line torn by a crash is reported and
costs only itself. A process that dies between its birth and its line is found by the kernel's
death signal and by the mark in its environment. The one line that holds words of the trial, the
statement that undoes a `database-statement`, is carried out only where the user names the server.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import msgspec

from stormproof.faults.processes import ProcessId
from stormproof.kernel.canonical import UNREADABLE
from stormproof.kernel.errors import EnvironmentFailure

JOURNAL_NAME = "undo.jsonl"
JOURNAL_BYTES_MAX = 16 << 20


class Opened(msgspec.Struct, frozen=True, kw_only=True, tag="opened"):
    """A run began; the first line."""

    run_id: str
    boot_id: str
    pid_namespace: str
    keeper: ProcessId
    controller: ProcessId


class FolderIntended(msgspec.Struct, frozen=True, kw_only=True, tag="folder-intended"):
    """The private folder is about to be made; `uid` will own it."""

    path: str
    uid: int


class FolderRemoved(msgspec.Struct, frozen=True, kw_only=True, tag="folder-removed"):
    """The private folder is gone."""

    path: str


class ProjectIntended(msgspec.Struct, frozen=True, kw_only=True, tag="project-intended"):
    """A project of docker compose is about to be brought up."""

    project: str


class ProjectRemoved(msgspec.Struct, frozen=True, kw_only=True, tag="project-removed"):
    """Nothing of the project is left."""

    project: str


class PartStarted(msgspec.Struct, frozen=True, kw_only=True, tag="part-started"):
    """A process of the stack runs under `uid` since `wall_ns`."""

    part: str
    process: ProcessId
    uid: int
    wall_ns: int


class PartStopped(msgspec.Struct, frozen=True, kw_only=True, tag="part-stopped"):
    """A process of the stack has ended, and all below it."""

    part: str
    process: ProcessId


class FaultIntended(msgspec.Struct, frozen=True, kw_only=True, tag="fault-intended"):
    """A fault is about to be injected."""

    fault: str
    kind: str
    part: str


class RestoreIntended(msgspec.Struct, frozen=True, kw_only=True, tag="restore-intended"):
    """A fault is about to change what a server keeps; undoing it puts the `values` back.

    There is no password in them, nor where the server is. `is_kept`: the server, or what it
    holds, is there after the run.
    """

    fault: str
    kind: str
    part: str
    values: dict[str, str]
    is_kept: bool


class FaultUndone(msgspec.Struct, frozen=True, kw_only=True, tag="fault-undone"):
    """A fault is undone."""

    fault: str


class LimitIntended(msgspec.Struct, frozen=True, kw_only=True, tag="limit-intended"):
    """A process is about to be allowed fewer descriptors: `lowered` in place of `soft`."""

    fault: str
    process: ProcessId
    soft: int
    lowered: int


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="ended"):
    """Nothing is left to undo; the last line."""

    how: str


Line = (
    Opened
    | FolderIntended
    | FolderRemoved
    | ProjectIntended
    | ProjectRemoved
    | PartStarted
    | PartStopped
    | FaultIntended
    | RestoreIntended
    | FaultUndone
    | LimitIntended
    | Ended
)

_DECODER = msgspec.json.Decoder(Line)


class Journal:
    """Append lines to the undo journal of a run; one process at a time.

    Raises:
        EnvironmentFailure: it cannot be opened, or another process has it open.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._file = os.open(path, flags, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _sync_folder(path.parent)
            self._size = os.fstat(self._file).st_size
            if self._size and os.pread(self._file, 1, self._size - 1) != b"\n":
                self._write(b"\n")  # the last writer died in the middle of a line
        except OSError as error:
            raise _failure(path, error) from error

    def append(self, line: Line) -> None:
        """Append a line and return once it is on disk.

        Raises:
            EnvironmentFailure: the disk refuses.
        """
        try:
            self._write(msgspec.json.encode(line) + b"\n")
            os.fdatasync(self._file)
        except OSError as error:
            raise _failure(self._path, error) from error

    def close(self) -> None:
        """Close the file; call it once."""
        os.close(self._file)

    def _write(self, data: bytes) -> None:
        """Write all or, when the disk is full, nothing, so that the next line is a whole one."""
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += written


class Leftovers(msgspec.Struct, kw_only=True):
    """What a journal opened and never closed."""

    opened: Opened | None = None
    folders: dict[str, FolderIntended] = {}
    projects: dict[str, ProjectIntended] = {}
    parts: dict[ProcessId, PartStarted] = {}
    faults: dict[str, FaultIntended] = {}
    restores: dict[str, RestoreIntended] = {}  # by their faults
    limits: list[LimitIntended] = []
    ended: Ended | None = None
    problems: list[str] = []


def leftovers(path: Path) -> Leftovers:
    """Read what is left to do for a run from its journal.

    Broken lines are named in `problems`; the others still count.

    Raises:
        EnvironmentFailure: the journal cannot be read, is not ours, or is beyond all bounds.
    """
    left = Leftovers()
    for number, line in enumerate(_read_own(path).splitlines(), start=1):
        try:
            _apply(_DECODER.decode(line), left)
        except UNREADABLE as error:
            left.problems.append(f"{path}, line {number}, cannot be read: {error}")
    return left


def _apply(line: Line, left: Leftovers) -> None:
    match line:
        case Opened():
            left.opened = line
        case Ended():
            left.ended = line
        case FolderRemoved() | ProjectRemoved() | PartStopped() | FaultUndone():
            _close(line, left)
        case _:
            _open(line, left)


def _open(
    line: FolderIntended
    | ProjectIntended
    | PartStarted
    | FaultIntended
    | RestoreIntended
    | LimitIntended,
    left: Leftovers,
) -> None:
    match line:
        case FolderIntended():
            left.folders[line.path] = line
        case ProjectIntended():
            left.projects[line.project] = line
        case PartStarted():
            left.parts[line.process] = line
        case FaultIntended():
            left.faults[line.fault] = line
        case RestoreIntended():
            left.restores[line.fault] = line
        case LimitIntended():
            left.limits.append(line)


def _close(
    line: FolderRemoved | ProjectRemoved | PartStopped | FaultUndone, left: Leftovers
) -> None:
    match line:
        case FolderRemoved():
            left.folders.pop(line.path, None)
        case ProjectRemoved():
            left.projects.pop(line.project, None)
        case PartStopped():
            left.parts.pop(line.process, None)
        case FaultUndone():
            left.faults.pop(line.fault, None)
            left.restores.pop(line.fault, None)
            left.limits = [limit for limit in left.limits if limit.fault != line.fault]


def _read_own(path: Path) -> bytes:
    """Read a file of ours; another user's could name anything for us to remove."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise EnvironmentFailure(f"{path} cannot be read: {error.strerror}") from error
    with os.fdopen(handle, "rb") as stream:
        status = os.fstat(stream.fileno())
        if status.st_uid != os.geteuid():
            raise EnvironmentFailure(
                f"{path} belongs to another user", "heal as the user who ran it"
            )
        if status.st_size > JOURNAL_BYTES_MAX:
            raise EnvironmentFailure(f"{path} is over {JOURNAL_BYTES_MAX} bytes")
        return stream.read(JOURNAL_BYTES_MAX)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _failure(path: Path, error: OSError) -> EnvironmentFailure:
    return EnvironmentFailure(
        f"the undo journal {path} cannot be written: {error.strerror}",
        "free space, or choose another --out",
    )
