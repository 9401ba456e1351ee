"""House style as a test: what every file keeps to, and the few exceptions with their reasons.

A rule is a pure function from a source to the lines that break it, and is itself tested on a
planted breach. Exceptions form a ratchet: one that is no longer needed fails until it is removed.
"""

from __future__ import annotations

import ast
import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parents[2]
FOLDERS_OF_TOOLS = {"__pycache__", "dist", "runs"}
TEXT_SUFFIXES = {
    "",
    ".cfg",
    ".css",
    ".html",
    ".ini",
    ".j2",
    ".js",
    ".json",
    ".md",
    ".py",
    ".sh",
    ".toml",
    ".yml",
    ".yaml",
}

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
FUNCTION_LINES_USUAL = 40
FUNCTION_USUAL_SHARE_MIN = 0.9
README_LINES_MAX = 150

UNFINISHED = re.compile(r"\b(TO[D]O|FIX[M]E|X[X]X)\b")  # does not match itself
BARE_SILENCE = re.compile(r"#\s*(type:\s*ignore(?!\[)|noqa(?!:\s*[A-Z]))")
MACHINE_PATH = re.compile(r"(?<![\w.$}~/-])/(home|root|work|Users)/\w")


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function or method, and how many lines it takes with its decorators and docstring."""

    node: ast.FunctionDef | ast.AsyncFunctionDef

    @property
    def lines(self) -> int:
        """Count the lines from `def` to the end of the body."""
        return (self.node.end_lineno or self.node.lineno) - self.node.lineno + 1


@dataclass(frozen=True, kw_only=True)
class Source:
    """A text file of the project, by its path from the root."""

    path: str
    text: str

    @property
    def is_python(self) -> bool:
        """Say whether the file is Python source."""
        return self.path.endswith(".py")

    @cached_property
    def tree(self) -> ast.Module:
        """Parse the file; an empty module where it is not Python."""
        return ast.parse(self.text if self.is_python else "")

    @cached_property
    def functions(self) -> tuple[Function, ...]:
        """List every function and method, nested ones included."""
        nodes = ast.walk(self.tree)
        return tuple(
            Function(node=node)
            for node in nodes
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        )

    def under(self, *folders: str) -> bool:
        """Say whether the file lies in one of the folders, each written with a closing slash."""
        return self.path.startswith(folders)


def lines_matching(source: Source, pattern: re.Pattern[str]) -> Iterator[int]:
    """Yield the numbers of the lines in which the pattern occurs."""
    for number, line in enumerate(source.text.splitlines(), start=1):
        if pattern.search(line):
            yield number


def too_long(source: Source) -> Iterator[int]:
    """Yield the last line of a source file above the limit."""
    count = len(source.text.splitlines())
    if source.under("src/") and count > FILE_LINES_MAX:
        yield count


def long_functions(source: Source) -> Iterator[int]:
    """Yield where functions above the limit begin."""
    if source.under("src/"):
        for function in source.functions:
            if function.lines > FUNCTION_LINES_MAX:
                yield function.node.lineno


def unfinished(source: Source) -> Iterator[int]:
    """Yield the lines that put work off."""
    return lines_matching(source, UNFINISHED)


def bare_silences(source: Source) -> Iterator[int]:
    """Yield the lines that silence a checker without naming what."""
    return lines_matching(source, BARE_SILENCE)


def machine_paths(source: Source) -> Iterator[int]:
    """Yield the lines that name a folder of one particular machine."""
    return lines_matching(source, MACHINE_PATH)


def names_everything(kind: ast.expr | None) -> bool:
    """Say whether an except clause catches all there is."""
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(
        each is None or (isinstance(each, ast.Name) and each.id in {"Exception", "BaseException"})
        for each in kinds
    )


def raises_again(handler: ast.ExceptHandler) -> bool:
    """Say whether the handler ends by passing on what it caught."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def broad_catches(source: Source) -> Iterator[int]:
    """Yield where product code outside the command line swallows whatever went wrong."""
    if source.under("src/") and not source.under("src/stormproof/cli/"):
        for node in ast.walk(source.tree):
            if (
                isinstance(node, ast.ExceptHandler)
                and names_everything(node.type)
                and not raises_again(node)
            ):
                yield node.lineno


def is_sleep(call: ast.Call) -> bool:
    """Say whether a call is one of time.sleep."""
    return ast.unparse(call.func) == "time.sleep"


def sleeps(source: Source) -> Iterator[int]:
    """Yield where anything blocks on the clock, save between two looks at a condition."""
    loops = [node for node in ast.walk(source.tree) if isinstance(node, ast.While)]
    waiting = {id(node) for loop in loops for node in ast.walk(loop)}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and is_sleep(node) and id(node) not in waiting:
            yield node.lineno


def claimless_tests(source: Source) -> Iterator[int]:
    """Yield the tests that do not state their claim in a docstring."""
    if source.under("tests/"):
        for function in source.functions:
            if function.node.name.startswith("test_") and not ast.get_docstring(function.node):
                yield function.node.lineno


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A claim about every file, what finds its breaches, and one breach that it must find.

    `excused` maps the paths that may break the rule to the reason why.
    """

    claim: str
    breaches: Callable[[Source], Iterator[int]]
    planted: Source
    excused: Mapping[str, str] = field(default_factory=dict)


# The planted breaches are spelled so that this file itself keeps the rules.
RULES = (
    Rule(
        claim=f"no file of src/ has more than {FILE_LINES_MAX} lines",
        breaches=too_long,
        planted=Source(path="src/long.py", text="x = 1\n" * (FILE_LINES_MAX + 1)),
    ),
    Rule(
        claim=f"no function of src/ has more than {FUNCTION_LINES_MAX} lines",
        breaches=long_functions,
        planted=Source(path="src/slow.py", text="def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX),
    ),
    Rule(
        claim="nothing is put off with a marker",
        breaches=unfinished,
        planted=Source(path="docs/plan.md", text="TO" + "DO: write this\n"),
    ),
    Rule(
        claim="nothing is silenced without naming what",
        breaches=bare_silences,
        planted=Source(path="src/quiet.py", text="x = y  # type: " + "ignore\n"),
    ),
    Rule(
        claim="no path of one machine is written down",
        breaches=machine_paths,
        planted=Source(path="README.md", text="run it in /ho" + "me/ada/project\n"),
    ),
    Rule(
        claim="only the command line catches broadly",
        breaches=broad_catches,
        planted=Source(
            path="src/calm.py",
            text="try:\n    f()\nexcept (OSError, Exception):\n    pass\n",
        ),
        excused={
            "src/stormproof/checks/judge.py": "a crashed checker answers unknown, never a pass",
            "src/stormproof/planning/trials.py": "a user's file may raise anything while it loads",
            "src/stormproof/clients/line.py": "a journey's callback may too; `with` costs 0.4 us",
            "src/stormproof/observe/final_reads.py": "a read that fails leaves its answer open",
            "src/stormproof/observe/sources.py": "a source that fails is a miss, no end of a run",
        },
    ),
    Rule(
        claim="nothing sleeps and hopes",
        breaches=sleeps,
        planted=Source(path="tests/test_nap.py", text="import time\ntime.sleep(1)\n"),
    ),
    Rule(
        claim="every test states its claim",
        breaches=claimless_tests,
        planted=Source(path="tests/test_mute.py", text="class T:\n    def test_it(self): ...\n"),
    ),
)


def claim_of(rule: Rule) -> str:
    """Name a rule in the test's id."""
    return rule.claim


def belongs_to_us(folder: str) -> bool:
    """Say whether a folder is the project's own rather than one that tools made."""
    hidden = folder.startswith(".") and folder not in {".ci", ".github"}
    return not hidden and folder not in FOLDERS_OF_TOOLS


def project_files() -> Iterator[Path]:
    """Walk the project's own files."""
    for folder, subfolders, names in os.walk(ROOT):
        subfolders[:] = [name for name in subfolders if belongs_to_us(name)]
        yield from (Path(folder, name) for name in names if not name.startswith("."))


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    """Read every text file of the project once."""
    return [
        Source(path=str(path.relative_to(ROOT)), text=path.read_text(encoding="utf-8"))
        for path in sorted(project_files())
        if path.suffix in TEXT_SUFFIXES
    ]


@pytest.mark.parametrize("rule", RULES, ids=claim_of)
def test_house_rule(rule: Rule, sources: list[Source]) -> None:
    """The rule named by the parameter holds for every file of the project."""
    bound = [source for source in sources if source.path not in rule.excused]
    broken = [f"{source.path}:{line}" for source in bound for line in rule.breaches(source)]
    assert not broken, f"{rule.claim}; broken at\n  " + "\n  ".join(broken)


@pytest.mark.parametrize("rule", RULES, ids=claim_of)
def test_rule_sees_a_breach(rule: Rule) -> None:
    """The rule named by the parameter finds its planted breach, and no other rule mistakes it."""
    assert [each.claim for each in RULES if any(each.breaches(rule.planted))] == [rule.claim]


def test_most_functions_are_short(sources: list[Source]) -> None:
    """Nine functions in ten of src/ stay within the usual length."""
    lengths = [
        function.lines
        for source in sources
        if source.under("src/")
        for function in source.functions
    ]
    usual = sum(length <= FUNCTION_LINES_USUAL for length in lengths)
    assert usual >= FUNCTION_USUAL_SHARE_MIN * len(lengths)


@pytest.mark.parametrize("rule", RULES, ids=claim_of)
def test_excuses_are_still_needed(rule: Rule, sources: list[Source]) -> None:
    """A file that no longer breaks the rule named by the parameter is no longer excused from it."""
    breaking = {source.path for source in sources if any(rule.breaches(source))}
    assert set(rule.excused) <= breaking


def test_readme_is_short(sources: list[Source]) -> None:
    """The README is read in one sitting."""
    readme = next(source for source in sources if source.path == "README.md")
    assert len(readme.text.splitlines()) < README_LINES_MAX


def test_pure_tests_get_neither_address_nor_sleep() -> None:
    """A test in this folder that binds an address or sleeps is refused, whatever it meant."""
    sleep = time.sleep
    with socket.socket() as endpoint, pytest.raises(AssertionError, match="bind in a pure test"):
        endpoint.bind(("127.0.0.1", 0))
    with pytest.raises(AssertionError, match="sleep in a pure test"):
        sleep(0)


def test_imports_keep_their_direction(capsys: pytest.CaptureFixture[str]) -> None:
    """Every contract of .importlinter is kept."""
    outcome = lint_imports(config_filename=str(ROOT / ".importlinter"), no_cache=True, no_logo=True)
    assert outcome == 0, capsys.readouterr().out
