"""The commands around breaking things: `drill` breaks, `log` tells who broke what.

What they do is imported when they run, so that help is instant.
"""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("plan", metavar="NAME|FILE")
@click.option("--profile", help="Profile by name or file; default: the drill's own name.")
@click.option("--scale", type=click.FloatRange(0.001, 100), default=1.0, show_default=True,
              help="Multiply rates, users and durations; below 1 it is a rehearsal.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Instead of the profile's.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True,
              help="Folder that gets the run's own folder.")  # fmt: skip
@click.option("--target", default="", metavar="URL", help="A target that runs already.")
@click.option("--stack", type=click.Path(path_type=Path), metavar="FILE",
              help="A stack file: how a target of your own is started.")  # fmt: skip
@click.option("--environment", default="", help="Environment by name or file: URLs and bars.")
@click.option("--secrets", type=click.Path(path_type=Path), metavar="FILE",
              help="Lines of NAME=value; else secrets come from the environment.")  # fmt: skip
@click.option("--why", default="", metavar="TEXT", help="For the record and the audit log.")
@click.option("--dry-run", is_flag=True, help="Print what would start when; start nothing.")
def drill(
    plan: str,
    profile: str | None,
    scale: float,
    seed: int | None,
    out: Path,
    target: str,
    stack: Path | None,
    environment: str,
    secrets: Path | None,
    why: str,
    dry_run: bool,
) -> int:
    """Break a service on purpose, under load, and tell its way back.

    NAME is a trial that has faults, FILE a Python file with one.
    """
    from stormproof.cli.drilling import drill as run
    from stormproof.cli.plans import Order
    from stormproof.cli.running import preview

    order = Order(
        plan=plan,
        profile=profile,
        scale=scale,
        seed=seed,
        target=target,
        stack=stack,
        secrets=secrets,
    )
    return preview(order, environment) if dry_run else run(order, out, environment, why)


@click.command()
@click.option("--faults", is_flag=True, help="Faults alone, without the runs.")
@click.option("--last", type=click.IntRange(1, 100_000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The entries as lines of JSON.")
def log(faults: bool, last: int, as_json: bool) -> int:
    """Show what was run and broken on this machine: who, what, where, why, when, undone when."""
    from stormproof.cli.auditing import show_log

    return show_log(faults=faults, last=last, as_json=as_json)
