"""What `--scale` does to the numbers of a profile: less load and time, never below the floors."""

from __future__ import annotations

import math

from stormproof.kernel.errors import Problem
from stormproof.kernel.units import parse_duration_ns
from stormproof.model.plan import Stage
from stormproof.model.profile import Profile
from stormproof.model.trial import Trial


def scale_problems(factor: float) -> list[Problem]:
    """Find a factor that is no number; it multiplies nothing."""
    if math.isfinite(factor):
        return []
    return [Problem(where=f"--scale {factor}", what="is none", fix="such as 0.5")]


class Scale:
    """Multiply rates, users and durations, never below the trial's floors."""

    def __init__(self, trial: Trial, profile: Profile, factor: float) -> None:
        factor = factor if math.isfinite(factor) else 1.0
        self._factor = factor
        self._floors = trial.floors
        self._workers = profile.workers
        full_ns = profile.duration_ns
        floor_ns = min(full_ns, _floor_ns(trial.floors.duration))
        self.duration_ns = full_ns if factor == 1 else max(round(full_ns * factor), floor_ns)
        self._stretch = self.duration_ns / full_ns

    def time_ns(self, instant_ns: int) -> int:
        """Keep an instant at its share of the timeline."""
        return int(instant_ns * self._stretch)  # rounded down, so that parts fit into the whole

    def fault_ns(self, for_ns: int) -> int:
        """Shrink a fault's length, down to its floor."""
        if self._stretch >= 1 or for_ns == 0:
            return round(for_ns * self._stretch)
        floor_ns = min(for_ns, _floor_ns(self._floors.fault))
        return max(round(for_ns * self._stretch), floor_ns)

    def rate(self, scenario: str, rate: float) -> float:
        """Scale iterations a time unit."""
        if not rate:
            return 0.0
        floor = min(rate, self._floors.rates.get(scenario, 0.01))
        # A float whatever a trial's floor was written as: a plan is read back to the same bytes.
        return float(rate if self._factor == 1 else max(rate * self._factor, floor))

    def stage(self, scenario: str, stage: Stage, *, users: bool) -> Stage:
        """Scale a stage's length, and its target as users or as a rate."""
        target = (
            float(self.vus(scenario, int(stage.target)))
            if users and stage.target
            else self.rate(scenario, stage.target)
        )
        return Stage(duration_ns=self.time_ns(stage.duration_ns), target=target)

    def iterations(self, iterations: int) -> int:
        """Scale a number of iterations; one is left."""
        return iterations if self._factor == 1 else max(1, round(iterations * self._factor))

    def vus(self, scenario: str, vus: int) -> int:
        """Scale users; each worker keeps one, or it would drop its share of a schedule."""
        floor = min(vus, max(self._workers, self._floors.vus.get(scenario, 1)))
        return vus if self._factor == 1 else max(round(vus * self._factor), floor)


def _floor_ns(text: str) -> int:
    """Read a floor; what is no duration is told elsewhere and limits nothing."""
    try:
        return parse_duration_ns(text)
    except ValueError:
        return 0
