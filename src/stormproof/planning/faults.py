"""The faults of a plan, out of the trial's words, the profile's numbers and the kinds' shapes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from stormproof.kernel.errors import Problem
from stormproof.kernel.units import SECOND_NS, duration_text
from stormproof.model.fault import KINDS, FaultSetting, FaultShape, SettingValue
from stormproof.model.plan import Plan, PlannedFault, Scenario, may_be_together
from stormproof.model.profile import FaultNumbers, Profile
from stormproof.model.trial import Trial, TrialFault
from stormproof.planning.fault_times import fault_times
from stormproof.planning.fields import Fields
from stormproof.planning.scale import Scale


def planned_faults(
    trial: Trial, profile: Profile, scaled: Scale, scenarios: Sequence[Scenario] = ()
) -> tuple[PlannedFault, ...]:
    """Return the faults in the order in which they come; what is wrong is told elsewhere."""
    times = fault_times(profile, scaled, scenarios, [])
    planned = [
        _planned(name, fault, profile, scaled, times[name])
        for name, fault in trial.faults.items()
        if name in profile.faults
    ]
    return tuple(sorted(planned, key=lambda fault: fault.at_ns))


def _planned(
    name: str, fault: TrialFault, profile: Profile, scaled: Scale, at_ns: int
) -> PlannedFault:
    numbers = profile.faults[name]
    follows = numbers.after in profile.faults
    return PlannedFault(
        name=name,
        kind=fault.kind,
        part=fault.part,
        at_ns=at_ns,
        for_ns=scaled.fault_ns(numbers.for_ns),
        settings=_settings(fault, numbers, []),
        after=numbers.after if follows else "",
        gap_ns=scaled.time_ns(numbers.at_ns) if follows else 0,
        ready_within_ns=scaled.time_ns(numbers.ready_within_ns),
    )


def fault_problems(
    trial: Trial, profile: Profile, scaled: Scale, scenarios: Sequence[Scenario]
) -> list[Problem]:
    """Find wrong settings, and faults whose time hangs on what there is not, or on themselves."""
    problems = setting_problems(trial, profile)
    fault_times(profile, scaled, scenarios, problems)
    return problems


def overlap_problems(plan: Plan, where: str) -> Iterator[Problem]:
    """Find faults that would be on one part at once and do not go together on it."""
    for one, other in itertools.combinations(plan.faults, 2):
        if may_be_together(one, other) or not _touch(one, other):
            continue
        place = f"{where}: faults {other.name}"
        what = f"is on {other.part} while {one.name} is, and a {one.kind} and a {other.kind} do not"
        until = duration_text(_busy_until_ns(one))
        yield Problem(where=place, what=f"{what} go together", fix=f"not before {until}")


def _touch(one: PlannedFault, other: PlannedFault) -> bool:
    return one.at_ns < _busy_until_ns(other) and other.at_ns < _busy_until_ns(one)


def _busy_until_ns(fault: PlannedFault) -> int:
    """Return until when a fault is on its part; one that ends by itself takes a moment."""
    return fault.end_ns if fault.for_ns else fault.end_ns + SECOND_NS


def setting_problems(trial: Trial, profile: Profile) -> list[Problem]:
    """Find settings of faults that are unknown, missing, given twice or out of bounds."""
    problems: list[Problem] = []
    for name, fault in trial.faults.items():
        numbers = profile.faults.get(name)
        if numbers is None or fault.kind not in KINDS:
            continue
        place = f"{profile.where}: faults {name}"
        for twice in sorted(set(fault.settings) & set(numbers.settings)):
            what = f"{twice} is set by the trial already"
            problems.append(Problem(where=place, what=what, fix="leave it out of the profile"))
        _settings(fault, numbers, problems, place)
    return problems


def length_problems(plan: Plan, where: str) -> Iterator[Problem]:
    """Find faults without the length that their kind needs, and resets that come when all is over.

    The length is the one that this run gives them, at its scale.
    """
    for fault in plan.faults:
        shape = KINDS.get(fault.kind)
        place = f"{where}: faults {fault.name}"
        if shape is not None and shape.lasts and fault.for_ns == 0:
            yield Problem(where=place, what="needs `for`", fix='such as "5s"')
        after = fault.settings.get("after")
        if fault.kind == "link-reset" and isinstance(after, int) and 0 < fault.for_ns <= after:
            what = f"resets nothing: `after` is {duration_text(after)}"
            fix = f"shorter than the {duration_text(fault.for_ns)} that it lasts"
            yield Problem(where=place, what=what, fix=fix)


def _settings(
    fault: TrialFault, numbers: FaultNumbers, problems: list[Problem], place: str = ""
) -> dict[str, SettingValue]:
    """Take a fault's settings, defaults filled in; what is wrong is added to `problems`."""
    shape = KINDS.get(fault.kind, FaultShape(hits="part"))
    given = Fields({**fault.settings, **numbers.settings}, place, problems)
    taken = {name: _taken(given, name, one) for name, one in shape.settings.items()}
    given.done()
    return taken


def _taken(given: Fields, name: str, setting: FaultSetting) -> SettingValue:
    if not given.has(name) and setting.default is not None:
        return setting.default
    low, high = setting.low, setting.high
    match setting.kind:
        case "duration":
            span = duration_text(int(low)), duration_text(int(high))
            return given.duration_ns(name, default=None, low=span[0], high=span[1])
        case "number":
            return given.number(name, default=None, low=low, high=high)
        case "whole":
            return given.whole(name, default=None, low=int(low), high=int(high))
        case "word":
            return given.choice(name, setting.words)
        case "text":
            return _text(given, name, int(low), int(high))


def _text(given: Fields, name: str, low: int, high: int) -> str:
    """Take a text of some length; what none can hold is a zero byte."""
    text = given.text(name, "")
    if name not in given.value:
        given.problem(name, "is missing")
    elif not low <= len(text) <= high or "\0" in text:
        given.problem(
            name, f"must be {low} to {high} characters, not {len(text)}, and no zero byte"
        )
    return text
