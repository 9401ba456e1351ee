"""Check what a trial declares by itself; it is Python, so any of its values may be anything."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from types import UnionType
from typing import Final

from stormproof.kernel.errors import Problem
from stormproof.kernel.units import parse_duration_ns
from stormproof.model.fault import KINDS, Hits
from stormproof.model.plan import SignIn
from stormproof.model.trial import FinalRead, Floors, Trial, TrialFault, TrialProbe
from stormproof.planning.fields import suggest
from stormproof.planning.final_reads import has_right_types

CHECKERS: Final = ("delivery",)
READY: Final = "ready"
STACKS: Final = ("embedded", "none")
METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
Breakable = Mapping[Hits, Collection[str]]  # of a stack: the links, parts, .. that a fault may hit

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # becomes part of names of folders, files
_NAME_FIX = "letters, digits, - and _, at most 64"
_PATH = re.compile(r"/[\x21-\x7e]*")


def shape_problems(trial: Trial) -> list[Problem]:
    """Find values of another type than declared, with which nothing else can be checked."""
    floors: object = trial.floors
    floor_numbers = (floors.rates, floors.vus) if isinstance(floors, Floors) else ()
    shapes = {
        "name": isinstance(trial.name, str),
        "title": isinstance(trial.title, str),
        "stack": isinstance(trial.stack, str),
        "scenarios": _maps_to(trial.scenarios, str),
        "faults": _maps_to(trial.faults, TrialFault)
        and all(_maps_to(one.settings, int | float | str) for one in trial.faults.values())
        and all(isinstance(one.kind, str) for one in trial.faults.values()),
        "probes": _maps_to(trial.probes, TrialProbe)
        and all(isinstance(one.sign_in, SignIn | None) for one in trial.probes.values()),
        "final_reads": _maps_to(trial.final_reads, FinalRead)
        and all(has_right_types(one) for one in trial.final_reads.values()),
        "checkers": isinstance(trial.checkers, tuple),
        "objectives": _maps_to(trial.objectives, tuple | list | str),
        "floors": bool(floor_numbers)
        and all(_maps_to(one, int | float) for one in floor_numbers)
        and isinstance(floors, Floors)
        and all(isinstance(one, str) for one in (floors.duration, floors.fault)),
    }
    return [
        Problem(where=f"trial {trial.name}: {name}", what="is not of its declared type")
        for name, is_right in shapes.items()
        if not is_right
    ]


def _maps_to(value: object, kind: type | UnionType) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(key, str) and isinstance(one, kind) for key, one in value.items()
    )


def trial_problems(
    trial: Trial, breakable: Breakable | None, *, has_place: bool
) -> Iterator[Problem]:
    """Find what a trial declares and cannot be.

    Args:
        trial: of the right shape.
        breakable: what each kind of fault may hit; None: nobody knows what the target is made of.
        has_place: whether it was said, instead of by the trial, where the target runs.
    """
    where = f"trial {trial.name}"
    if not _NAME.fullmatch(trial.name):
        yield Problem(where=where, what=f"the name {trial.name!r} is none", fix=_NAME_FIX)
    if not trial.scenarios:
        yield Problem(where=where, what="has no scenario", fix='scenarios={"visit": "visit"}')
    if trial.stack not in STACKS and not trial.stack.endswith(".toml"):
        what = f"the stack {trial.stack!r} is unknown"
        fix = f"known: {', '.join(STACKS)}, or a file such as stack.toml"
        yield Problem(where=where, what=what, fix=fix)
    elif trial.stack == "none" and not has_place:
        fix = "give --target URL or --stack FILE"
        yield Problem(where=where, what="has no stack", fix=fix)
    for checker in trial.checkers:
        if checker not in CHECKERS:
            what = f"the checker {checker!r} is unknown"
            yield Problem(where=where, what=what, fix=f"known: {', '.join(CHECKERS)}")
    yield from _bad_faults(trial, breakable)
    yield from _bad_probes(trial)
    yield from _bad_floors(trial)


def _bad_faults(trial: Trial, breakable: Breakable | None) -> Iterator[Problem]:
    for name, fault in trial.faults.items():
        place = f"trial {trial.name}: faults {name}"
        if not _NAME.fullmatch(name):
            yield Problem(where=place, what=f"the name {name!r} is none", fix=_NAME_FIX)
        shape = KINDS.get(fault.kind)
        if shape is None:
            what = f"the kind {fault.kind!r} is unknown"
            yield Problem(where=place, what=what, fix=suggest(fault.kind, tuple(KINDS)))
        elif breakable is not None and fault.part not in breakable[shape.hits]:
            what = f"{fault.part!r} is nothing that a {fault.kind} can break"
            known = ", ".join(breakable[shape.hits])
            fix = f"known: {known}" if known else f"the stack has no breakable {shape.hits}"
            yield Problem(where=place, what=what, fix=fix)


def _bad_probes(trial: Trial) -> Iterator[Problem]:
    if READY not in trial.probes and (trial.faults or trial.stack != "none"):
        what = f"has no probe {READY!r}, which tells when the target is ready"
        fix = f'probes={{"{READY}": TrialProbe(path="/health/ready")}}'
        yield Problem(where=f"trial {trial.name}", what=what, fix=fix)
    for name, probe in trial.probes.items():
        place = f"trial {trial.name}: probes {name}"
        paths: list[object] = (
            [probe.path] if probe.sign_in is None else [probe.path, probe.sign_in.path]
        )
        for path in paths:
            if not isinstance(path, str) or not _PATH.fullmatch(path):
                fix = "such as /ready, without blanks"
                yield Problem(where=place, what=f"the path {path!r} is none", fix=fix)
        if probe.method not in METHODS:
            what = f"the method {probe.method!r} is unknown"
            yield Problem(where=place, what=what, fix=f"known: {', '.join(METHODS)}")


def _bad_floors(trial: Trial) -> Iterator[Problem]:
    floors = trial.floors
    for name, text in (("duration", floors.duration), ("fault", floors.fault)):
        try:
            parse_duration_ns(text)
        except ValueError as error:
            yield Problem(where=f"trial {trial.name}: floors {name}", what=str(error))
    for scenario in sorted({*floors.rates, *floors.vus} - set(trial.scenarios)):
        fix = f"known: {', '.join(trial.scenarios)}"
        place = f"trial {trial.name}: floors"
        yield Problem(where=place, what=f"there is no scenario {scenario!r}", fix=fix)
