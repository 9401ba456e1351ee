"""The run directory: its layout, how it is made before the run and sealed after it.

runs/<id>/
  plan.json manifest.json journeys/   saved before the run
  record/*.seg  logs/  undo.jsonl     appended while it runs
  control.sock                        there while it runs
  seal.json                           saved after the run
  verdict.json report.html junit.xml  saved after judging
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from stormproof.kernel.canonical import UNREADABLE, readable_json, sha256_hex, size_and_digest
from stormproof.kernel.errors import BadInput, EnvironmentFailure, Problem
from stormproof.kernel.limits import RECORD_RESERVE_BYTES
from stormproof.kernel.paths import is_file
from stormproof.model.plan import Plan
from stormproof.model.record import Manifest, Seal


def new_run_id(trial: str) -> str:
    """Return an id that sorts by time and does not repeat: `20261121-142233-<trial>-1f3a`."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{trial}-{secrets.token_hex(2)}"


class RunDirectory:
    """One run's directory and the paths in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record = path / "record"
        self.logs = path / "logs"
        self.journeys = path / "journeys"
        self.plan = path / "plan.json"
        self.manifest = path / "manifest.json"
        self.control = path / "control.sock"
        self.seal_file = path / "seal.json"
        self.verdict = path / "verdict.json"
        self.report = path / "report.html"
        self.junit = path / "junit.xml"
        self._reserve = path / ".reserve"

    @classmethod
    def create(
        cls, path: Path, *, plan: Plan, manifest: Manifest, journeys: Mapping[str, bytes]
    ) -> RunDirectory:
        """Make the directory and save what is known before the run.

        `journeys` gives the user code by its path below `journeys/`.

        Raises:
            EnvironmentFailure: it cannot be made, or the disk is full.
        """
        run = cls(path)
        try:
            for folder in (path, run.record, run.logs, run.journeys):
                folder.mkdir(parents=True, mode=0o700)
            for name, source in journeys.items():
                target = run.journeys / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source)
            run.plan.write_bytes(readable_json(plan))
            run.manifest.write_bytes(readable_json(manifest))
            _allocate(run._reserve, RECORD_RESERVE_BYTES)
        except OSError as error:
            raise EnvironmentFailure(
                f"{path} cannot be made: {error.strerror}", "free space, or choose another --out"
            ) from error
        return run

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """Open a run directory that exists.

        Raises:
            BadInput: there is none at `path`.
        """
        run = cls(path)
        if not is_file(run.plan):
            raise BadInput([Problem(where=str(path), what="is no run directory", fix="name one "
                                    "that holds a plan.json, such as runs/<id>")])  # fmt: skip
        return run

    def release_reserve(self) -> None:
        """Give the preallocated bytes back, so that a full disk still seals."""
        self._reserve.unlink(missing_ok=True)

    def seal(self, *, run_id: str, how: str) -> None:
        """Write each segment's length and digest, and those of what was saved before the run;
        called once all writers have closed."""
        self.release_reserve()
        segments = {file.name: size_and_digest(file) for file in sorted(self.record.glob("*.seg"))}
        documents = {
            file.name: sha256_hex(file.read_bytes()) for file in (self.plan, self.manifest)
        }
        seal = Seal(run_id=run_id, how=how, segments=segments, documents=documents)
        self.save(self.seal_file, readable_json(seal))

    def is_completed(self) -> bool:
        """Tell whether the run was carried out and sealed, and not cut off before its end."""
        if not is_file(self.seal_file):
            return False
        return read_json(self.seal_file, Seal).how == "completed"

    def save(self, file: Path, data: bytes) -> None:
        """Replace a file of the directory whole."""
        replace_whole(file, data)


def replace_whole(file: Path, data: bytes) -> None:
    """Replace a file whole: written beside it, forced to disk, renamed.

    Raises:
        EnvironmentFailure: it cannot be written; what was there is still there.
    """
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with draft.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise EnvironmentFailure(
            f"{file} cannot be written: {error.strerror}",
            "free space, then judge the run again",
        ) from error


def _allocate(path: Path, size: int) -> None:
    with path.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, size)


Value = TypeVar("Value")


def read_json(path: Path, kind: type[Value]) -> Value:
    """Read a JSON file of the run directory as `kind`.

    Raises:
        BadInput: it is missing or not what it should be.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, *UNREADABLE) as error:
        raise BadInput([Problem(where=str(path), what=f"cannot be read: {error}")]) from error
