"""Errors grouped by what failed and how, so that ten thousand of a kind are one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stormproof.model.event import Failure
from stormproof.model.record import Record
from stormproof.report.printable import printable, shortened
from stormproof.report.tally import Tally
from stormproof.rules.windows import Windows

GROUPS_MAX = 100
BODY_CHARACTERS_MAX = 1_000
NAME_CHARACTERS_MAX = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """All kept failures of one kind of one operation."""

    operation: str
    kind: str
    count: int
    during_faults: int
    first_s: float
    last_s: float
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """Groups, the largest first; `kept` of `failed` failures are in the record one by one."""

    groups: list[FailureGroup]
    groups_left_out: int
    kept: int
    failed: int


def failures_of(record: Record, windows: Windows, tally: Tally) -> Failures:
    """Return the failures of a record, grouped."""
    by_key: dict[tuple[str, str], list[Failure]] = {}
    for failure in record.failures:
        by_key.setdefault((_operation(record, failure), failure.kind), []).append(failure)
    in_force = windows.seconds("fault") | windows.seconds("recovery")
    groups = [
        _group(operation, kind, failures, windows, in_force)
        for (operation, kind), failures in by_key.items()
    ]
    groups.sort(key=lambda group: (-group.count, group.operation, group.kind))
    failed = sum(cell.failed for cell in tally.operations.values())
    return Failures(
        groups=groups[:GROUPS_MAX],
        groups_left_out=max(0, len(groups) - GROUPS_MAX),
        kept=len(record.failures),
        failed=max(failed, len(record.failures)),
    )


def _operation(record: Record, failure: Failure) -> str:
    series = record.series.get(failure.worker, {}).get(failure.series)
    if series is None:
        return f"series {failure.series} of worker {failure.worker}"
    return series.tags.get("name", series.metric)


def _group(
    operation: str,
    kind: str,
    failures: Sequence[Failure],
    windows: Windows,
    in_force: set[int],
) -> FailureGroup:
    ends = [failure.end_ns for failure in failures]
    body = next((failure.body for failure in failures if failure.body), "")
    return FailureGroup(
        operation=shortened(operation, NAME_CHARACTERS_MAX),
        kind=shortened(kind, NAME_CHARACTERS_MAX),
        count=len(ends),
        during_faults=sum(windows.second_of(end_ns) in in_force for end_ns in ends),
        first_s=windows.at_s(min(ends)),
        last_s=windows.at_s(max(ends)),
        body=_example(body),
    )


def _example(body: str) -> str:
    cut = body[:BODY_CHARACTERS_MAX]
    return printable(cut, layout=True) + ("…" if len(body) > len(cut) else "")
