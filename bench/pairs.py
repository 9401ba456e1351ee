"""Interleaved pairs: A B A B ..., so that a machine that drifts drifts for both."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

PAIRS = 7


def interleave(measures: Mapping[str, Callable[[], float]], pairs: int) -> dict[str, list[float]]:
    """Measure each in turn, `pairs` times; return the figures of each in that order."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(pairs):
        for name, measure in measures.items():
            found[name].append(measure())
            sys.stderr.write(f"  {number + 1}/{pairs} {name}: {found[name][-1]:,.2f}\n")
    return found


def ratios(of: list[float], to: list[float]) -> list[float]:
    """Return the ratio of each pair."""
    return [mine / other for mine, other in zip(of, to, strict=True)]
