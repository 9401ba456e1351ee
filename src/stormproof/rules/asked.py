"""An objective on a source's figures while it is answered, and what it turns out to be worth."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from stormproof.kernel.units import SECOND_NS
from stormproof.model.objective import Objective
from stormproof.model.observed import ObservedKind
from stormproof.rules.against import CLOSER
from stormproof.rules.aggregate import NO_VALUE, Value
from stormproof.rules.between import Range
from stormproof.rules.figures import Bracket, Figures, Instant, Span, increases_of
from stormproof.rules.observed import matching, name_of, why_unseen

NOTHING: Final = Value(value=None, beyond=NO_VALUE, samples=0)
Which = Literal["inner", "nearest", "outer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an objective is worth, at least and at most; with `why` it is no basis for a verdict."""

    value: Value = NOTHING
    low: float = 0.0
    high: float = math.inf
    why: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """An objective with the figures of its source and the spans of its window."""

    objective: Objective
    figures: Figures
    spans: Sequence[Span]
    brackets: Sequence[Bracket]

    @property
    def name(self) -> str:
        """The figure's name, without its source."""
        return name_of(self.objective)

    def ids(self, suffix: str, kind: ObservedKind) -> list[int]:
        """Return the series of the name and `suffix` that carry the objective's tags."""
        return matching(self.figures, self.name + suffix, self.objective.tags, kind)

    def readings_by(self, which: Which) -> list[Sequence[Instant]]:
        """Return some of the readings of the window, bracket by bracket."""
        return [getattr(one, which) for one in self.brackets]

    def count(self, which: Which, ids: Collection[int]) -> float:
        """Return what counters grew by over the whole window, by some of its readings."""
        return increases_of(self.readings_by(which), ids)

    def between(self, ids: Collection[int]) -> Range:
        """Return what counters grew by at least and at most."""
        return self.count("inner", ids), self.count("outer", ids)

    @property
    def seconds(self) -> float:
        """How long the window is."""
        return sum(high - low for low, high in self.spans) / SECOND_NS

    @property
    def nearest_seconds(self) -> float:
        """How long the time between the readings nearest to its ends is."""
        pairs = [one.nearest for one in self.brackets if one.nearest]
        return sum(one[-1].at_ns - one[0].at_ns for one in pairs) / SECOND_NS

    @property
    def readings(self) -> int:
        """How many readings there are of the window."""
        return sum(len(one.nearest) for one in self.brackets)

    def unseen(self) -> Told:
        """Say that no series fits."""
        why, remedy = why_unseen(self.objective, self.figures)
        return Told(why=why, remedy=remedy)


def told_of(asked: Question, value: Value, between: Range) -> Told:
    """Tell a value, unless it is too large for a number."""
    if value.value is not None and not math.isfinite(value.value):
        return Told(why=f"the values of {asked.name} are too large to add up", remedy="mend them")
    return Told(value=value, low=between[0], high=between[1])


def short_of(asked: Question) -> Told | None:
    """Say that a part of the window was not read twice: nothing is known to have grown."""
    lone = [one for one in asked.brackets if len(one.outer) < 2]
    if not lone and asked.brackets:
        return None
    why = "a part of the window has one reading, 2 needed" if lone else "the window is empty"
    return Told(why=why, remedy=CLOSER)


def idle(asked: Question) -> Told:
    """Say that there is nothing to have a value of."""
    why = f"{asked.name} observed nothing in the window"
    return Told(why=why, remedy="check that the load reaches what it observes")
