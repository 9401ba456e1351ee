"""Find and load a trial: a Python file that declares `TRIAL`."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from stormproof.kernel.canonical import sha256_hex
from stormproof.kernel.errors import BadInput, Problem
from stormproof.kernel.limits import JOURNEY_BYTES_MAX
from stormproof.model.trial import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTrial:
    """A trial with the file that declares it, as bytes for the record."""

    trial: Trial
    path: Path
    source: bytes

    @property
    def sha256(self) -> str:
        """Return the digest of the file."""
        return sha256_hex(self.source)


def find_trial(name: str, folders: list[Path]) -> Path:
    """Find a trial by its name below `folders`, or take it as a path.

    Raises:
        BadInput: there is none; the message names those there are.
    """
    if name.endswith(".py") or "/" in name:
        path = Path(name)
        if path.is_file():
            return path
        raise BadInput([Problem(where=name, what="is no file", fix="name a trial or a file")])
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    for file in files:
        if file.stem == name:
            return file
    known = sorted({file.stem for file in files})
    raise BadInput(
        [Problem(where=f"trial {name!r}", what="is unknown", fix=f"known: {', '.join(known)}")]
    )


def load_trial(path: Path) -> LoadedTrial:
    """Import a trial's file and return its `TRIAL`.

    Raises:
        BadInput: it cannot be read or imported, or declares no trial.
    """
    where = str(path)
    try:
        source = path.read_bytes()
    except OSError as error:
        raise BadInput([Problem(where=where, what=f"cannot be read: {error.strerror}")]) from error
    if len(source) > JOURNEY_BYTES_MAX:
        raise BadInput([Problem(where=where, what=f"is over {JOURNEY_BYTES_MAX} bytes")])
    module = _import(path)
    trial = getattr(module, "TRIAL", None)
    if not isinstance(trial, Trial):
        raise BadInput(
            [Problem(where=where, what="declares no TRIAL", fix="TRIAL = Trial(name=..., ...)")]
        )
    return LoadedTrial(trial=trial, path=path, source=source)


def _import(path: Path) -> object:
    spec = importlib.util.spec_from_file_location(f"stormproof_trial_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise BadInput([Problem(where=str(path), what="is no Python file")])
    module = importlib.util.module_from_spec(spec)
    folder = str(path.parent.resolve())
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        place = f"{path}:{error.lineno}"
        raise BadInput([Problem(where=place, what=f"is not Python: {error.msg}")]) from error
    except (Exception, SystemExit) as error:  # user code may raise anything
        what = f"fails to import: {type(error).__name__}: {error}"
        raise BadInput([Problem(where=_place(path, error), what=what)]) from error
    finally:
        sys.path.remove(folder)
    return module


def _place(path: Path, error: BaseException) -> str:
    """Return the deepest line of `path` in the error's traceback."""
    line, step = 0, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == str(path):
            line = step.tb_lineno
        step = step.tb_next
    return f"{path}:{line}" if line else str(path)
