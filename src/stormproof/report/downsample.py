"""Make long series short without hiding a spike: extremes and median of each bucket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_STEPS_S = (1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 180, 300, 600)


class Bucket(NamedTuple):
    """What a few neighbouring seconds say: each is the value of one of them."""

    low: float
    middle: float  # the upper median
    high: float


def step_for(length: int, buckets_max: int) -> int:
    """Return how many seconds a bucket must hold so that `buckets_max` are enough."""
    needed = max(1, -(-length // buckets_max))
    return next((step for step in _STEPS_S if step >= needed), needed)


def buckets_of(values: Sequence[float | None], step: int) -> list[Bucket | None]:
    """Return a bucket for every `step` values; None where none of them is known."""
    return [_bucket(values[start : start + step]) for start in range(0, len(values), step)]


def _bucket(values: Sequence[float | None]) -> Bucket | None:
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    return Bucket(known[0], known[len(known) // 2], known[-1])
