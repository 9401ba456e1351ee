"""The breaker in front of a dependency: what does not answer is not asked again and again.

Closed, it lets every operation pass. Failures in a row, with no success for a while, open it:
operations are refused at once, so that nobody waits for what would fail. Half open, one operation
is let through to find out, and its success closes the breaker. That one is a probe, of which the
process makes several a second; where nobody probes it is now and then a caller's operation.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from sanctum.defects import Defects
from sanctum.telemetry.storage import StorageMetrics

logger = logging.getLogger(__name__)

TRIAL_AFTER_S = 2.0  # much more than the time between two probes


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Say what a failure must come to before it counts against a dependency.

    Silence, the time without any success, tells a dependency that does not answer from a process
    that is overloaded: there whole queues of operations run out of time at once, while others are
    served all along.

    Attributes:
        failures: so many in a row, at least, open the breaker,
        silence_s: and no success for so long.
        doubt_s: after so long without success one failure makes the dependency unhealthy.
    """

    failures: int
    silence_s: float
    doubt_s: float


class BreakerOpen(Exception):
    """Say that a dependency is not asked, because it did not answer lately."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Mark one operation, so that what becomes of it is weighed by when it began.

    Attributes:
        era: how often the breaker had closed until then: what began before it last opened
            proves nothing, however it ends.
        trial: whether it was let through to find out how the dependency is.
    """

    era: int
    trial: bool


class Breaker:
    """Keep count of one dependency's failures, and say what may be tried."""

    def __init__(
        self,
        dependency: str,
        patience: Patience,
        *,
        closed: bool,
        defects: Defects,
        metrics: StorageMetrics,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Watch a dependency.

        Args:
            dependency: its name, in metrics and logs.
            patience: how many failures open the breaker.
            closed: whether to trust it before the first success.
            defects: may keep an open breaker from closing.
            metrics: count changes and refusals.
            now: seconds that never go back.
        """
        self._dependency = dependency
        self._patience = patience
        self._defects = defects
        self._now = now
        self._transitions = metrics.breaker(dependency, lambda: not self.closed)
        self._refused = metrics.breaker_refused.labels(dependency)
        self.closed = closed
        self.healthy = False
        self.was_opened = False
        self._failures = 0
        self._era = 0
        self._tried_at = self._succeeded_at = now()

    def admit(self) -> Attempt:
        """Let an operation pass, or refuse it and count that.

        Raises:
            BreakerOpen: when it must not be tried.
        """
        if self.closed:
            return Attempt(self._era, trial=False)
        if self._now() - self._tried_at < TRIAL_AFTER_S:
            self._refused.inc()
            raise BreakerOpen(f"the {self._dependency} does not answer")
        return self.admit_probe()

    def admit_probe(self) -> Attempt:
        """Let a probe pass, which is always a trial; while there are any, callers need not try."""
        self._tried_at = self._now()
        return Attempt(self._era, trial=True)

    def succeed(self, attempt: Attempt) -> None:
        """Note a success; that of a trial closes the breaker and makes the dependency healthy."""
        if attempt.era != self._era:
            return
        self._failures = 0
        self._succeeded_at = self._now()
        if attempt.trial:
            self._gain()

    def fail(self, attempt: Attempt, operation: str, reason: str) -> None:
        """Note a failure: if it counts, the dependency is unhealthy, and after some not used."""
        if attempt.era != self._era:
            return
        self._failures += 1
        silence_s, patience = self._now() - self._succeeded_at, self._patience
        if self.healthy and silence_s >= patience.doubt_s:
            self.healthy = False
            fields = {"operation": operation, "reason": reason}
            logger.warning("%s is unavailable", self._dependency, extra={"fields": fields})
        over = self._failures >= patience.failures and silence_s >= patience.silence_s
        if self.closed and over:
            self.closed = False
            self.was_opened = True
            self._tried_at = self._now()
            self._transitions["open"] += 1

    def _gain(self) -> None:
        if not self.closed:
            if self._defects.keeps_open(was_opened=self.was_opened):
                return
            self.closed = True
            self._era += 1
            # What was never open has not closed: the counts of both say what happened.
            self._transitions["closed"] += self.was_opened
        if not self.healthy:
            self.healthy = True
            logger.info("%s is available", self._dependency)
