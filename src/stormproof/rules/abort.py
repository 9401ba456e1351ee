"""abortOnFail and stop conditions: what is broken so far, decided once a second in a run.

Pure over frames, taken second by second: what comes out depends on the frames alone, so that
`judge` takes the stored ones and must come to the same decision. A rule keeps what its window has
seen so far as one cell, or the cells of its last stretch, so that a second costs the same at any
time of a run. Validity comes first here too: a run is ended by what its verdict can stand by, so a
breach counts when few enough of its seconds are the generator's own fault, without those too, and
when its bar is not within our own timing error.

A stop condition undoes the faults and ends nothing, so it needs no proof: whatever shows users hurt
beyond its bar is enough, once. What it is worth the verdict says, by its own rules.

Source: grafana/k6, `metrics/engine` (abortOnFail, delayAbortEval).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from stormproof.kernel.units import SECOND_NS
from stormproof.model.objective import Objective, Status
from stormproof.model.plan import Plan
from stormproof.model.series import AnyFrame, Series
from stormproof.rules.aggregate import Value, value_of_cell
from stormproof.rules.catalog import Reading, metric_of
from stormproof.rules.fold import Cell, SeriesById, counted_series
from stormproof.rules.gate import status_of
from stormproof.rules.measure import measure
from stormproof.rules.moving import without_times
from stormproof.rules.own_error import OwnError, too_fine_for
from stormproof.rules.stretches import best_of, value_in, value_without
from stormproof.rules.validity import causes_in, tolerated_seconds

WORKERS_ON_CORE = 1  # says only whose fault a full core is, not whether it is one


class Breach(NamedTuple):
    """An objective that was broken over the seconds [from_second, to_second)."""

    objective: Objective
    from_second: int
    to_second: int
    value: float | None


class AbortRules:
    """Follow the objectives of a plan that may end its run, and those that undo its faults."""

    def __init__(self, plan: Plan) -> None:
        self._rules = [_Rule(one, plan) for one in plan.objectives if one.abort is not None]
        self._rules += [_Rule(one, plan, is_stop=True) for one in plan.stops]
        self._series: dict[int, dict[int, Series]] = {}

    def take(self, second: int, frames: Sequence[AnyFrame], series: SeriesById) -> list[Breach]:
        """Take all frames of the next second and return what is broken now.

        Args:
            second: one more than the last time.
            frames: of this second, of every worker that has one.
            series: all that the workers have announced.
        """
        for worker, known in counted_series(frames, series).items():
            self._series.setdefault(worker, {}).update(known)
        valid = not causes_in(frames, WORKERS_ON_CORE)
        breaches = (rule.take(second, frames, self._series, valid) for rule in self._rules)
        return [one for one in breaches if one is not None]


class _Rule:
    """One objective: what its window has seen so far."""

    def __init__(self, objective: Objective, plan: Plan, *, is_stop: bool = False) -> None:
        self._objective = objective
        self._is_stop = is_stop
        self._is_spent = False  # a stop condition that was broken has done what it can
        self._first, self._end = live_seconds(plan, objective)
        self._reading = metric_of(objective).reading
        self._is_level = self._reading is Reading.LEVEL
        self._patience_ns = objective.abort.after_ns if objective.abort else 0
        self._whole = Cell()
        self._valid = Cell()  # the same without the seconds in `_invalid`
        self._last: dict[int, Cell] = {}  # of the stretch that ends now
        self._values: dict[int, Value] = {}  # and of each of its seconds, where that is asked
        self._invalid: set[int] = set()
        self._error = OwnError()  # of the window so far, invalid seconds left out
        self._seen = False

    def take(
        self, second: int, frames: Sequence[AnyFrame], series: SeriesById, valid: bool
    ) -> Breach | None:
        if self._is_spent or not self._first <= second < self._end:
            return None
        measured = measure(self._objective, frames, series, [second])
        self._seen = self._seen or measured.seen
        for frame in frames if valid else ():
            self._error.add(frame.generator)
        seconds = self._add(second, self._needed(measured.cells.get(second, Cell())), valid)
        if not seconds or (second + 1 - self._first) * SECOND_NS < self._patience_ns:
            return None
        value = self._value(seconds)
        if self._status(value) is not Status.FAIL:
            return None
        if not self._is_stop and not self._holds_up(seconds):
            return None
        self._is_spent = self._is_stop
        return Breach(self._objective, seconds.start, seconds.stop, value.value)

    def _needed(self, cell: Cell) -> Cell:
        """Return a second's cell without the distributions that the objective does not ask for."""
        if self._reading is Reading.SERVICE:
            return replace(without_times(cell), service=cell.service)
        if self._reading is Reading.RESPONSE:
            return replace(without_times(cell), response=cell.response)
        return without_times(cell)

    def _add(self, second: int, cell: Cell, valid: bool) -> range:
        """Add a second; return the seconds to ask about, none while a stretch is not full."""
        stretch = self._objective.stretch
        if not valid:
            self._invalid.add(second)
        if stretch is None:
            self._whole.merge(cell)
            if valid:
                self._valid.merge(cell)
            return range(self._first, second + 1)
        self._last[second] = cell
        self._whole.merge(cell)
        gone = self._last.pop(second - stretch.seconds, None)
        if gone is not None:
            self._whole.remove(gone)
        self._invalid.discard(second - stretch.seconds)
        if stretch.kind == "for":
            self._values[second] = value_of_cell(self._objective, cell, 1)
            self._values.pop(second - stretch.seconds, None)
        full = second + 1 - self._first
        if full < stretch.seconds or (stretch.kind == "every" and full % stretch.seconds):
            return range(0)
        return range(second + 1 - stretch.seconds, second + 1)

    def _value(self, seconds: range) -> Value:
        if self._values:
            return best_of([self._values[second] for second in seconds], self._objective)
        if self._objective.stretch is not None and self._is_level:
            return value_in(self._objective, self._last, seconds)
        return value_of_cell(self._objective, self._whole, len(seconds))

    def _holds_up(self, seconds: range) -> bool:
        """Return whether the breach is the target's: of a bar that we can measure, and there
        without the invalid seconds as well."""
        invalid = self._invalid
        if too_fine_for(self._objective, self._error):
            return False
        if not invalid:
            return True
        if len(invalid) > tolerated_seconds(len(seconds), answered_twice=True):
            return False
        if self._objective.stretch is None:
            without = value_of_cell(self._objective, self._valid, len(seconds) - len(invalid))
        else:
            rest = {one: cell for one, cell in self._last.items() if one not in invalid}
            without = value_without(self._objective, rest, seconds, invalid)
        return self._status(without) is Status.FAIL

    def _status(self, value: Value) -> Status:
        """Answer the rule; a count that must be met exactly is not broken before it is passed."""
        asked = self._objective
        exact = asked.aggregation == "count" and asked.operator == "==" and asked.stretch is None
        if exact and value.value is not None and value.value <= asked.bar:
            return Status.PASS
        return status_of(asked, value, seen=self._seen)


def live_seconds(plan: Plan, objective: Objective) -> tuple[int, int]:
    """Return the seconds [from, to) of an objective's window that are known beforehand.

    They are within what the verdict takes for that window: a fault never comes before its instant,
    nor the drain before the end of the load.
    """
    warm, end = -(-plan.warmup_ns // SECOND_NS), -(-plan.duration_ns // SECOND_NS)
    if objective.window == "warmup":
        return 0, warm
    if objective.window == "steady":
        first_ns = min((one.at_ns for one in plan.faults), default=plan.duration_ns)
        return warm, min(end, first_ns // SECOND_NS)
    return (0 if objective.window == "run" else warm), end
