"""`--dry-run`: what would be sent, and when; nothing is sent, and nothing recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import click

from stormproof.cli.outlook import outlook_lines
from stormproof.cli.plans import describe
from stormproof.cli.rehearsal import rehearse
from stormproof.clients.masking import MASK
from stormproof.journeys.declared import declared_in
from stormproof.journeys.loader import load_journey
from stormproof.model.plan import Plan, Scenario
from stormproof.planning.trials import LoadedTrial


def dry_run(plan: Plan, loaded: LoadedTrial, headers: Mapping[str, str]) -> int:
    """Print what a plan would do: the loads on their timeline, then each journey once."""
    for line in describe(plan):
        click.echo(line)
    click.echo("WHEN")
    for line in outlook_lines(plan):
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
