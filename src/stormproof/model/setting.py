"""Settings: numbers that a journey reads from its scenario's `env`, known before anything runs.

    CHANNELS = Setting("channels", low=1, whole=True)

    @journey(settings=(CHANNELS,))
    async def talk(user): ... CHANNELS.of(user) ...

A profile that lacks one, or gives it as something else, is refused with everything else that is
wrong with it, instead of ending every iteration.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

from stormproof.kernel.errors import Problem


class HasSettings(Protocol):
    """Whoever has the settings of a scenario: the user."""

    @property
    def env(self) -> Mapping[str, str]:
        """The scenario's settings."""
        ...


class Setting:
    """A number that a scenario's `env` must give.

    Args:
        name: of the setting.
        low: the least that it may be.
        high: the most that it may be.
        whole: it has no fraction.

    Raises:
        ValueError: it has no name, or nothing lies between `low` and `high`.
    """

    __slots__ = ("high", "low", "name", "whole")

    def __init__(
        self, name: str, *, low: float = 0.0, high: float = math.inf, whole: bool = False
    ) -> None:
        if not name or not low <= high:
            raise ValueError(f"the setting {name!r} from {low:g} to {high:g} is none")
        self.name = name
        self.low = low
        self.high = high
        self.whole = whole

    def of(self, user: HasSettings) -> float:
        """Return what the user's scenario sets it to."""
        return float(user.env[self.name])

    def problem(self, env: Mapping[str, str]) -> Problem | None:
        """Return what is wrong with it in the settings of a scenario; its place is its name."""
        given = env.get(self.name)
        if given is None:
            return Problem(where=self.name, what="is missing", fix=self._wanted())
        try:
            number = float(given)
        except ValueError:
            return Problem(where=self.name, what=f"{given!r} is no number", fix=self._wanted())
        fits = math.isfinite(number) and self.low <= number <= self.high
        if fits and (number.is_integer() or not self.whole):
            return None
        return Problem(where=self.name, what=f"{given} is out of bounds", fix=self._wanted())

    def _wanted(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {self.low:g} {'on' if math.isinf(self.high) else f'to {self.high:g}'}"
