"""`--dry-run`: what would be sent, and when; nothing is sent, and nothing recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import click

from stormproof.cli.outlook import outlook_lines
from stormproof.cli.plans import describe
from stormproof.cli.rehearsal import rehearse
from stormproof.journeys.declared import Declared, declared_in
from stormproof.journeys.journey import Journey
from stormproof.journeys.loader import load_journey
from stormproof.kernel.masking import MASK
from stormproof.load.once import once_scenario
from stormproof.model.plan import Plan, Scenario
from stormproof.planning.trials import LoadedTrial


def dry_run(plan: Plan, loaded: LoadedTrial, headers: Mapping[str, str]) -> int:
    """Print what a plan would do: the loads on their timeline, then each journey once."""
    for line in describe(plan):
        click.echo(line)
    click.echo("WHEN")
    for line in outlook_lines(plan):
        click.echo(f"  {line}")
    for line in asyncio.run(_once(plan, loaded.path, headers)):
        click.echo(line)
    for scenario in plan.scenarios:
        click.echo(f"WHAT {scenario.name} SENDS to {plan.target or 'the stack'}")
        for line in asyncio.run(_rehearsed(plan, scenario, loaded.path, headers)):
            click.echo(f"  {line}")
    click.echo("nothing was sent")
    return 0


async def _once(plan: Plan, path: Path, headers: Mapping[str, str]) -> list[str]:
    """Go through what happens once in the run: the set-up and the teardown."""
    declared = _with_masks(path)
    lines: list[str] = []
    env = once_scenario(plan).env
    steps = [(one.name, one.run) for one in declared.setups]
    steps += [(one.name, one.run) for one in declared.teardowns]
    for name, step in steps:
        lines.append(f"WHAT {name} SENDS, once in the run")
        one = Journey(name=name, run=step)
        sent = await rehearse(one, name, env, seed=plan.seed, headers=headers)
        lines += [f"  {line}" for line in sent]
    return lines


def _with_masks(path: Path) -> Declared:
    """Import a journey file; its secrets have masks for values."""
    declared = declared_in(path)
    declared.bind({one.name: MASK for one in declared.secrets})
    return declared


async def _rehearsed(
    plan: Plan, scenario: Scenario, path: Path, headers: Mapping[str, str]
) -> list[str]:
    _with_masks(path)
    journey = load_journey(path, scenario.journey.function)
    return await rehearse(journey, scenario.name, scenario.env, seed=plan.seed, headers=headers)
