"""Errors, split by who must act.

    StormproofError
     ├── BadInput            the plan's author      exit 64   carries every problem at once
     ├── EnvironmentFailure  whoever runs the host  exit 69
     ├── FaultRefused        the plan's author      exit 64   the fault cannot be done there or now
     ├── FaultLapsed         nobody                 ends no run: the fault had ended before its undo
     ├── OwnFault            us                     exit 70
     ├── Interrupted         nobody                 exit 130
     └── SourceSilent        nobody                 ends no run: its text is a row of the record

What the target does wrong is data in the record and never one of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Say one thing that is wrong with an input: where it is, what it is, what would be right."""

    where: str
    what: str
    fix: str = ""

    def __str__(self) -> str:
        tail = f" ({self.fix})" if self.fix else ""
        return f"{self.where}: {self.what}{tail}"


class StormproofError(Exception):
    """Base of every error that stormproof raises on purpose."""

    exit_code: ClassVar[int] = 70


class BadInput(StormproofError):
    """The plan, profile, journey or option is wrong; carries all problems found."""

    exit_code = 64

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class EnvironmentFailure(StormproofError):
    """The machine or the target's surroundings refuse: port taken, disk full, target away."""

    exit_code = 69

    def __init__(self, what: str, fix: str = "") -> None:
        self.what = what
        self.fix = fix
        super().__init__(f"{what} ({fix})" if fix else what)


class FaultRefused(StormproofError):
    """A fault cannot be done: on that part, at that moment, or at all."""

    exit_code = 64


class FaultLapsed(StormproofError):
    """A fault had ended by itself before it was undone: there is nothing to undo, and nobody knows
    since when it broke nothing any more."""


class OwnFault(StormproofError):
    """A defect of stormproof itself."""

    exit_code = 70


class SourceSilent(StormproofError):
    """A source of figures gave none this time; `why` says what came instead.

    `is_absent`: there is nothing to read there, and asking again would not change that.
    """

    def __init__(self, why: str, *, is_absent: bool = False) -> None:
        self.why = why
        self.is_absent = is_absent
        super().__init__(why)


class Interrupted(StormproofError):
    """The user asked to stop; undo is done and the record sealed."""

    exit_code = 130
