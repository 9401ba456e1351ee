"""Read a program: the JSON file that names trials which are certified together.

    {"title": "...", "strict": true, "coverage": 0.92,
     "trials": {"C1": {"trial": "message_throughput", "profile": "message_throughput"}}}

In a strict program no trial may be marked `mayFail`. Without a profile it is the trial's own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from stormproof.kernel.errors import BadInput, Problem
from stormproof.kernel.paths import is_file
from stormproof.model.program import Entry, Program
from stormproof.planning.fields import Fields, read_object, suggest
from stormproof.planning.profiles import read_bytes

ENTRIES_MAX: Final = 100
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")  # it names a folder


def known_programs(folders: Sequence[Path]) -> dict[str, Path]:
    """Return every program below `folders` by name; the first folder that has one wins."""
    found: dict[str, Path] = {}
    for folder in folders:
        for file in sorted(folder.glob("*.json")):
            found.setdefault(file.stem, file)
    return found


def read_program(path: Path) -> Program:
    """Read a program.

    Raises:
        BadInput: with all that is wrong with it.
    """
    if not is_file(path):
        raise BadInput([Problem(where=str(path), what="is no file")])
    problems: list[Problem] = []
    fields = Fields(read_object(read_bytes(path), str(path), problems), f"{path}:", problems)
    strict = fields.flag("strict", default=False)
    asks_coverage = fields.has("coverage")
    program = Program(
        name=path.stem,
        title=fields.text("title", path.stem),
        entries=_entries(fields.inner("trials", required=True), strict=strict),
        coverage_min=fields.number("coverage", default=0.0, low=0.0, high=1.0)
        if asks_coverage
        else None,
    )
    fields.done()
    if problems:
        raise BadInput(problems)
    return program


def _entries(fields: Fields, *, strict: bool) -> tuple[Entry, ...]:
    found = []
    for name, one in fields.objects():
        if not _ID.fullmatch(name):
            fields.problem(name, "is no id", "letters, digits, . - and _, at most 32")
        trial = one.text("trial", "")
        if not trial:
            one.problem("trial", "is missing", "the name of a trial")
        may_fail = one.flag("mayFail", default=False)
        if may_fail and strict:
            one.problem("mayFail", "is refused: in a strict program nothing may fail")
        found.append(
            Entry(id=name, trial=trial, profile=one.text("profile", trial), may_fail=may_fail)
        )
        one.done()
    if not 1 <= len(found) <= ENTRIES_MAX:
        fields.problem("", f"names {len(found)} trials", f"1 to {ENTRIES_MAX}")
    return tuple(found)


def only_of(program: Program, text: str) -> tuple[str, ...]:
    """Return the ids that `--only C4,C8` names, in the program's order; empty text: all.

    Raises:
        BadInput: the program has no such trial.
    """
    wanted = [one.strip() for one in text.split(",") if one.strip()]
    known = tuple(one.id for one in program.entries)
    problems = [
        Problem(where=f"--only {one}", what=f"is no trial of {program.name}",
                fix=suggest(one, known))
        for one in wanted
        if one not in known
    ]  # fmt: skip
    if problems:
        raise BadInput(problems)
    return tuple(one for one in known if one in wanted)
