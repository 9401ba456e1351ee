"""Find and load a trial: a Python file that declares `TRIAL`.

A trial may import the modules beside it, and, when it lies deeper below a folder of trials, those
of that folder: trials that share journeys are grouped without copying them.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from stormproof.kernel.canonical import sha256_hex
from stormproof.kernel.errors import BadInput, Problem
from stormproof.kernel.limits import JOURNEY_BYTES_MAX
from stormproof.kernel.paths import is_file
from stormproof.model.trial import Trial

MODULES_MAX = 100  # that a trial may bring along


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTrial:
    """A trial with the file that declares it, as bytes for the record.

    `modules` are the files of ours that it imports, by their path below the folder they were
    imported from: a worker finds them in the record, where nothing else of that folder is.
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
        if is_file(path):
            return path
        raise BadInput([Problem(where=name, what="is no file", fix="name a trial or a file")])
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    for file in files:
        if file.stem == name:
            return file
    known = sorted({file.stem for file in files if _declares_trial(file)})
    raise BadInput(
        [Problem(where=f"trial {name!r}", what="is unknown", fix=f"known: {', '.join(known)}")]
    )


def _declares_trial(file: Path) -> bool:
    return any(line.startswith(b"TRIAL") for line in file.read_bytes().splitlines())


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


def load_file(path: Path, roots: Sequence[Path] = ()) -> LoadedFile:
    """Import a user's file, a trial or journeys alone.

    Args:
        path: the file.
        roots: the folders of trials; one that the file lies below is importable from, too.

    Raises:
        BadInput: it cannot be read or imported.
    """
    source = _read(path)
    folders = _importable_from(path, roots)
    module = _import(path, folders)
    trial = getattr(module, "TRIAL", None)
    return LoadedFile(
        path=path,
        source=source,
        modules=_modules_of(path, folders),
        module=module,
        trial=trial if isinstance(trial, Trial) else None,
    )


def load_trial(path: Path, roots: Sequence[Path] = ()) -> LoadedTrial:
    """Import a trial's file, as `load_file` does, and return its `TRIAL`.

    Raises:
        BadInput: it cannot be read or imported, or declares no trial.
    """
    file = load_file(path, roots)
    if file.trial is None:
        fix = "TRIAL = Trial(name=..., ...); journeys alone go to `stormproof run`"
        raise BadInput([Problem(where=str(path), what="declares no TRIAL", fix=fix)])
    return file.as_trial(file.trial)


def _importable_from(path: Path, roots: Sequence[Path]) -> list[Path]:
    """Return the trial's own folder, then each root above it."""
    own = path.parent.resolve()
    above = [root.resolve() for root in roots]
    return list(dict.fromkeys([own, *(root for root in above if own.is_relative_to(root))]))


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


def _modules_of(path: Path, folders: Sequence[Path]) -> dict[str, bytes]:
    """Read the modules that were imported from the folders of a trial.

    A module is from there when its name leads to its file, as in `a.b` and `a/b.py`; so installed
    packages that happen to lie deeper in a folder are not.
    """
    found: dict[str, bytes] = {}
    for name, module in sorted(sys.modules.items()):
        place = name.replace(".", "/")
        file = Path(getattr(module, "__file__", None) or "")
        if name.partition(".")[0] == "stormproof" or file.suffix != ".py":
            continue
        for relative in (f"{place}.py", f"{place}/__init__.py"):
            if any(file == folder / relative for folder in folders):
                found[relative] = _read(file)
    if len(found) > MODULES_MAX:
        what = f"imports {len(found)} modules of its own folders"
        raise BadInput([Problem(where=str(path), what=what, fix=f"<= {MODULES_MAX}")])
    return found


def _import(path: Path, folders: Sequence[Path]) -> object:
    spec = importlib.util.spec_from_file_location(f"stormproof_trial_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise BadInput([Problem(where=str(path), what="is no Python file")])
    module = importlib.util.module_from_spec(spec)
    try:
        with _importable(folders):
            spec.loader.exec_module(module)
    except SyntaxError as error:
        place = f"{path}:{error.lineno}"
        raise BadInput([Problem(where=place, what=f"is not Python: {error.msg}")]) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # user code may raise anything
        what = f"fails to import: {type(error).__name__}: {error}"
        raise BadInput([Problem(where=_place(path, error), what=what)]) from error
    return module


@contextmanager
def _importable(folders: Sequence[Path]) -> Iterator[None]:
    """Let modules of some folders be imported for a while; those that were stay imported."""
    entries = [str(folder) for folder in folders]
    sys.path[:0] = entries
    try:
        yield
    finally:
        for entry in entries:
            if entry in sys.path:
                sys.path.remove(entry)


def _place(path: Path, error: BaseException) -> str:
    """Return the deepest line of `path` in the error's traceback."""
    line, step = 0, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == str(path):
            line = step.tb_lineno
        step = step.tb_next
    return f"{path}:{line}" if line else str(path)
