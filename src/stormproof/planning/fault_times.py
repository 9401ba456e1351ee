"""When faults come: at an instant of the load, or relative to what else happens in it.

    at               the start of the load, and so much later
    after X, at      the end of X, and so much later
    with X, at       the start of X, and so much later

X is another fault, "warmup", a scenario, or a scenario's stage: "feed/2" is the second of `feed`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from stormproof.kernel.errors import Problem
from stormproof.model.plan import Scenario
from stormproof.model.profile import FaultNumbers, Profile
from stormproof.planning.fields import suggest
from stormproof.planning.scale import Scale

WARMUP: Final = "warmup"


class Place(NamedTuple):
    """A span of the timeline, in nanoseconds since the start of the load."""

    start_ns: int
    end_ns: int


def fault_times(
    profile: Profile, scaled: Scale, scenarios: Iterable[Scenario], problems: list[Problem]
) -> dict[str, int]:
    """Return when each fault of a profile comes; one that cannot be placed comes at once.

    Args:
        profile: with the faults' numbers.
        scaled: what the scale makes of them.
        scenarios: as planned, for what is relative to one.
        problems: gets what is wrong.
    """
    places = _Places(profile, scaled, scenarios, problems)
    return {name: places.of_fault(name, ()).start_ns for name in profile.faults}


class _Places:
    def __init__(
        self,
        profile: Profile,
        scaled: Scale,
        scenarios: Iterable[Scenario],
        problems: list[Problem],
    ) -> None:
        self._profile = profile
        self._scaled = scaled
        self._problems = problems
        self._fixed = {WARMUP: Place(0, profile.warmup_ns), **_of_scenarios(scenarios)}
        self._found: dict[str, Place] = {}

    def of_fault(self, name: str, asked_by: tuple[str, ...]) -> Place:
        """Return where a fault lies; `asked_by` are those that depend on it."""
        if name not in self._found:
            numbers = self._profile.faults[name]
            offset_ns = self._scaled.time_ns(numbers.at_ns)
            start_ns = offset_ns + self._base_ns(name, numbers, asked_by)
            end_ns = start_ns + self._scaled.time_ns(numbers.ready_within_ns)
            self._found[name] = Place(start_ns, end_ns + self._scaled.fault_ns(numbers.for_ns))
        return self._found[name]

    def _base_ns(self, name: str, numbers: FaultNumbers, asked_by: tuple[str, ...]) -> int:
        word = numbers.after or numbers.along
        if not word:
            return 0
        where = f"{self._profile.where}: faults {name} {'after' if numbers.after else 'with'}"
        faults = self._profile.faults
        if word in faults and word in self._fixed:
            what = f"{word!r} is a fault, and something else of that name as well"
            self._problems.append(Problem(where=where, what=what, fix="rename the fault"))
        elif word in faults and (word == name or word in asked_by):
            what = f"waits for itself: {' -> '.join((*asked_by, name, word))}"
            self._problems.append(
                Problem(where=where, what=what, fix="give one of them `at` alone")
            )
        elif word in faults:
            place = self.of_fault(word, (*asked_by, name))
            return place.end_ns if numbers.after else place.start_ns
        elif word in self._fixed:
            return self._fixed[word].end_ns if numbers.after else self._fixed[word].start_ns
        else:
            fix = suggest(word, (*sorted(faults), *sorted(self._fixed)))
            self._problems.append(Problem(where=where, what=f"there is no {word!r}", fix=fix))
        return 0


def _of_scenarios(scenarios: Iterable[Scenario]) -> Mapping[str, Place]:
    """Return where scenarios and their stages lie."""
    places: dict[str, Place] = {}
    for one in scenarios:
        at_ns = one.start_ns
        places[one.name] = Place(at_ns, at_ns + one.duration_ns)
        for number, stage in enumerate(one.stages, start=1):
            places[f"{one.name}/{number}"] = Place(at_ns, at_ns + stage.duration_ns)
            at_ns += stage.duration_ns
    return places
