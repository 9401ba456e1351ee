"""Is the target ready for the next fault? Decided live on a probe's answers, replayed by `judge`.

It is once its readiness has held for `HELD_NS`: one good answer between two bad ones is a flap.
"""

from __future__ import annotations

from typing import Final

from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import ProbeSample
from stormproof.rules.windows import READY_PROBE

HELD_NS: Final = SECOND_NS


class Readiness:
    """Follow the answers of the probe "ready", in the order in which they came."""

    def __init__(self) -> None:
        self._since_ns: int | None = None  # the first good answer that no bad one followed
        self.known_ns = 0  # when the last answer came; 0: none did
        self.bar_s = HELD_NS / SECOND_NS

    def take(self, sample: ProbeSample) -> None:
        """Take the next answer; those of other probes say nothing here."""
        if sample.probe != READY_PROBE:
            return
        self.known_ns = sample.end_ns
        if not sample.ok:
            self._since_ns = None
        elif self._since_ns is None:
            self._since_ns = sample.end_ns

    @property
    def held_ns(self) -> int:
        """How long it has been ready, from the first to the last good answer in a row."""
        return 0 if self._since_ns is None else self.known_ns - self._since_ns

    @property
    def holds(self) -> bool:
        """Whether the next fault may come."""
        return self.held_ns >= HELD_NS
