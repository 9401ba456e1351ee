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
RING_SHOWN: Final = 8  # members that wait for each other


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
    return {name: places.of_fault(name).start_ns for name in profile.faults}


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

    def of_fault(self, name: str) -> Place:
        """Return where a fault lies, after all that it depends on, however many they are."""
        chain: list[str] = []
        while name in self._profile.faults and name not in self._found and name not in chain:
            chain.append(name)
            name = _word(self._profile.faults[name])
        if name in chain:
            self._tell_ring([*chain[chain.index(name) :], name])
            self._found[name] = Place(0, 0)  # of a plan that is refused
        for one in reversed(chain):
            self._found[one] = self._placed(one)
        return self._found[chain[0] if chain else name]

    def _placed(self, name: str) -> Place:
        numbers = self._profile.faults[name]
        start_ns = self._base_ns(name, numbers) + self._scaled.time_ns(numbers.at_ns)
        end_ns = start_ns + self._scaled.time_ns(numbers.ready_within_ns)
        return Place(start_ns, end_ns + self._scaled.fault_ns(numbers.for_ns))

    def _base_ns(self, name: str, numbers: FaultNumbers) -> int:
        word, faults = _word(numbers), self._profile.faults
        if not word:
            return 0
        if word in faults and word in self._fixed:
            what = f"{word!r} is a fault, and something else of that name as well"
            self._tell(name, what, "rename the fault")
        elif word not in faults and word not in self._fixed:
            fix = suggest(word, (*sorted(faults), *sorted(self._fixed)))
            self._tell(name, f"there is no {word!r}", fix)
        else:
            place = self._found[word] if word in faults else self._fixed[word]
            return place.end_ns if numbers.after else place.start_ns
        return 0

    def _tell_ring(self, ring: list[str]) -> None:
        shown = [*ring[:RING_SHOWN], "...", ring[-1]] if len(ring) > RING_SHOWN + 1 else ring
        what = f"waits for itself: {' -> '.join(shown)}"
        self._tell(ring[0], what, "give one of them `at` alone")

    def _tell(self, name: str, what: str, fix: str) -> None:
        key = "after" if self._profile.faults[name].after else "with"
        where = f"{self._profile.where}: faults {name} {key}"
        self._problems.append(Problem(where=where, what=what, fix=fix))


def _word(numbers: FaultNumbers) -> str:
    """Return what a fault's time hangs on; empty where it is counted from the load's start."""
    return numbers.after or numbers.along


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
