"""Which stack a plan runs on, and what of it may be broken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from stormproof.kernel.errors import Problem
from stormproof.model.fault import HOST_PART, KINDS, Hits
from stormproof.model.own_stack import OwnStack
from stormproof.model.plan import StackKind
from stormproof.model.profile import Profile
from stormproof.model.trial import Trial
from stormproof.planning.declarations import Breakable

OF_SERVICES: Final = ("process-kill", "process-pause", "process-restart")


def stack_kind(trial: Trial, own: OwnStack | None, target: str) -> StackKind:
    """Return the kind of stack that a trial runs on: its own, or one that was given instead."""
    if target:
        return "none"
    if own is not None:
        return own.kind
    return "embedded" if trial.stack == "embedded" else "none"


def breakable_on(trial: Trial, own: OwnStack | None, embedded: Breakable) -> Breakable | None:
    """Return what each kind of fault may hit; None where nobody knows what a target is made of."""
    if own is not None:
        return _breakable_of(own)
    return embedded if trial.stack == "embedded" else None


def _breakable_of(own: OwnStack) -> Mapping[Hits, Sequence[str]]:
    parts = own.breakable_parts()
    servers = {one.part: one.kind for one in own.servers if one.part in parts}
    return {
        "link": own.breakable_links(),
        "part": parts,
        "postgres": [part for part, kind in servers.items() if kind == "postgres"],
        "valkey": [part for part, kind in servers.items() if kind == "valkey"],
        "host": (HOST_PART,),
    }


def service_faults(trial: Trial, own: OwnStack | None) -> Iterator[Problem]:
    """Find faults on services of a compose file that only a process of ours can suffer."""
    services = () if own is None else own.services()
    for name, fault in trial.faults.items():
        if fault.part in services and fault.kind in KINDS and fault.kind not in OF_SERVICES:
            what = f"{fault.kind} is no fault of a service of docker compose"
            place = f"trial {trial.name}: faults {name}"
            yield Problem(where=place, what=what, fix=f"known: {', '.join(OF_SERVICES)}")


def left_out(trial: Trial, profile: Profile, kind: StackKind, target: str) -> list[str]:
    """Say what of a trial and its profile says nothing where it runs now."""
    notes = []
    if kind != "embedded" and profile.ports:
        notes.append("left out `ports`, which are those of the embedded stack")
    if target and trial.faults:
        names = ", ".join(f"{name} ({one.kind})" for name, one in trial.faults.items())
        notes.append(
            f"left out the faults {names}: of a target that runs already only the way to it can "
            "be broken, by a stack file with a link to it (--stack FILE)"
        )
    return notes
