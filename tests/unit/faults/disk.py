"""A record in memory."""

from __future__ import annotations

from collections.abc import Sequence

from stormproof.kernel.errors import EnvironmentFailure
from stormproof.model.event import Event, Failure, ProbeSample
from stormproof.model.series import Frame, Series


class Disk:
    """A recorder that remembers, and refuses when it is full."""

    def __init__(self) -> None:
        self.written: list[tuple[Event, bool]] = []
        self.is_full = False
        self.closed = ""

    def events(self, events: Sequence[Event], *, sync: bool = False) -> None:
        if self.is_full:
            raise EnvironmentFailure("the disk is full")
        self.written += [(event, sync) for event in events]

    def frame(self, frame: Frame, series: Sequence[Series], failures: Sequence[Failure]) -> None:
        raise AssertionError("a keeper has no frames")

    def ledger(self, entries: bytes) -> None:
        raise AssertionError("a keeper has no ledger")

    def probes(self, samples: Sequence[ProbeSample]) -> None:
        raise AssertionError("a keeper has no probes")

    def close(self, how: str) -> None:
        if self.is_full:
            raise EnvironmentFailure("the disk is full")
        self.closed = how
