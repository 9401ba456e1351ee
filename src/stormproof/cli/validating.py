"""`stormproof validate`: every problem of an input at once, and what it would do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from stormproof.cli.jobs import Job, compile_job
from stormproof.cli.own_stacks import secret_problems
from stormproof.cli.plans import Order, compile_order, describe, stack_line
from stormproof.kernel.errors import BadInput, Problem
from stormproof.kernel.limits import PROFILE_BYTES_MAX
from stormproof.model.plan import Plan
from stormproof.planning.fields import read_object
from stormproof.planning.k6 import is_k6_options
from stormproof.planning.profiles import read_bytes, read_profile
from stormproof.planning.stack_files import SUFFIX, read_stack
from stormproof.planning.trials import load_file

ANY_TARGET = "http://127.0.0.1:8000"  # journeys alone are checked whatever they will be sent to


def validate(order: Order) -> int:
    """Check a plan, a profile, a stack file or a file of journeys, and say what it would do.

    Raises:
        BadInput: with every problem found.
    """
    if order.plan.endswith(SUFFIX):
        return _validate_stack(Path(order.plan))
    if _is_k6(Path(order.plan)):
        return _validate_numbers(Path(order.plan))
    plan = _plan_of(order)
    for line in describe(plan):
        click.echo(line)
    click.echo(f"valid; plan {plan.digest()[:12]}")
    return 0


def _validate_stack(path: Path) -> int:
    """Check a stack file by itself, and say what would be started.

    Raises:
        BadInput: with every problem found.
    """
    own, _, problems = read_stack(path)
    if problems := [*problems, *secret_problems(own)]:
        raise BadInput(problems)
    click.echo(stack_line(own))
    click.echo(f"the load goes to {own.base_url}")
    if own.secrets:
        click.echo(f"secrets: {', '.join(own.secrets)}")
    click.echo("valid stack; with a trial: stormproof validate TRIAL --stack " + str(path))
    return 0


def _is_k6(path: Path) -> bool:
    """Say whether a file holds k6's options; what cannot be read is told as a profile."""
    if path.suffix != ".json" or not path.is_file():
        return False
    return is_k6_options(read_object(read_bytes(path), str(path), []))


def _validate_numbers(path: Path) -> int:
    """Check k6's options by themselves: their thresholds may ask for metrics of journeys.

    Raises:
        BadInput: with every problem found.
    """
    profile, problems = read_profile(path)
    if problems:
        raise BadInput(problems)
    for name, one in profile.scenarios.items():
        click.echo(f"{name}: {one.executor}")
    for note in profile.notes:
        click.echo(f"note: {note}")
    click.echo(f"valid numbers; with journeys: stormproof validate FILE.py --profile {path}")
    return 0


def _plan_of(order: Order) -> Plan:
    path = Path(order.plan)
    if path.suffix == ".py" and path.is_file() and load_file(path).trial is None:
        target = order.target or ("" if order.stack else ANY_TARGET)
        job = Job(
            file=path,
            profile=order.profile or "",
            target=target,
            stack=order.stack,
            seed=order.seed,
            secrets=order.secrets,
        )
        return compile_job(job)[0]
    if path.suffix == ".json":
        order = replace(order, plan=_trial_of(order.plan), profile=order.plan)
    return compile_order(order)[0]


def _trial_of(profile: str) -> str:
    """Return the trial that a profile file is for: its `trial`, or else the demonstration."""
    problems: list[Problem] = []  # what is wrong with the file is told when it is read as a profile
    try:
        with Path(profile).open("rb") as stream:
            data = stream.read(PROFILE_BYTES_MAX)
    except OSError:
        return "demonstration"
    trial = read_object(data, profile, problems).get("trial")
    return trial if isinstance(trial, str) and trial else "demonstration"
