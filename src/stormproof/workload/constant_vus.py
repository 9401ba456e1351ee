"""The closed executor `constant-vus`: the same users all the time, each again once it is done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantVus:
    """Keep `vus` users at work."""

    vus: int

    def changes(self) -> Iterator[tuple[int, int]]:
        """Yield (offset from the scenario's start, users from then on): the beginning."""
        yield 0, self.vus
