"""From what was asked on the command line to a plan."""

from __future__ import annotations

from dataclasses import dataclass

from stormproof.cli.locations import profile_folders, trial_folders
from stormproof.journeys.loader import load_journey
from stormproof.kernel.units import duration_text
from stormproof.model.plan import Plan
from stormproof.planning.compiler import Choices, compile_plan
from stormproof.planning.declarations import Breakable
from stormproof.planning.profiles import find_profile, read_profile
from stormproof.planning.trials import LoadedTrial, find_trial, load_trial
from stormproof.stack.embedded import CACHE, CACHE_LINK

BREAKABLE: Breakable = {"link-partition": (CACHE_LINK,), "process-restart": (CACHE,)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the user asked for."""

    plan: str
    profile: str | None = None
    scale: float = 1.0
    seed: int | None = None
    target: str = ""


def compile_order(order: Order) -> tuple[Plan, LoadedTrial]:
    """Find trial and profile and compile them.

    Raises:
        BadInput: with every problem found.
    """
    folders = trial_folders()
    loaded = load_trial(find_trial(order.plan, folders), folders)
    path = find_profile(order.profile or loaded.trial.name, profile_folders())
    profile, problems = read_profile(path)
    choices = Choices(scale=order.scale, seed=order.seed, target=order.target)
    plan = compile_plan(
        loaded,
        profile,
        problems,
        choices=choices,
        check_journey=load_journey,
        breakable=BREAKABLE,
    )
    return plan, loaded


def describe(plan: Plan) -> list[str]:
    """Say what a plan will do, before it does."""
    faults = ", ".join(f"{fault.name} at {duration_text(fault.at_ns)}" for fault in plan.faults)
    load = f"{plan.workers} workers, load for {duration_text(plan.duration_ns)}"
    lines = [
        plan.title,
        f"plan {plan.trial}, profile {plan.profile.name}, seed {plan.seed}, {load}",
        f"faults: {faults or 'none'}",
        f"{len(plan.objectives)} objectives",
    ]
    if plan.scope == "reduced":
        scale = f" at scale {plan.scale:g}" if plan.scale < 1 else ""
        lines.append(f"rehearsal{scale}: it never counts as go-live")
    lines += [f"not judged: {one.objective} ({one.why})" for one in plan.not_judged]
    return lines
