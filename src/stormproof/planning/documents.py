"""A profile as the JSON it is read from, and what flags, variables and environments change in it.

Numbers are changed here, before anything is read, so that whatever was asked for by a flag is
checked as if it stood in the file. Users, iterations and rates given by flags are those of the
whole run: several scenarios share them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stormproof.kernel.errors import Problem
from stormproof.kernel.units import MILLISECOND_NS, parse_duration_ns
from stormproof.planning.fields import JsonObject, suggest

EVERY_JOURNEY = "default"  # a scenario of this name stands for each journey of the file
OPEN = ("constant-arrival-rate", "ramping-arrival-rate")
BY_ITERATIONS = ("shared-iterations", "per-vu-iterations")
_LENGTHS = ("startTime", "duration", "maxDuration")
_KEPT = ("env", "exec", "gracefulStop", "startTime", "tags")  # by a scenario with a new executor
USERS_PER_RATE = 1.0  # as many as start in a second, so for answers of up to one second
USERS_MIN = 10
USERS_AT_FIRST_MAX = 1_000  # made before the load, the rest when they are missed


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendments:
    """What is to be different from the profile; None or nothing leaves it as it is."""

    vus: int | None = None
    duration: str | None = None
    iterations: int | None = None
    rate: float | None = None
    workers: int | None = None
    insecure: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    thresholds: JsonObject = field(default_factory=dict)  # each instead of the profile's own
    limits: JsonObject = field(default_factory=dict)

    @property
    def is_cap(self) -> bool:
        """Say whether users, rate or iterations were bounded on purpose."""
        return any(one is not None for one in (self.vus, self.rate, self.iterations))


def amended(document: JsonObject, wish: Amendments, where: str) -> tuple[JsonObject, list[Problem]]:
    """Return the document with what is wished for, and what cannot be."""
    scenarios = _objects(document.get("scenarios"))
    problems = _misfits(scenarios, wish, where)
    factor = _stretch(document, wish.duration)
    changed: dict[str, object] = dict(document)
    if wish.duration is not None:
        changed["duration"] = wish.duration
    if wish.workers is not None:
        changed["workers"] = wish.workers
    for name, added in (("thresholds", wish.thresholds), ("limits", wish.limits)):
        if added:
            changed[name] = {**_object(document.get(name)), **added}
    if wish.insecure:
        rest = {key: one for key, one in _object(document.get("tls")).items() if key != "ca"}
        changed["tls"] = {**rest, "insecure": True}
    changed["scenarios"] = {
        name: _scenario(
            scenario, _share(wish, position, len(scenarios)), factor, changed.get("duration")
        )
        for position, (name, scenario) in enumerate(scenarios.items())
    }
    return changed, problems


def _misfits(scenarios: Mapping[str, JsonObject], wish: Amendments, where: str) -> list[Problem]:
    problems: list[Problem] = []
    if not wish.is_cap:
        return problems
    for name, scenario in scenarios.items():
        if "startTime" in scenario and len(scenarios) > 1:
            what = "has scenarios that follow each other, with users and rates of their own"
            fix = "leave out --vus, --rate and --iterations, or change the profile"
            problems.append(Problem(where=f"{where}: scenarios {name}", what=what, fix=fix))
            break
    for option, count in (("--vus", wish.vus), ("--iterations", wish.iterations)):
        if count is not None and count < len(scenarios):
            what = f"{count} cannot be shared by {len(scenarios)} scenarios"
            problems.append(Problem(where=option, what=what, fix=f">= {len(scenarios)}"))
    if wish.rate is not None and wish.iterations is not None:
        what = "says when iterations start, --iterations how many there are"
        problems.append(Problem(where="--rate", what=what, fix="give one of them"))
    return problems


def _share(wish: Amendments, position: int, scenarios: int) -> Amendments:
    """Return one scenario's share; the first ones take what cannot be divided."""

    def whole(count: int | None) -> int | None:
        if count is None:
            return None
        return count // scenarios + (position < count % scenarios)

    return Amendments(
        vus=whole(wish.vus),
        iterations=whole(wish.iterations),
        rate=None if wish.rate is None else wish.rate / scenarios,
        duration=wish.duration,
        env=wish.env,
        tags=wish.tags,
    )


def _scenario(scenario: JsonObject, wish: Amendments, factor: float, length: object) -> JsonObject:
    executor = scenario.get("executor")
    kept = {key: scenario[key] for key in _KEPT if key in scenario}
    changed: dict[str, object]
    if wish.rate is not None:
        changed = {**kept, **_arrivals(wish.rate, wish.vus)}
    elif wish.iterations is not None:
        changed = {**kept, **_iterations(wish.iterations, wish.vus or 1, length)}
        factor = 1.0
    elif wish.vus is None and wish.duration is not None and executor in BY_ITERATIONS:
        changed = {**kept, "executor": "constant-vus", "vus": scenario.get("vus", 1)}
    elif wish.vus is None:
        changed = dict(scenario)
    elif executor in OPEN:
        changed = {**scenario, "preAllocatedVUs": wish.vus, "maxVUs": wish.vus}
    elif executor in BY_ITERATIONS and wish.duration is None:
        changed = {**scenario, "vus": wish.vus}
    else:
        changed = {**kept, "executor": "constant-vus", "vus": wish.vus}
    for name, added in (("env", wish.env), ("tags", wish.tags)):
        if added:
            changed[name] = {**_object(scenario.get(name)), **added}
    return _stretched(changed, factor)


def _arrivals(rate: float, vus: int | None) -> dict[str, object]:
    """Start `rate` iterations a second, on `vus` users or as many as answers of a second need."""
    most = vus or max(USERS_MIN, math.ceil(rate * USERS_PER_RATE))
    first = vus or min(most, USERS_AT_FIRST_MAX)
    return {
        "executor": "constant-arrival-rate",
        "rate": rate,
        "preAllocatedVUs": first,
        "maxVUs": most,
    }


def _iterations(iterations: int, vus: int, longest: object) -> dict[str, object]:
    return {
        "executor": "shared-iterations",
        "vus": min(vus, iterations),
        "iterations": iterations,
        "maxDuration": longest,
    }


def _stretch(document: JsonObject, duration: str | None) -> float:
    """Return by what the scenarios' own times are multiplied to fit another duration."""
    try:
        old_ns = parse_duration_ns(str(document.get("duration", "")))
        return parse_duration_ns(duration or "") / old_ns
    except (ValueError, ZeroDivisionError):
        return 1.0  # what is no duration is told when the document is read


def _stretched(scenario: dict[str, object], factor: float) -> JsonObject:
    if factor == 1:
        return scenario
    times = {key: _longer(scenario[key], factor) for key in _LENGTHS if key in scenario}
    stages = scenario.get("stages")
    if isinstance(stages, list):
        times["stages"] = [
            {**one, "duration": _longer(one.get("duration"), factor)}
            if isinstance(one, dict)
            else one
            for one in stages
        ]
    return {**scenario, **times}


def _longer(text: object, factor: float) -> object:
    try:
        return f"{round(parse_duration_ns(str(text)) * factor) // MILLISECOND_NS}ms"
    except ValueError:
        return text


def assigned(
    document: JsonObject, journeys: Sequence[str], where: str
) -> tuple[dict[str, str], JsonObject, list[Problem]]:
    """Say which journey of a file each scenario of a profile runs.

    The one that `exec` names, else the one of the scenario's own name, else the file's only one;
    a scenario `default` stands for every journey.

    Returns:
        Scenario -> journey; the document with a scenario for each; what is wrong.
    """
    scenarios: dict[str, JsonObject] = {}
    runs: dict[str, str] = {}
    problems: list[Problem] = []
    for name, scenario in _objects(document.get("scenarios")).items():
        asked = scenario.get("exec")
        rest = {key: value for key, value in scenario.items() if key != "exec"}
        if asked is None and name == EVERY_JOURNEY and name not in journeys:
            scenarios |= dict.fromkeys(journeys, rest)
            runs |= {journey: journey for journey in journeys}
            continue
        journey = name if asked is None else str(asked)
        if asked is None and name not in journeys and len(journeys) == 1:
            journey = journeys[0]
        if journey not in journeys:
            what, fix = f"there is no journey {journey!r}", suggest(journey, tuple(journeys))
            problems.append(Problem(where=f"{where}: scenarios {name} exec", what=what, fix=fix))
        scenarios[name] = rest
        runs[name] = journey
    return runs, {**document, "scenarios": scenarios}, problems


def _object(value: object) -> JsonObject:
    """Return an object; anything else is told when the document is read, and changes nothing."""
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> dict[str, JsonObject]:
    return {key: one for key, one in _object(value).items() if isinstance(one, dict)}
