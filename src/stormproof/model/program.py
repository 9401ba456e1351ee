"""A program: trials that are certified together, and the certificate over all of them."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from stormproof.model.objective import Status

RECOVERY: Final = "recovery_"  # what the metrics of a missed recovery begin with


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One trial of a program, by the id that people know it by."""

    id: str
    trial: str
    profile: str
    may_fail: bool = False


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """Trials that are certified together; `coverage_min` is a share of lines, None: not asked."""

    name: str
    title: str
    entries: tuple[Entry, ...]
    coverage_min: float | None = None


class ProgramOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked of a program; saved beside its runs, so that it can be resumed and judged."""

    program: Program
    only: tuple[str, ...] = ()  # ids; empty: all
    scale: float = 1.0
    seed: int | None = None
    target: str = ""
    environment: str = ""
    coverage: str = ""  # the file as it was named; a copy lies beside this

    @property
    def asked(self) -> tuple[Entry, ...]:
        """The trials that were asked for, in the program's order."""
        return tuple(one for one in self.program.entries if not self.only or one.id in self.only)


class TrialAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What one trial of a program came to; without a `run` it was not judged, and `why` says so.

    `excused`: it may fail, did, and broke nothing that no mark excuses.
    """

    id: str
    trial: str
    title: str
    profile: str
    status: Status
    headline: str
    scope: Literal["full", "reduced"] = "full"
    run: str = ""
    folder: str = ""  # of its run, below the program's
    may_fail: bool = False
    excused: bool = False
    met: int = 0
    objectives: int = 0
    not_judged: tuple[str, ...] = ()
    why: str = ""


class CoverageAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Which share of the lines the tests cover, by a Cobertura report."""

    status: Status
    value: float | None
    bar: float
    why: str = ""


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """One verdict over a program: a pure function of its order and the verdicts of its runs."""

    format: int = 1
    stormproof: str
    verdict: Status
    scope: Literal["full", "reduced"]
    headline: str
    program: str
    title: str
    program_sha256: str
    scale: float
    trials: list[TrialAnswer]
    left_out: list[str]  # ids that were not asked for
    coverage: CoverageAnswer | None = None
