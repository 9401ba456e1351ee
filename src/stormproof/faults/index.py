"""The index of open runs: one file a run, per user, so that leftovers are found wherever
`--out` was."""

from __future__ import annotations

import errno
import os
import re
import stat
import tempfile
from pathlib import Path

import msgspec

from stormproof.faults.journal import Opened
from stormproof.faults.processes import ProcessId
from stormproof.kernel.canonical import UNREADABLE
from stormproof.kernel.errors import EnvironmentFailure

_ENTRY_BYTES_MAX = 64 << 10
_ENTRIES_MAX = 1_000
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class OpenRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run whose stack may be up."""

    run_id: str
    run_dir: str
    boot_id: str
    pid_namespace: str  # in which the pids mean something
    keeper: ProcessId
    controller: ProcessId

    @classmethod
    def of(cls, opened: Opened, run_dir: Path) -> OpenRun:
        """Return the entry of the run whose journal begins with `opened`."""
        return cls(
            run_id=opened.run_id,
            run_dir=str(run_dir),
            boot_id=opened.boot_id,
            pid_namespace=opened.pid_namespace,
            keeper=opened.keeper,
            controller=opened.controller,
        )


def default_index_dir() -> Path:
    """Return this user's index below the temporary directory."""
    return Path(tempfile.gettempdir()) / f"stormproof-{os.geteuid()}" / "open"


class OpenRuns:
    """The index in one folder, which only its user may read; the folder is there while a run is.

    Raises:
        EnvironmentFailure: the folder is a symbolic link, another user's, or open to others.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for own in (folder.parent, folder):
            _check_owned(own)

    def add(self, run: OpenRun) -> None:
        """Enter a run; the entry appears whole or not at all.

        Raises:
            EnvironmentFailure: the index cannot be written.
        """
        path = self._path(run.run_id)
        try:
            try:
                self._write(path, run)
            except FileNotFoundError:
                self._write(path, run)  # the last run before us took the folders away meanwhile
        except OSError as error:
            raise EnvironmentFailure(
                f"the index of open runs {self._folder} cannot be written: {error.strerror}",
                "free space in the temporary directory",
            ) from error

    def _write(self, path: Path, run: OpenRun) -> None:
        for own in (self._folder.parent, self._folder):
            _make_owned(own)
        draft = path.with_suffix(f".draft-{os.getpid()}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(draft, flags, 0o600), "wb") as stream:
            stream.write(msgspec.json.encode(run))
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)

    def remove(self, run_id: str) -> None:
        """Drop a run, and the folders with the last one; one that is not there is fine."""
        self._path(run_id).unlink(missing_ok=True)
        for own in (self._folder, self._folder.parent):
            try:
                own.rmdir()
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno == errno.ENOTEMPTY:
                    return
                raise

    def entries(self) -> tuple[list[OpenRun], list[str]]:
        """Return the open runs and what is wrong with entries that cannot be read."""
        runs: list[OpenRun] = []
        problems: list[str] = []
        for path in sorted(self._folder.glob("*.json"))[:_ENTRIES_MAX]:
            try:
                with path.open("rb") as stream:
                    runs.append(msgspec.json.decode(stream.read(_ENTRY_BYTES_MAX), type=OpenRun))
            except FileNotFoundError:
                continue  # its keeper ended just now
            except (OSError, *UNREADABLE) as error:
                problems.append(f"{path} cannot be read and is left; remove it: {error}")
        return runs, problems

    def _path(self, run_id: str) -> Path:
        if not _RUN_ID.fullmatch(run_id):
            raise EnvironmentFailure(f"{run_id!r} is no id of a run")
        return self._folder / f"{run_id}.json"


def _make_owned(folder: Path) -> None:
    """Make `folder` for this user alone, unless it is there."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise EnvironmentFailure(
            f"{folder} cannot be made: {error.strerror}", "set TMPDIR to a folder of yours"
        ) from error
    _check_owned(folder)


def _check_owned(folder: Path) -> None:
    """Refuse a folder that is there and not this user's alone."""
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise EnvironmentFailure(
            f"{folder} is not a folder of this user", "remove it, or set TMPDIR elsewhere"
        )
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise EnvironmentFailure(f"{folder} is open to others", f"chmod 700 {folder}")
