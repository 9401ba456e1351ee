"""The commands that run: `certify` a trial, `run` a file of journeys or a trial."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from stormproof.cli.dry_run import dry_run
from stormproof.cli.execution import Manner, carry_out
from stormproof.cli.jobs import Job, compile_job
from stormproof.cli.plans import Order, compile_order
from stormproof.cli.variables import Variables, read_variables


def preview(order: Order) -> int:
    """Say what a plan would do, and when; nothing is started."""
    plan, loaded = compile_order(_filled(order)[0])
    return dry_run(plan, loaded, {})


def certify(order: Order, out: Path) -> int:
    """Run what was ordered below `out`, judge it, and return the exit code."""
    order, variables = _filled(order)
    plan, loaded = compile_order(order)
    return carry_out(plan, loaded, out, Manner(variables=variables)).exit_code()


def _filled(order: Order) -> tuple[Order, Variables]:
    flags = {"BASE_URL": order.target, "TEST_PROFILE": order.profile}
    variables = read_variables(os.environ, flags=flags)
    target = order.target or variables.base_url
    profile = order.profile or variables.profile or None
    return replace(order, target=target, profile=profile), variables


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
        "BASE_URL": job.target,
        "REGION": job.region,
        "STORMPROOF_ENV": job.environment,
        "TEST_PROFILE": job.profile,
        "WS_URL": job.ws_target,
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
