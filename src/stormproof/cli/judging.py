"""Judge a record, and write what the verdict looks like: verdict.json, report.html, junit.xml."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click
import msgspec

from stormproof import __version__
from stormproof.checks.judge import judge
from stormproof.cli.locations import profile_folders
from stormproof.cli.own_checking import own_answers
from stormproof.kernel.canonical import UNREADABLE, readable_json
from stormproof.kernel.errors import BadInput, EnvironmentFailure, Problem
from stormproof.model.objective import Objective, Status
from stormproof.model.plan import NotJudged, Plan
from stormproof.model.profile import Profile
from stormproof.model.record import Record
from stormproof.model.verdict import Verdict
from stormproof.planning.problems import misfits, repetitions
from stormproof.planning.profiles import find_profile, read_profile
from stormproof.planning.thresholds import read_thresholds
from stormproof.report.html import render_html
from stormproof.report.junit import render_junit
from stormproof.report.text import render_text
from stormproof.rules.catalog import CATALOG
from stormproof.rules.questions import declared_by, problems_of
from stormproof.store.directory import RunDirectory
from stormproof.store.reader import load_record

EXIT_CODES = {Status.PASS: 0, Status.FAIL: 1, Status.INCONCLUSIVE: 2}


def judge_run(directory: RunDirectory, record: Record) -> Verdict:
    """Judge a run of this process by its own plan, write the verdict and its renderings, and
    return it; the checkers of its file run like the rest of that file did."""
    own = own_answers(directory, record.plan)
    verdict = judge(record, version=__version__, own=own)
    directory.save(directory.verdict, readable_json(verdict))
    write_reports(directory, verdict, record)
    return verdict


def write_reports(directory: RunDirectory, verdict: Verdict, record: Record) -> None:
    """Write report.html and junit.xml."""
    directory.save(directory.report, render_html(verdict, record))
    directory.save(directory.junit, render_junit(verdict))


def print_verdict(directory: RunDirectory, verdict: Verdict, plan: Plan) -> None:
    """Print the verdict on standard output."""
    width = max(60, min(shutil.get_terminal_size((100, 24)).columns, 120))
    colour = sys.stdout.isatty()
    encoding = (sys.stdout.encoding or "").lower()
    text = render_text(
        verdict,
        run_dir=str(directory.path),
        width=width,
        colour=colour,
        unicode=encoding.startswith("utf"),
        recheck="stormproof judge" + " --trust-checkers" * bool(plan.own_checkers),
    )
    click.echo(text, color=colour)


def judge_again(
    path: Path, profile: str | None, out: Path | None, *, trust_checkers: bool = False
) -> int:
    """Judge a run again, by its own profile or another one.

    Args:
        path: the run's directory.
        profile: by name or file; None: the run's own.
        out: where the verdict goes.
        trust_checkers: run the checkers that the record's code declares. Without, what they would
            say is undecided, and such a verdict does not take the place of the run's.
    """
    directory = RunDirectory.open(path)
    record = load_record(directory)
    own = own_answers(directory, record.plan) if trust_checkers else None
    if profile is None:
        verdict = judge(record, version=__version__, own=own)
        target = out or _own_place(directory, record, trust_checkers=trust_checkers)
    else:
        other, objectives = _other_objectives(record, profile)
        verdict = judge(
            record,
            objectives=objectives,
            not_judged=_exact_not_judged(record.plan),
            profile=other.ref.name,
            version=__version__,
            own=own,
        )
        target = out
    if target is not None:
        _write(directory, target, verdict)
    if target == directory.verdict:
        write_reports(directory, verdict, record)
    print_verdict(directory, verdict, record.plan)
    return EXIT_CODES[verdict.verdict]


def rejudge(directory: RunDirectory, *, trust_checkers: bool) -> None:
    """Judge a run again by its own plan, and write its verdict and reports anew, printing nothing.

    One whose verdict needs checkers of its own that are not trusted keeps the one it has.
    """
    record = load_record(directory)
    own = own_answers(directory, record.plan) if trust_checkers else None
    if _own_place(directory, record, trust_checkers=trust_checkers) is None:
        return
    verdict = judge(record, version=__version__, own=own)
    _write(directory, directory.verdict, verdict)
    write_reports(directory, verdict, record)


def _own_place(directory: RunDirectory, record: Record, *, trust_checkers: bool) -> Path | None:
    """Return where a run's own verdict is written; None where this one is only a part of it."""
    if not record.plan.own_checkers or trust_checkers or not directory.verdict.is_file():
        return directory.verdict
    told = "verdict.json stays as it is: the checkers of the trial's file were not run"
    click.echo(f"stormproof: {told} (--trust-checkers)", err=True)
    return None


def _write(directory: RunDirectory, target: Path, verdict: Verdict) -> None:
    data = readable_json(verdict)
    if target == directory.verdict:
        directory.save(target, data)
        return
    try:
        target.write_bytes(data)
    except OSError as error:
        what = f"{target} cannot be written: {error.strerror}"
        raise EnvironmentFailure(what, "choose another --out") from error


def _other_objectives(record: Record, name: str) -> tuple[Profile, list[Objective]]:
    """Return another profile's objectives for this record, with the trial's exact ones.

    All are judged: with a record at hand, evidence that is missing shows as INCONCLUSIVE. Only the
    exact ones that the plan set aside before the run stay aside.

    Raises:
        BadInput: the profile is wrong, is for another trial, or softens what the trial owns.
    """
    profile, problems = read_profile(find_profile(name, profile_folders()))
    place = f"{profile.where}: thresholds"
    declared = declared_by(record.plan)
    bars, bad = read_thresholds(profile.thresholds, place, exact=False, declared=declared)
    exact = [one for one in record.plan.objectives if one.exact and one not in bars]
    problems += [*bad, *repetitions(bars, place)]
    owned = [*(one.metric for one in exact), *map(_metric, _exact_not_judged(record.plan))]
    problems += misfits(profile, record.plan.trial, owned)
    problems += [
        Problem(where=profile.where, what=text)
        for one in bars
        for text in problems_of(one, record.plan)
    ]
    if problems:
        raise BadInput(problems)
    return profile, [*exact, *bars]


def _exact_not_judged(plan: Plan) -> list[NotJudged]:
    """Return what the trial owns and the plan, before the run, knew that it could not decide.

    Plans of older records do not say whose an objective is: what is exact is a trial's.
    """
    exact = {metric.name for metric in CATALOG.values() if metric.exact}
    return [one for one in plan.not_judged if one.exact or _metric(one) in exact]


def _metric(one: NotJudged) -> str:
    """Return the metric that an objective's name begins with."""
    return one.objective.partition(":")[0].partition("{")[0].strip()


def report_again(path: Path) -> int:
    """Render a run's stored verdict anew."""
    directory = RunDirectory.open(path)
    verdict, record = stored_verdict(directory), load_record(directory)
    if verdict.run != record.manifest.run_id:
        raise _unfit_verdict(directory, f"is of the run {verdict.run}")
    write_reports(directory, verdict, record)
    print_verdict(directory, verdict, record.plan)
    return EXIT_CODES[verdict.verdict]


def stored_verdict(directory: RunDirectory) -> Verdict:
    """Return the verdict that a run has.

    Raises:
        BadInput: it has none, or none that can be read.
    """
    if not directory.verdict.is_file():
        raise _unfit_verdict(directory, "is missing")
    try:
        return msgspec.json.decode(directory.verdict.read_bytes(), type=Verdict)
    except UNREADABLE as error:
        raise _unfit_verdict(directory, f"is no verdict: {error}") from error


def _unfit_verdict(directory: RunDirectory, what: str) -> BadInput:
    fix = f"stormproof judge {directory.path}"
    return BadInput([Problem(where=str(directory.verdict), what=what, fix=fix)])
