"""Finding a journey in a file, and saying where the file is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from stormproof.journeys.loader import load_journey
from stormproof.kernel.errors import BadInput, Problem
from stormproof.kernel.limits import JOURNEY_BYTES_MAX

GOOD = """
from stormproof import journey

@journey
async def read_feed(user):
    pass

def plain():
    pass
"""


def write(folder: Path, text: str, name: str = "mine.py") -> Path:
    """Write a journey file."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def problem_of(path: Path, function: str = "read_feed", sha256: str | None = None) -> Problem:
    """Return the one problem that loading a journey tells of."""
    with pytest.raises(BadInput) as caught:
        load_journey(path, function, sha256=sha256)
    (problem,) = caught.value.problems
    return problem


def test_journey_is_found(tmp_path: Path) -> None:
    """A decorated function is a Journey by its name."""
    assert load_journey(write(tmp_path, GOOD), "read_feed").name == "read_feed"


def test_file_is_imported_once(tmp_path: Path) -> None:
    """Two journeys of one file share its module; a changed file is another one."""
    path = write(tmp_path, GOOD)
    first = load_journey(path, "read_feed")
    assert load_journey(path, "read_feed") is first
    path.write_text(GOOD + "\n# changed\n", encoding="utf-8")
    assert load_journey(path, "read_feed") is not first


def test_modules_beside_it_can_be_imported(tmp_path: Path) -> None:
    """The file's folder is importable while it loads, and not afterwards."""
    write(tmp_path, "NAME = 'beside'\n", "storm_beside.py")
    text = GOOD.replace("    pass\n", "    return NAME\n", 1)
    path = write(tmp_path, f"from storm_beside import NAME\n{text}")
    assert load_journey(path, "read_feed").name == "read_feed"
    assert str(tmp_path) not in sys.path
    del sys.modules["storm_beside"]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("x = 1\ndef broken(:\n", 2, "cannot be parsed: invalid syntax"),
        ("x = 1\n\nimport storm_absent\n", 3, "ModuleNotFoundError: No module named"),
        ("def f():\n    return 1 / 0\n\nf()\n", 2, "ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(3)\n", 2, "fails to import: SystemExit: 3"),
        (
            "from stormproof import journey\n@journey\ndef f(user): ...\n",
            2,
            "must be an `async def`",
        ),
        ("from stormproof import journey\n@journey\nasync def f(): ...\n", 2, "one argument"),
    ],
)
def test_failing_import_is_placed(tmp_path: Path, text: str, line: int, what: str) -> None:
    """A file that cannot be imported is told with the line of it that fails."""
    path = write(tmp_path, text)
    problem = problem_of(path)
    assert problem.where == f"{path}:{line}"
    assert what in problem.what


def test_failed_import_leaves_nothing(tmp_path: Path) -> None:
    """A file that failed can be mended and loaded, and leaves no module behind."""
    path = write(tmp_path, "raise ValueError('first')\n")
    before = set(sys.modules)
    problem_of(path)
    assert set(sys.modules) == before
    assert load_journey(write(tmp_path, GOOD), "read_feed").name == "read_feed"


@pytest.mark.parametrize(
    ("function", "what", "fix"),
    [
        ("read_fed", "there is no such function", "did you mean read_feed?"),
        ("zzz", "there is no such function", "its journeys: read_feed"),
        ("plain", "is not a journey", "decorate it with @journey from stormproof"),
    ],
)
def test_wrong_function_is_told(tmp_path: Path, function: str, what: str, fix: str) -> None:
    """A function that is missing or undecorated is told with what would be right."""
    problem = problem_of(write(tmp_path, GOOD), function)
    assert problem == Problem(where=f"mine.py:{function}", what=what, fix=fix)


def test_file_without_journeys_is_told(tmp_path: Path) -> None:
    """A file that holds no journey at all says how to make one."""
    assert problem_of(write(tmp_path, "x = 1\n")).fix == "decorate one with @journey"


def test_unreadable_file_is_told(tmp_path: Path) -> None:
    """A missing file, a folder, one too large, and one of another digest are bad input."""
    assert "no such file" in problem_of(tmp_path / "absent.py").what
    assert "cannot be read" in problem_of(tmp_path).what
    large = write(tmp_path, "#" * (JOURNEY_BYTES_MAX + 1))
    assert problem_of(large).what == "is too large for a journey file"
    good = write(tmp_path, GOOD, "good.py")
    assert problem_of(good, sha256="0" * 64).what == "is not the file that the plan names"
    assert "no Python file" in problem_of(write(tmp_path, GOOD, "mine.txt")).what
