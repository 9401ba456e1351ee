"""From what was asked on the command line to a plan."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from stormproof.cli.locations import profile_folders, trial_folders
from stormproof.cli.own_stacks import placed
from stormproof.journeys.declared import authored_in
from stormproof.journeys.loader import check_journey
from stormproof.journeys.vault import SECRETS_FILE
from stormproof.kernel.errors import Problem
from stormproof.kernel.units import duration_text
from stormproof.model.authored import Authored
from stormproof.model.own_stack import OwnStack
from stormproof.model.plan import Plan
from stormproof.planning.compiler import Choices, compile_plan
from stormproof.planning.profiles import find_profile, read_profile
from stormproof.planning.trials import LoadedTrial, find_trial, load_trial
from stormproof.report.number import counted
from stormproof.stack.embedded import BREAKABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the user asked for."""

    plan: str
    profile: str | None = None
    scale: float = 1.0
    seed: int | None = None
    target: str = ""
    stack: Path | None = None  # the file of a stack of one's own
    secrets: Path | None = None


def compile_order(order: Order) -> tuple[Plan, LoadedTrial]:
    """Find trial and profile and compile them.

    Raises:
        BadInput: with every problem found.
    """
    folders = trial_folders()
    loaded = load_trial(find_trial(order.plan, folders), folders)
    path = find_profile(order.profile or loaded.trial.name, profile_folders())
    profile, problems = read_profile(path)
    loaded, authored, wrong = with_authored(loaded, order.secrets)
    place = placed(loaded, order.stack, order.target)
    choices = Choices(scale=order.scale, seed=order.seed, target=place.target, own_stack=place.own)
    plan = compile_plan(
        place.loaded,
        profile,
        [*problems, *wrong, *place.problems],
        choices=choices,
        check_journey=check_journey,
        breakable=BREAKABLE,
        authored=authored,
    )
    return plan, place.loaded


def with_authored(
    loaded: LoadedTrial, secrets: Path | None
) -> tuple[LoadedTrial, Authored, list[Problem]]:
    """Look at what a file declares beside its journeys, with all that is wrong with it.

    Args:
        loaded: the file; comes back with its feeds, so that they travel in the record.
        secrets: the file of --secrets, which this process and its workers read from now on.
    """
    if secrets is not None:
        os.environ[SECRETS_FILE] = str(secrets.absolute())
    authored, problems = authored_in(loaded.path, os.environ)
    return replace(loaded, modules={**loaded.modules, **authored.files}), authored, problems


def describe(plan: Plan) -> list[str]:
    """Say what a plan will do, before it does."""
    faults = ", ".join(f"{fault.name} at {duration_text(fault.at_ns)}" for fault in plan.faults)
    load = f"{counted(plan.workers, 'worker')}, load for {duration_text(plan.duration_ns)}"
    lines = [
        plan.title,
        f"plan {plan.trial}, profile {plan.profile.name}, seed {plan.seed}, {load}",
        f"faults: {faults or 'none'}",
        counted(len(plan.objectives), "objective"),
    ]
    if plan.own_stack is not None:
        lines.append(stack_line(plan.own_stack))
    lines += _drill_lines(plan)
    if plan.tls.insecure:
        lines.append("INSECURE: whoever answers is believed, no certificate is checked")
    if plan.final_reads:
        reads = ", ".join(f"{one.name} ({one.source})" for one in plan.final_reads)
        lines.append(f"final reads: {reads}")
    lines += _authored_lines(plan)
    if plan.scope == "reduced":
        scale = f" at scale {plan.scale:g}" if plan.scale < 1 else ""
        lines.append(f"rehearsal{scale}: it never counts as go-live")
    lines += [f"profile: {note}" for note in plan.notes]
    lines += [f"not judged: {one.objective} ({one.why})" for one in plan.not_judged]
    return lines


def stack_line(own: OwnStack) -> str:
    """Say what is started, and what of it may be broken."""
    broken = {*own.breakable_parts(), *own.breakable_links()}
    steps = [f"{one.name}{' (breakable)' * (one.name in broken)}" for one in own.steps]
    return f"stack {own.file}: {', '.join(steps)}"


def _drill_lines(plan: Plan) -> list[str]:
    """Say what a drill may hurt, what stops it, and what must hold all the while."""
    told = {
        "stops when broken": [one.name for one in plan.stops],
        "must hold all the while": [one.name for one in plan.hypotheses],
        "service levels": [one.name for one in plan.slos],
        "breaks only": list(plan.blast.parts) if plan.blast else [],
        "hurts only": list(plan.blast.scenarios) if plan.blast else [],
    }
    return [f"{name}: {', '.join(each)}" for name, each in told.items() if each]


def _authored_lines(plan: Plan) -> list[str]:
    """Say what the journey file brings along: feeds, secrets by name, what comes once."""
    feeds = [f"{one.file} ({one.rows} rows{', private' * bool(one.place)})" for one in plan.feeds]
    once = [str(one) for one in (plan.setup, plan.teardown) if one is not None]
    checkers = [one.source.function for one in plan.own_checkers]
    told = {"feeds": feeds, "secrets": list(plan.secrets), "once": once, "checkers": checkers}
    return [f"{name}: {', '.join(each)}" for name, each in told.items() if each]
