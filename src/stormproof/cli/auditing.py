"""The audit log on the command line: what a run enters of itself, and `stormproof log`.

It is called `log` because `audit` is the security audit of a target.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import click
import msgspec

from stormproof.faults.audit_log import (
    AuditLog,
    default_audit_path,
    entry_of,
    read_log,
    user_and_host,
)
from stormproof.kernel.errors import EnvironmentFailure
from stormproof.kernel.units import duration_text
from stormproof.model.audit import RUN_BEGAN, RUN_ENDED, AuditEntry, AuditOrigin
from stormproof.model.event import EndEvent
from stormproof.model.plan import Plan
from stormproof.model.record import Record
from stormproof.model.verdict import Verdict

OPEN_FAULT: Final = ("fault-intent", "fault-injected")


class RunAudit:
    """Enter that a run began, and how it ended."""

    def __init__(self, plan: Plan, run_id: str, run_dir: Path, why: str) -> None:
        self.origin = AuditOrigin(
            path=str(default_audit_path(os.environ)),
            who=user_and_host(),
            target=plan.target or f"stack {plan.stack}",
            why=why or f"{plan.trial}: {plan.title}",
        )
        self._plan = plan
        self._enter = partial(_entered, self.origin, run_id, str(run_dir))

    def began(self) -> None:
        """Enter the start, with the bounds of what will be done."""
        plan = self._plan
        users = sum(one.max_vus for one in plan.scenarios)
        rate = sum(one.peak_rate_per_s for one in plan.scenarios)
        length = duration_text(plan.duration_ns)
        load = f"{users} users, {rate:g} iterations/s, {length}, {len(plan.faults)} faults"
        self._enter(RUN_BEGAN, load)

    def ended(self, record: Record, verdict: Verdict) -> None:
        """Enter the end, as the record tells it, and the verdict."""
        ends = [one.how for one in record.events if isinstance(one, EndEvent)]
        self._enter(RUN_ENDED, f"{ends[0] if ends else 'cut off'}, {verdict.verdict.value}")


def _entered(origin: AuditOrigin, run_id: str, run_dir: str, what: str, detail: str) -> None:
    _append(Path(origin.path), [entry_of(origin, what, run_id, run_dir, detail)])


def enter_healed(undone: Iterable[tuple[str, str, str]]) -> None:
    """Enter the faults that `heal` found and undid: run, its folder, fault."""
    path = default_audit_path(os.environ)
    origin = AuditOrigin(path=str(path), who=user_and_host(), target="", why="stormproof heal")
    _append(
        path,
        [
            msgspec.structs.replace(entry_of(origin, "fault-undone", run, folder), fault=fault)
            for run, folder, fault in undone
        ],
    )


def _append(path: Path, entries: Iterable[AuditEntry]) -> None:
    """Append entries; what refuses is told and stops nothing."""
    log = AuditLog(path)
    try:
        for entry in entries:
            log.append(entry)
    except EnvironmentFailure as failure:
        click.echo(f"stormproof: not in the audit log: {failure}", err=True)


def show_log(*, faults: bool, last: int, as_json: bool) -> int:
    """Print the newest entries, one a run and one a fault, oldest first.

    Args:
        faults: leave runs out.
        last: so many, at most.
        as_json: the raw lines instead.
    """
    path = default_audit_path(os.environ)
    entries, unread = read_log(path)
    if as_json:
        for entry in entries[-last:]:
            click.echo(msgspec.json.encode(entry).decode())
    else:
        lines = list(_told(entries, faults=faults))
        for line in lines[-last:]:
            click.echo(line)
        click.echo(f"{path}: {len(lines)} told, the last {min(last, len(lines))} here", err=True)
    if unread:
        click.echo(f"{unread} lines of it cannot be read", err=True)
    return 0


def _told(entries: Iterable[AuditEntry], *, faults: bool) -> Iterator[str]:
    """Tell each run, and each time a fault was tried, with how it ended, in the order of begin."""
    lives: dict[tuple[str, str], list[AuditEntry]] = {}
    for entry in entries:
        if entry.fault or not faults:
            lives.setdefault((entry.run, entry.fault), []).append(entry)
    for life in lives.values():
        yield _fault_line(life) if life[0].fault else _run_line(life)


def _run_line(life: list[AuditEntry]) -> str:
    first, last = life[0], life[-1]
    end = f"ended {last.at}: {last.detail}" if last.what == RUN_ENDED else "no end was entered"
    return f"{first.at}  {first.who}  run {first.run} of {first.target} ({first.why}); {end}"


def _fault_line(life: list[AuditEntry]) -> str:
    first, last = life[0], life[-1]
    broken = f"{first.fault}: {first.kind} of {first.part}" if first.kind else first.fault
    where = f"{first.target}, run {first.run} ({first.why})"
    return f"{first.at}  {first.who}  {broken}, {where}; {_ending(last)}"


def _ending(last: AuditEntry) -> str:
    detail = f": {last.detail}" if last.detail else ""
    if last.what == "fault-undone":
        return f"undone {last.at}"
    if last.what in OPEN_FAULT:
        return f"NOT UNDONE as far as is known: stormproof heal {last.run_dir}"
    return f"{last.what.removeprefix('fault-')} {last.at}{detail}"
