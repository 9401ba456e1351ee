"""The closed executor `ramping-vus`: users come and go in straight lines, stage by stage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stormproof.model.plan import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class RampingVus:
    """Begin with `start_vus` users and go through `stages`; one of no length jumps.

    On the way from n to m users over D, the user that makes them k begins D (k - n) / (m - n) after
    the stage's start, and the last one begins at its end. On the way down a user stays as long as
    the line is above the number without it: the first one goes D / (n - m) after the start.
    What a user has begun by then it may end (`gracefulRampDown`).

    Source: k6, `lib/executor/ramping_vus.go`, `getRawExecutionSteps`.
    """

    start_vus: int
    stages: tuple[Stage, ...]

    @property
    def peak(self) -> int:
        """The largest number of users there ever is."""
        return max([self.start_vus, *(int(stage.target) for stage in self.stages)])

    def changes(self) -> Iterator[tuple[int, int]]:
        """Yield (offset from the scenario's start, users from then on), each another number."""
        users, end_ns = self.start_vus, 0
        yield 0, users
        for stage in self.stages:
            target, length_ns = int(stage.target), stage.duration_ns
            end_ns += length_ns
            if length_ns == 0 and target != users:
                yield end_ns, target
            elif length_ns:
                yield from _line(users, target, end_ns, length_ns)
            users = target


def _line(users: int, target: int, end_ns: int, length_ns: int) -> Iterator[tuple[int, int]]:
    step = 1 if target > users else -1
    left = abs(target - users)
    total = left
    for number in range(users + step, target + step, step):
        left -= 1
        yield end_ns - length_ns * left // total, number
