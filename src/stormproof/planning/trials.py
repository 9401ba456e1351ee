"""Find and load a trial: a Python file that declares `TRIAL`."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stormproof.kernel.canonical import sha256_hex
from stormproof.kernel.errors import BadInput, Problem
from stormproof.kernel.limits import JOURNEY_BYTES_MAX
from stormproof.model.trial import Trial

MODULES_MAX = 100  # that a trial may bring along


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTrial:
    """A trial with the file that declares it, as bytes for the record.

    `modules` are the files beside it that it imports, by their path below its folder: a worker
    finds them in the record, where nothing else of that folder is.
    """

    trial: Trial
    path: Path
    source: bytes
    modules: Mapping[str, bytes] = field(default_factory=dict)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedFile:
    """A Python file of a user's, imported; `module` has what it declares.

    `modules` are as in `LoadedTrial`; `trial` is its TRIAL, None where it declares none.
    """

    path: Path
    source: bytes
    modules: Mapping[str, bytes]
    module: object
    trial: Trial | None

    def as_trial(self, trial: Trial) -> LoadedTrial:
        """Return the file as the one that declares `trial`."""
        return LoadedTrial(trial=trial, path=self.path, source=self.source, modules=self.modules)


def load_file(path: Path) -> LoadedFile:
    """Import a user's file, a trial or journeys alone.

    Raises:
        BadInput: it cannot be read or imported.
    """
    source = _read(path)
    module = _import(path)
    trial = getattr(module, "TRIAL", None)
    return LoadedFile(
        path=path,
        source=source,
        modules=_modules_beside(path),
        module=module,
        trial=trial if isinstance(trial, Trial) else None,
    )


def load_trial(path: Path) -> LoadedTrial:
    """Import a trial's file and return its `TRIAL`.

    Raises:
        BadInput: it cannot be read or imported, or declares no trial.
    """
    file = load_file(path)
    if file.trial is None:
        fix = "TRIAL = Trial(name=..., ...); journeys alone go to `stormproof run`"
        raise BadInput([Problem(where=str(path), what="declares no TRIAL", fix=fix)])
    return file.as_trial(file.trial)


def _read(path: Path) -> bytes:
    where = str(path)
    try:
        with path.open("rb") as stream:
            source = stream.read(JOURNEY_BYTES_MAX + 1)
    except OSError as error:
        raise BadInput([Problem(where=where, what=f"cannot be read: {error.strerror}")]) from error
    if len(source) > JOURNEY_BYTES_MAX:
        raise BadInput([Problem(where=where, what=f"is over {JOURNEY_BYTES_MAX} bytes")])
    return source


def _modules_beside(path: Path) -> dict[str, bytes]:
    """Read the modules that were imported from a trial's own folder.

    A module is from there when its name leads to its file, as in `a.b` and `a/b.py`; so installed
    packages that happen to lie deeper in the folder are not.
    """
    folder = path.parent.resolve()
    found: dict[str, bytes] = {}
    for name, module in sorted(sys.modules.items()):
        place = name.replace(".", "/")
        file = Path(getattr(module, "__file__", None) or "")
        if name.partition(".")[0] == "stormproof" or file.suffix != ".py":
            continue
        for relative in (f"{place}.py", f"{place}/__init__.py"):
            if file == folder / relative:
                found[relative] = _read(file)
    if len(found) > MODULES_MAX:
        what = f"imports {len(found)} modules of its own folder"
        raise BadInput([Problem(where=str(path), what=what, fix=f"<= {MODULES_MAX}")])
    return found


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
