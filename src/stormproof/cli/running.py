"""The commands that run: `certify` a trial, `run` a file of journeys or a trial."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from stormproof.cli.dry_run import dry_run
from stormproof.cli.execution import Manner, carry_out
from stormproof.cli.jobs import Job, compile_job
from stormproof.cli.locations import trial_folders
from stormproof.cli.plans import Order, compile_order
from stormproof.cli.variables import Variables, read_variables
from stormproof.model.plan import Plan
from stormproof.planning.trials import LoadedTrial, find_trial


def preview(order: Order, environment: str) -> int:
    """Say what a plan would do, and when; nothing is started."""
    plan, loaded, _ = ordered(order, environment)
    return dry_run(plan, loaded, {})


def planned(order: Order, environment: str) -> Plan:
    """Compile what would be run.

    Raises:
        BadInput: with every problem of it.
    """
    return ordered(order, environment)[0]


def certify(order: Order, out: Path, environment: str) -> int:
    """Run what was ordered below `out`, judge it, and return the exit code.

    Args:
        order: the plan and what changes it.
        out: the folder that gets the run's own.
        environment: by name or file; empty: as STORMPROOF_ENV says, else none.
    """
    plan, loaded, variables = ordered(order, environment)
    return carry_out(plan, loaded, out, Manner(variables=variables)).exit_code()


def ordered(order: Order, environment: str) -> tuple[Plan, LoadedTrial, Variables]:
    """Compile what was ordered, with what the environment adds to it."""
    job, variables = with_variables(
        Job(
            file=Path(),
            profile=order.profile or "",
            environment=environment,
            target=order.target,
            stack=order.stack,
            seed=order.seed,
            scale=order.scale,
            secrets=order.secrets,
        )
    )
    if job.environment or job.region or job.ws_target:
        plan, loaded = compile_job(replace(job, file=find_trial(order.plan, trial_folders())))
    else:
        order = replace(order, target=job.target, profile=job.profile or None)
        plan, loaded = compile_order(order)
    return plan, loaded, variables


def run(job: Job, out: Path, *, verbose: bool, dry: bool) -> int:
    """Run a file of journeys, or a trial, below `out`; judge it, and return the exit code."""
    job, variables = with_variables(job)
    plan, loaded = compile_job(job)
    if dry:
        return dry_run(plan, loaded, job.headers)
    manner = Manner(variables=variables, headers=job.headers, verbose=verbose)
    return carry_out(plan, loaded, out, manner).exit_code()


def with_variables(job: Job) -> tuple[Job, Variables]:
    """Fill in from the environment what no flag said."""
    flags = {
        "BASE_URL": job.target or job.stack,
        "REGION": job.region,
        "STORMPROOF_ENV": job.environment,
        "TEST_PROFILE": job.profile,
        "WS_URL": job.ws_target or job.stack,
    }
    variables = read_variables(os.environ, flags=flags)
    filled = replace(
        job,
        target=job.target or variables.base_url,
        ws_target=job.ws_target or variables.ws_url,
        region=job.region or variables.region,
        environment=job.environment or variables.environment,
        profile=job.profile or variables.profile,
    )
    return filled, variables
