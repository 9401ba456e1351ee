"""What a worker takes from journey files before it begins: feeds, secrets, what comes once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stormproof.clients.masking import Masking, secrets_among
from stormproof.journeys.declared import Declared, declared_in
from stormproof.journeys.feed import Feed, Row
from stormproof.journeys.feed_rows import feed_bytes, file_bytes, read_rows
from stormproof.journeys.once import Setup, Teardown
from stormproof.journeys.vault import find_secrets, known_values
from stormproof.kernel.canonical import sha256_hex
from stormproof.kernel.errors import BadInput, Problem
from stormproof.model.plan import FeedFile, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisions:
    """What the journey files of a plan give to a worker."""

    masking: Masking
    rows: Mapping[Feed, tuple[Row, ...]]
    setups: tuple[Setup, ...]
    teardowns: tuple[Teardown, ...]


def provide(
    plan: Plan, folder: Path, environ: Mapping[str, str], headers: Mapping[str, str]
) -> Provisions:
    """Read feeds and secrets of a plan's journey files.

    Args:
        plan: names the files.
        folder: where they lie.
        environ: where secrets are looked for.
        headers: of every request; those that are secrets by their name are hidden too.

    Raises:
        BadInput: a secret is missing, or a file is not the one that the plan names.
    """
    files = {scenario.journey.file: scenario.journey.sha256 for scenario in plan.scenarios}
    declared = [declared_in(folder / file, sha256=digest) for file, digest in files.items()]
    values, problems = find_secrets(
        [one.name for each in declared for one in each.secrets], environ
    )
    if problems:
        raise BadInput(problems)
    for each in declared:
        each.bind(values)
    return Provisions(
        masking=Masking([*known_values(plan.secrets, environ), *secrets_among(headers)]),
        rows=_rows(plan, folder, declared),
        setups=tuple(one for each in declared for one in each.setups),
        teardowns=tuple(one for each in declared for one in each.teardowns),
    )


def _rows(plan: Plan, folder: Path, declared: list[Declared]) -> dict[Feed, tuple[Row, ...]]:
    listed = {feed.file: feed for feed in plan.feeds}
    rows: dict[Feed, tuple[Row, ...]] = {}
    for feed in (feed for each in declared for feed in each.feeds):
        data = _checked_bytes(feed, listed, folder) if feed.path else b""
        rows[feed] = read_rows(feed, data)
    return rows


def _checked_bytes(feed: Feed, listed: Mapping[str, FeedFile], folder: Path) -> bytes:
    """Return the bytes of a feed's file, which must be the one that the plan names."""
    where = f"feed {feed.path}"
    planned = listed.get(feed.path)
    if planned is not None and planned.place:
        data = file_bytes(Path(planned.place), where)
    else:
        data = feed_bytes(feed, folder)
    if planned is None or sha256_hex(data) != planned.sha256:
        what = "is not the file that the plan names"
        raise BadInput([Problem(where=where, what=what, fix="its SHA-256 differs")])
    return data
