"""Find a journey in a Python file; whatever is wrong with the file is said where it is.

The file is imported by its path under a name of its own, with its folder importable while that
lasts, so that a journey can import the modules beside it. A file that has not changed is imported
once in a process, however many of its functions are asked for.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType

from stormproof.journeys.journey import Journey
from stormproof.kernel.errors import BadInput, Problem
from stormproof.kernel.limits import JOURNEY_BYTES_MAX


def load_journey(path: Path, function: str, *, sha256: str | None = None) -> Journey:
    """Import `path` and return its journey `function`.

    Args:
        path: the Python file.
        function: the name of a function decorated with `@journey`.
        sha256: the digest that the file must have (hexadecimal).

    Raises:
        BadInput: it cannot be read or imported, or has no such journey.
    """
    found = getattr(import_file(path, sha256), function, None)
    if isinstance(found, Journey):
        return found
    where = f"{path.name}:{function}"
    if found is not None:
        raise _bad(where, "is not a journey", "decorate it with @journey from stormproof")
    raise _bad(where, "there is no such function", _suggestion(path, function))


def check_journey(path: Path, function: str, env: Mapping[str, str] | None) -> list[Problem]:
    """Return what is wrong with a scenario's settings for its journey, each by its name.

    Args:
        path: the Python file.
        function: the journey's name in it.
        env: the settings; None: nobody gave any, and that is told elsewhere.

    Raises:
        BadInput: there is no such journey.
    """
    found = load_journey(path, function)
    return [] if env is None else found.setting_problems(env)


def import_file(path: Path, sha256: str | None) -> ModuleType:
    """Import a journey file, once in a process as long as it does not change.

    Raises:
        BadInput: it cannot be read or imported, or is not the file of that digest.
    """
    source = _read(path)
    digest = hashlib.sha256(source).hexdigest()
    if sha256 is not None and digest != sha256:
        raise _bad(str(path), "is not the file that the plan names", "its SHA-256 differs")
    place = hashlib.sha256(f"{path.resolve()}\0{digest}".encode()).hexdigest()
    name = f"stormproof_journey_{path.stem}_{place[:16]}"
    loaded = sys.modules.get(name)
    if loaded is not None:
        return loaded
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise _bad(str(path), "is no Python file", "a journey file ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    capture = _Capture()
    with _importable(path.resolve().parent), capture:
        exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    if capture.error is not None:
        del sys.modules[name]
        raise _import_problem(path, capture.error)
    return module


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            source = file.read(JOURNEY_BYTES_MAX + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _bad(str(path), f"cannot be read: {reason}", "name an existing file") from error
    if len(source) > JOURNEY_BYTES_MAX:
        limit = f"the limit is {JOURNEY_BYTES_MAX >> 20} MiB"
        raise _bad(str(path), "is too large for a journey file", limit)
    return source


class _Capture:
    """Hold back whatever a foreign file raises while it is imported, but for Ctrl-C."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, KeyboardInterrupt):
            self.error = error
        return self.error is not None


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    entry = str(folder)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        if entry in sys.path:
            sys.path.remove(entry)


def _import_problem(path: Path, error: BaseException) -> BadInput:
    """Tell where in the file importing it failed: the last line of ours before foreign code."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return _bad(f"{path}:{error.lineno}", f"cannot be parsed: {error.msg}")
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    where = f"{path}:{lines[-1]}" if lines else str(path)
    what = f"fails to import: {type(error).__name__}: {error}"
    if isinstance(error, ImportError):
        return _bad(where, what, "install it, or put the module beside the journey file")
    return _bad(where, what)


def _suggestion(path: Path, function: str) -> str:
    module = import_file(path, None)
    names = sorted(name for name, value in vars(module).items() if isinstance(value, Journey))
    close = difflib.get_close_matches(function, names, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"its journeys: {', '.join(names)}" if names else "decorate one with @journey"


def _bad(where: str, what: str, fix: str = "") -> BadInput:
    return BadInput([Problem(where=where, what=what, fix=fix)])
