"""Explain one finding or objective of a run on the terminal."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

import click

from stormproof import __version__
from stormproof.checks.explaining import Unknown, explain, names_in
from stormproof.checks.judge import judge
from stormproof.cli.own_checking import own_answers
from stormproof.kernel.errors import BadInput, Problem
from stormproof.kernel.units import MILLISECOND_NS, SECOND_NS
from stormproof.model.event import ClockEvent, OriginEvent
from stormproof.model.record import Record
from stormproof.model.verdict import Verdict
from stormproof.report.number import wall_text
from stormproof.report.story import render_stories
from stormproof.store.directory import RunDirectory
from stormproof.store.reader import load_record


def explain_run(
    run: Path, name: str, *, everything: bool = False, trust_checkers: bool = False
) -> int:
    """Print the story of what `name` means in a run; return 0.

    Args:
        run: its directory.
        name: of a finding, a key, a checker or an objective.
        everything: tell all witnesses and operations, up to a bound.
        trust_checkers: run the checkers that the record's code declares.

    Raises:
        BadInput: there is no such run, or nothing in it has that name.
    """
    directory = RunDirectory.open(run)
    record = load_record(directory)
    own = own_answers(directory, record.plan) if trust_checkers else None
    verdict = judge(record, version=__version__, own=own)
    try:
        stories = explain(record, verdict, name, everything=everything)
    except Unknown as unknown:
        raise _unknown(verdict, name, unknown.near) from unknown
    text = render_stories(
        stories,
        clock=clock_text(record),
        run_dir=shlex.quote(str(directory.path)),
        width=min(shutil.get_terminal_size((100, 24)).columns, 120),
        unicode=(sys.stdout.encoding or "").lower().startswith("utf"),
    )
    click.echo(text, nl=False)
    _tell_problems(record)
    return 0


def clock_text(record: Record) -> str:
    """Say what second 0 is on the wall clock, as the logs of the parts have it."""
    origin = next((one for one in record.events if isinstance(one, OriginEvent)), None)
    pair = next((one for one in record.events if isinstance(one, ClockEvent)), None)
    if origin is None:
        return "the load never started: seconds are those of the machine's own clock"
    wall_ns = record.manifest.started_wall_ns + origin.at_ns
    since_ns = record.manifest.started_monotonic_ns
    if pair is not None:
        wall_ns, since_ns = pair.wall_ns + origin.at_ns, pair.at_ns
    whole_ns = wall_ns - since_ns
    thousandths = f".{whole_ns % SECOND_NS // MILLISECOND_NS:03d} UTC"
    return f"second 0 is {wall_text(whole_ns).replace(' UTC', thousandths)}"


def _unknown(verdict: Verdict, name: str, near: list[str]) -> BadInput:
    """Return the problem, with everything that could be asked for instead."""
    known = near or names_in(verdict)
    kinds = {finding.kind for finding in verdict.findings}
    if near:
        what = f"{len(near)} objectives have {name!r} in their name; write one of them whole"
    elif not known:
        what = f"the run has no finding and no objective to explain, so no {name!r} either"
    else:
        what = f"the run has no finding, key or objective {name!r}; it has"
    listed = "".join(
        f"\n    {'finding' if one in kinds else 'objective':<10} {one}" for one in known
    )
    return BadInput([Problem(where="FINDING", what=what + listed)])


def _tell_problems(record: Record) -> None:
    """Say on standard error what the record lacks, so that nobody takes a part for the whole."""
    problems = [*record.problems, *([] if record.sealed else ["the record was never sealed"])]
    for problem in problems:
        click.echo(f"stormproof: the record is not whole: {problem}", err=True)
