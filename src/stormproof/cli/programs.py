"""`certify PROGRAM`: the trials of a program, each a run of its own, and one certificate.

Each trial is certified by a process of its own, so that one which crashes, or cannot even be
imported, costs only itself; what is missing in the end is said in the certificate.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import click

from stormproof import __version__
from stormproof.checks.certificate import (
    certificate_of,
    judge_coverage,
    unanswered,
)
from stormproof.cli.judging import EXIT_CODES, rejudge
from stormproof.cli.locations import program_folders
from stormproof.cli.plans import Order
from stormproof.cli.program_runs import ProgramRuns, stored_answer
from stormproof.cli.running import planned
from stormproof.kernel.errors import BadInput, EnvironmentFailure, Problem
from stormproof.kernel.limits import COVERAGE_BYTES_MAX
from stormproof.kernel.units import duration_text
from stormproof.model.plan import Plan
from stormproof.model.program import (
    Certificate,
    CoverageAnswer,
    Program,
    ProgramOrder,
    TrialAnswer,
)
from stormproof.planning.programs import known_programs, only_of, read_program
from stormproof.report.certificate import certificate_html, certificate_text
from stormproof.report.number import counted
from stormproof.store.directory import new_run_id, replace_whole
from stormproof.store.program_directory import ProgramDirectory

AROUND_A_TRIAL_NS = 40_000_000_000  # to start its stack, prepare its users, judge and stop
CORES_EACH = 2  # one for a trial's workers, one for its stack
INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramRequest:
    """What the command line asks of a program."""

    out: Path
    only: str = ""
    scale: float = 1.0
    seed: int | None = None
    target: str = ""
    environment: str = ""
    secrets: Path | None = None
    parallel: int = 1
    coverage: str = ""


def program_named(name: str) -> Program | None:
    """Return the program that `name` means, None where it means none.

    Raises:
        BadInput: the program's file is wrong.
    """
    known = known_programs(program_folders())
    if name in known:
        return read_program(known[name])
    if name.endswith(".json"):
        return read_program(Path(name))
    return None


def refuse_together(what: str, options: Mapping[str, object]) -> None:
    """Refuse options that mean nothing for what was asked.

    Raises:
        BadInput: one of them was given.
    """
    problems = [
        Problem(where=name, what=f"means nothing for {what}")
        for name, given in options.items()
        if given
    ]
    if problems:
        raise BadInput(problems)


def certify_program(program: Program, request: ProgramRequest) -> int:
    """Certify a program's trials and return the exit code.

    Raises:
        BadInput: it has no trial that was asked for.
        EnvironmentFailure: its directory cannot be made.
    """
    order = ProgramOrder(
        program=program,
        only=only_of(program, request.only),
        scale=request.scale,
        seed=request.seed,
        target=request.target,
        environment=request.environment,
        coverage=request.coverage,
    )
    path = request.out.absolute() / new_run_id(program.name)
    directory = ProgramDirectory.create(path, order)
    _copy_coverage(order, directory)
    return _carry_out(directory, order, request, done={})


def resume_program(path: Path, request: ProgramRequest) -> int:
    """Go on with a program that was interrupted: what has a verdict keeps it.

    Raises:
        BadInput: there is no program at `path`.
    """
    directory = ProgramDirectory.open(path)
    order = directory.order()
    done = {
        one.id: answer
        for one in order.asked
        if (run := directory.last_run(one.id)) is not None
        and run.is_completed()
        and (answer := stored_answer(directory, one)) is not None
    }
    click.echo(f"resumed: {counted(len(done), 'trial')} done already", err=True)
    return _carry_out(directory, order, request, done=done)


def judge_program(path: Path, *, trust_checkers: bool) -> int:
    """Judge each run of a program again, and come to its certificate from that.

    Raises:
        BadInput: there is no program at `path`.
    """
    directory = ProgramDirectory.open(path)
    order = directory.order()
    for entry in order.asked:
        if (run := directory.last_run(entry.id)) is not None:
            rejudge(run, trust_checkers=trust_checkers)
    answers = {
        one.id: answer
        for one in order.asked
        if (answer := stored_answer(directory, one)) is not None
    }
    return EXIT_CODES[_issue(directory, order, answers).verdict]


def _carry_out(
    directory: ProgramDirectory,
    order: ProgramOrder,
    request: ProgramRequest,
    done: dict[str, TrialAnswer],
) -> int:
    compiled = _compiled(order, request)
    slots = _slots(request.parallel, order.target)
    _tell_plan(order, compiled, len(slots))
    click.echo(f"program {directory.path}", err=True)
    night = ProgramRuns(
        directory=directory,
        order=order,
        secrets=request.secrets,
        slots=slots,
        answers=done,
        lengths_ns={name: _length_ns(one) for name, one in compiled.items()},
    )
    ready = []
    for entry in order.asked:
        problem = compiled[entry.id]
        if isinstance(problem, str):
            directory.say_why(entry.id, problem)
            night.answers[entry.id] = unanswered(entry, problem)
        elif entry.id not in done:
            ready.append(entry)
    asyncio.run(night.run(ready))
    certificate = _issue(directory, order, night.answers)
    return INTERRUPTED if night.is_stopped else EXIT_CODES[certificate.verdict]


def _compiled(order: ProgramOrder, request: ProgramRequest) -> dict[str, Plan | str]:
    """Compile every trial, so that its length is known and what is wrong is told first."""
    found: dict[str, Plan | str] = {}
    for entry in order.asked:
        asked = Order(
            plan=entry.trial,
            profile=entry.profile,
            scale=order.scale,
            seed=order.seed,
            target=order.target,
            secrets=request.secrets,
        )
        try:
            found[entry.id] = planned(asked, order.environment)
        except BadInput as error:
            found[entry.id] = "; ".join(map(str, error.problems[:3]))
        except EnvironmentFailure as error:
            found[entry.id] = str(error)
    return found


def _length_ns(plan: Plan | str) -> int:
    """Return how long a trial may take by its own deadlines, 0 of one that cannot be run."""
    if isinstance(plan, str):
        return 0
    return plan.ready_deadline_ns + plan.duration_ns + plan.drain_deadline_ns + AROUND_A_TRIAL_NS


def _slots(parallel: int, target: str) -> list[list[int]]:
    """Return the cores of each trial that runs at once; one alone has all of them."""
    cores = sorted(os.sched_getaffinity(0))
    room = 1 if target else max(1, len(cores) // CORES_EACH)
    if parallel > room:
        why = "they share one target" if target else f"{len(cores)} cores carry no more"
        click.echo(f"stormproof: {counted(room, 'trial')} at a time: {why}", err=True)
    used = min(parallel, room)
    if used == 1:
        return [cores]
    share = len(cores) // used
    return [cores[number * share : (number + 1) * share] for number in range(used)]


def _tell_plan(order: ProgramOrder, compiled: dict[str, Plan | str], at_once: int) -> None:
    """Print what will be run, for how long, and what is not judged."""
    plans = [one for one in compiled.values() if isinstance(one, Plan)]
    around_ns = AROUND_A_TRIAL_NS
    lengths = [one.duration_ns + around_ns for one in plans]
    whole_ns = max([sum(lengths) // at_once, *lengths], default=0)
    click.echo(order.program.title, err=True)
    scale = f" at scale {order.scale:g}" if order.scale != 1 else ""
    told = f"{counted(len(plans), 'trial')}{scale}, {at_once} at a time"
    click.echo(f"program {order.program.name}: {told}: about {duration_text(whole_ns)}", err=True)
    for entry in order.asked:
        plan = compiled[entry.id]
        if isinstance(plan, str):
            click.echo(f"  {entry.id} {entry.trial}: cannot be run: {plan}", err=True)
            continue
        mark = ", may fail" if entry.may_fail else ""
        left_out = f", {len(plan.not_judged)} not judged" if plan.not_judged else ""
        length = duration_text(plan.duration_ns)
        click.echo(f"  {entry.id} {entry.trial}: load for {length}{left_out}{mark}", err=True)
        for one in plan.not_judged:
            click.echo(f"     not judged: {one.objective} ({one.why})", err=True)


def _issue(
    directory: ProgramDirectory, order: ProgramOrder, answers: dict[str, TrialAnswer]
) -> Certificate:
    """Write and print the certificate."""
    coverage = _coverage(order.program, directory)
    certificate = certificate_of(order, answers, coverage, version=__version__)
    directory.save_certificate(certificate, certificate_html(certificate))
    encoding = (sys.stdout.encoding or "").lower()
    click.echo(
        certificate_text(
            certificate,
            folder=str(directory.path),
            width=max(60, min(shutil.get_terminal_size((100, 24)).columns, 120)),
            colour=sys.stdout.isatty(),
            unicode=encoding.startswith("utf"),
        ),
        nl=False,
    )
    sys.stdout.flush()
    return certificate


def _copy_coverage(order: ProgramOrder, directory: ProgramDirectory) -> None:
    """Keep the coverage report beside the runs: the certificate is made from what is stored."""
    if order.program.coverage_min is None:
        return
    source = Path(order.coverage or "coverage.xml")
    try:
        if source.stat().st_size > COVERAGE_BYTES_MAX:
            what = f"is over {COVERAGE_BYTES_MAX} bytes"
            raise BadInput([Problem(where=str(source), what=what)])
        replace_whole(directory.coverage, source.read_bytes())
    except OSError as error:
        click.echo(f"stormproof: no coverage report: {source}: {error.strerror}", err=True)


def _coverage(program: Program, directory: ProgramDirectory) -> CoverageAnswer | None:
    """Judge the stored Cobertura report by the `line-rate` of its root."""
    if program.coverage_min is None:
        return None
    share, why = None, "there is no coverage report (coverage xml writes one)"
    if directory.coverage.is_file():
        try:
            root = ET.parse(directory.coverage).getroot()  # noqa: S314 - bounded, local
            share, why = float(root.attrib["line-rate"]), ""
        except (ET.ParseError, KeyError, ValueError) as error:
            why = f"the coverage report is none: {error}"
    return judge_coverage(share, program.coverage_min, why)
