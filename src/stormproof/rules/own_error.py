"""How finely we can measure: a bar that is not well above our own error cannot be judged.

What we call a response time holds our own lateness too: an operation that we started late, an
answer that our event loop took up late. Both are measured while the load runs, the first at every
scheduled start, the second fifty times a second. A time objective whose bar is within ten times of
that error says as much about us as about the target.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from stormproof.model.histogram import Histogram
from stormproof.model.objective import Objective
from stormproof.model.series import AnyFrame, GeneratorHealth
from stormproof.rules.catalog import Reading, metric_of

BAR_IN_ERRORS_MIN: Final = 10
ERROR_PERCENTILE: Final = 99
MICROSECONDS_PER_MS: Final = 1_000
FINER: Final = "lower the rate, give the workers more cores, or raise the bar"


@dataclass(slots=True)
class OwnError:
    """How late we were ourselves, added up second by second."""

    started: Histogram = field(default_factory=Histogram)
    received: Histogram = field(default_factory=Histogram)

    def add(self, health: GeneratorHealth) -> None:
        """Count one second of one worker."""
        self.started.add(health.schedule_lag_index, health.schedule_lag_count)
        self.received.add(health.loop_lag_index, health.loop_lag_count)

    def ms(self, *, paced: bool) -> float:
        """Return the lateness (milliseconds) that 99 % stays below; see `own_error_ms`."""
        errors = [self.received.percentile_us(ERROR_PERCENTILE)]
        errors += [self.started.percentile_us(ERROR_PERCENTILE)] if paced else []
        return max(error or 0.0 for error in errors) / MICROSECONDS_PER_MS


def own_error_ms(frames: Iterable[AnyFrame], seconds: AbstractSet[int], *, paced: bool) -> float:
    """Return the lateness (milliseconds) that 99 % of our own work stays below in some seconds.

    `paced`: late starts count, not only late receipts. 0 where nothing was measured.
    """
    error = OwnError()
    for frame in frames:
        if frame.second in seconds:
            error.add(frame.generator)
    return error.ms(paced=paced)


def too_fine(objective: Objective, frames: Iterable[AnyFrame], seconds: AbstractSet[int]) -> str:
    """Return why the bar of a time objective is too fine for us; empty when it is not."""
    error = OwnError()
    for frame in frames:
        if frame.second in seconds:
            error.add(frame.generator)
    return too_fine_for(objective, error)


def too_fine_for(objective: Objective, error: OwnError) -> str:
    """Return why the bar of a time objective is within our own error; empty when it is not."""
    reading = metric_of(objective).reading
    if objective.unit != "ms" or reading not in (Reading.RESPONSE, Reading.SERVICE):
        return ""
    error_ms = error.ms(paced=reading is Reading.RESPONSE)
    if objective.bar >= BAR_IN_ERRORS_MIN * error_ms:
        return ""
    return (
        f"our own timing error is {error_ms:.3g} ms (p99); the bar of {objective.bar:g} ms"
        f" is within {BAR_IN_ERRORS_MIN} times of it"
    )
