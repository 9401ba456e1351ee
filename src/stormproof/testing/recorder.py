"""A recorder in memory, whose disk can be made to be full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from stormproof.kernel.errors import EnvironmentFailure, OwnFault
from stormproof.model.event import Event, Failure, ProbeSample
from stormproof.model.ledger import ENTRY_BYTES
from stormproof.model.series import Frame, Series


@dataclass(slots=True, kw_only=True)
class Recorded:
    """What a recorder took, in the order it came."""

    events: list[Event] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    probes: list[ProbeSample] = field(default_factory=list)
    ledger: bytes = b""


class ScriptedRecorder:
    """Keep what is recorded (see `stormproof.seams.Recorder`).

    Args:
        writes_max: how many writes the disk has room for; None: any number.
    """

    def __init__(self, *, writes_max: int | None = None) -> None:
        self.recorded = Recorded()
        self.synced = 0
        self.closed = ""
        self._writes_left = writes_max

    def events(self, events: Sequence[Event], *, sync: bool = False) -> None:
        """Keep events."""
        self._write()
        self.recorded.events += events
        self.synced += sync

    def frame(self, frame: Frame, series: Sequence[Series], failures: Sequence[Failure]) -> None:
        """Keep a frame."""
        self._write()
        self.recorded.series += series
        self.recorded.frames.append(frame)
        self.recorded.failures += failures

    def ledger(self, entries: bytes) -> None:
        """Keep ledger entries."""
        if len(entries) % ENTRY_BYTES:
            raise OwnFault(f"{len(entries)} bytes are no whole number of ledger entries")
        self._write()
        self.recorded.ledger += entries

    def probes(self, samples: Sequence[ProbeSample]) -> None:
        """Keep answers of probes."""
        self._write()
        self.recorded.probes += samples

    def close(self, how: str) -> None:
        """Remember how the writer ended."""
        self.closed = how

    def _write(self) -> None:
        if self._writes_left is None:
            return
        if self._writes_left == 0:
            raise EnvironmentFailure("the disk is full: nothing more can be recorded")
        self._writes_left -= 1
