"""What a journey file declares at its top, found as its journeys are: by looking, not by registry.

A value counts wherever it comes from: a feed that a neighbouring module makes is the journey file's
once it is imported by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from stormproof.journeys.feed import Feed
from stormproof.journeys.feed_rows import feed_bytes, read_rows
from stormproof.journeys.journey import Journey
from stormproof.journeys.loader import import_file
from stormproof.journeys.metrics import Metric
from stormproof.journeys.once import Setup, Teardown
from stormproof.journeys.secret import Secret
from stormproof.journeys.vault import find_secrets
from stormproof.kernel.canonical import sha256_hex
from stormproof.kernel.errors import BadInput, Problem
from stormproof.kernel.limits import OWN_CHECKERS_MAX
from stormproof.model.authored import Authored
from stormproof.model.own_checker import Checker
from stormproof.model.plan import FeedFile
from stormproof.model.tag import tag_problem

_Value = TypeVar("_Value")


@runtime_checkable
class KeepsSecrets(Protocol):
    """Something that was made with secrets, such as an authentication."""

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The secrets that it was made with."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """The values at the top of a journey file, each once."""

    setups: tuple[Setup, ...]
    teardowns: tuple[Teardown, ...]
    feeds: tuple[Feed, ...]
    secrets: tuple[Secret, ...]
    tags: tuple[str, ...]
    metrics: tuple[Metric, ...]
    checkers: Mapping[str, Checker]  # by what they are called in the file

    def bind(self, values: Mapping[str, str]) -> None:
        """Give the secrets their values."""
        for one in self.secrets:
            one.bind(values[one.name])


def declared_in(path: Path, *, sha256: str | None = None) -> Declared:
    """Import a journey file and return what it declares.

    Raises:
        BadInput: it cannot be read or imported, or is not the file of that digest.
    """
    named = vars(import_file(path, sha256))
    values = list(named.values())
    kept = [one for each in values if _keeps_secrets(each) for one in each.secrets]
    journeys = _every(Journey, values)
    return Declared(
        setups=_every(Setup, values),
        teardowns=_every(Teardown, values),
        feeds=_every(Feed, values),
        secrets=_every(Secret, [*values, *kept]),
        tags=tuple(sorted({tag for journey in journeys for tag in journey.tags})),
        metrics=_every(Metric, values),
        checkers=_checkers(named),
    )


def authored_in(path: Path, environ: Mapping[str, str]) -> tuple[Authored, list[Problem]]:
    """Return what a journey file asks of a run, with every problem of it.

    Args:
        path: the journey file.
        environ: where secrets are looked for.

    Raises:
        BadInput: the file cannot be read or imported.
    """
    declared = declared_in(path)
    problems = [*_repeated(path, declared), *_bad_tags(path, declared)]
    if len(declared.checkers) > OWN_CHECKERS_MAX:
        what = f"declares {len(declared.checkers)} checkers"
        problems.append(Problem(where=str(path), what=what, fix=f"<= {OWN_CHECKERS_MAX}"))
    names = tuple(sorted({one.name for one in declared.secrets}))
    try:
        problems += find_secrets(names, environ)[1]
    except BadInput as error:
        problems += error.problems
    feeds, files = _feed_files(path.parent, declared.feeds, problems)
    authored = Authored(
        setup=declared.setups[0].name if declared.setups else "",
        teardown=declared.teardowns[0].name if declared.teardowns else "",
        secrets=names,
        tags=declared.tags,
        metrics=tuple(
            sorted((one.declared for one in declared.metrics), key=lambda one: str(one.name))
        ),
        checkers={name: one.metrics for name, one in declared.checkers.items()},
        feeds=feeds,
        files=files,
    )
    return authored, problems


def _checkers(named: Mapping[str, object]) -> dict[str, Checker]:
    """Return the checkers of a file, each once, by the first name that it has there."""
    found: dict[str, Checker] = {}
    for name, value in named.items():
        if isinstance(value, Checker) and not any(value is one for one in found.values()):
            found[name] = value
    return found


def _keeps_secrets(value: object) -> bool:
    return not isinstance(value, type) and isinstance(value, KeepsSecrets)


def _every(kind: type[_Value], values: list[object]) -> tuple[_Value, ...]:
    """Return all values of a kind, each once, in the file's order."""
    found = {id(value): value for value in values if isinstance(value, kind)}
    return tuple(found.values())


def _repeated(path: Path, declared: Declared) -> list[Problem]:
    found = (("setup", declared.setups), ("teardown", declared.teardowns))
    return [
        Problem(
            where=str(path),
            what=f"has {len(steps)} functions decorated with @{kind}: "
            + ", ".join(step.name for step in steps),
            fix="one of them can call the others",
        )
        for kind, steps in found
        if len(steps) > 1
    ]


def _bad_tags(path: Path, declared: Declared) -> list[Problem]:
    told = [tag_problem(tag) for tag in declared.tags]
    return [Problem(where=f"{path}: tags", what=what) for what in told if what]


def _feed_files(
    folder: Path, feeds: tuple[Feed, ...], problems: list[Problem]
) -> tuple[tuple[FeedFile, ...], dict[str, bytes]]:
    """Read the file of every feed, wholly, so that no row can surprise the run."""
    listed: dict[str, FeedFile] = {}
    files: dict[str, bytes] = {}
    for feed in feeds:
        try:
            data = feed_bytes(feed, folder) if feed.path else b""
            rows = read_rows(feed, data)
        except BadInput as error:
            problems += error.problems
            continue
        if not feed.path:
            continue
        place = str((folder / feed.path).resolve()) if feed.private else ""
        digest = sha256_hex(data)
        listed[feed.path] = FeedFile(file=feed.path, sha256=digest, rows=len(rows), place=place)
        if not feed.private:
            files[feed.path] = data
    return tuple(listed[file] for file in sorted(listed)), files
