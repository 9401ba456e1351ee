"""`--dry-run`: what would be sent, and when; nothing is sent, and nothing recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from stormproof.cli.panel import clock_text
from stormproof.cli.plans import describe
from stormproof.cli.rehearsal import rehearse
from stormproof.clients.masking import MASK
from stormproof.journeys.declared import declared_in
from stormproof.journeys.loader import load_journey
from stormproof.kernel.units import SECOND_NS
from stormproof.model.plan import Plan, Scenario
from stormproof.planning.trials import LoadedTrial


def dry_run(plan: Plan, loaded: LoadedTrial, headers: Mapping[str, str]) -> int:
    """Print what a plan would do: the loads on their timeline, then each journey once."""
    for line in describe(plan):
        click.echo(line)
    click.echo("WHEN")
    for line in timetable(plan):
        click.echo(f"  {line}")
    for scenario in plan.scenarios:
        click.echo(f"WHAT {scenario.name} SENDS to {plan.target or 'the stack'}")
        for line in asyncio.run(_rehearsed(plan, scenario, loaded.path, headers)):
            click.echo(f"  {line}")
    click.echo("nothing was sent")
    return 0


async def _rehearsed(
    plan: Plan, scenario: Scenario, path: Path, headers: Mapping[str, str]
) -> list[str]:
    declared = declared_in(path)
    declared.bind({one.name: MASK for one in declared.secrets})
    journey = load_journey(path, scenario.journey.function)
    return await rehearse(journey, scenario.name, scenario.env, seed=plan.seed, headers=headers)


def timetable(plan: Plan) -> Iterator[str]:
    """Yield a line for each stretch of each scenario, in the order in which they begin."""
    rows = [row for one in plan.scenarios for row in _stretches(one)]
    rows += [
        (one.at_ns, one.at_ns + one.for_ns, one.name, f"fault: {one.kind} of {one.part}")
        for one in plan.faults
    ]
    for from_ns, to_ns, name, what in sorted(rows):
        span = f"{clock_text(from_ns / SECOND_NS)} to {clock_text(to_ns / SECOND_NS)}"
        yield f"{span:<18} {name:<20} {what}"


def _stretches(one: Scenario) -> list[tuple[int, int, str, str]]:
    end_ns = one.start_ns + one.duration_ns
    unit_s = one.time_unit_ns / SECOND_NS
    if one.executor == "constant-arrival-rate":
        what = f"{one.rate / unit_s:g} iterations a second on {one.vus} to {one.max_vus} users"
    elif one.executor == "constant-vus":
        what = f"{one.vus} users in a closed loop"
    elif one.executor == "per-vu-iterations":
        what = f"{one.vus} users, {one.iterations} iterations each, at the longest"
    elif one.executor == "shared-iterations":
        what = f"{one.iterations} iterations shared by {one.vus} users, at the longest"
    else:
        return list(_stages(one))
    return [(one.start_ns, end_ns, one.name, what)]


def _stages(one: Scenario) -> Iterator[tuple[int, int, str, str]]:
    is_rate = one.executor == "ramping-arrival-rate"
    unit_s = one.time_unit_ns / SECOND_NS if is_rate else 1.0
    noun = "iterations a second" if is_rate else "users"
    level, at_ns = (one.start_rate if is_rate else float(one.start_vus)), one.start_ns
    for stage in one.stages:
        until_ns = at_ns + stage.duration_ns
        if stage.target == level:
            what = f"{level / unit_s:g} {noun}"
        else:
            what = f"from {level / unit_s:g} to {stage.target / unit_s:g} {noun}"
        yield at_ns, until_ns, one.name, what
        level, at_ns = stage.target, until_ns
