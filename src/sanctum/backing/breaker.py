"""The breaker in front of a dependency: what does not answer is not asked again and again.

Closed, it lets every operation pass. Failures in a row open it: operations are refused at once,
so that nobody waits for what would fail. Half open, one operation is let through to find out, and
its success closes the breaker. That one is a probe, of which the process makes several a second;
where nobody probes it is now and then the operation of a caller.
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
    """Say how many failures in a row open a breaker: of any operations, and of trials alone.

    Trials are counted apart: under overload some operations still succeed in between, but what
    cannot be probed in time serves nobody well.
    """

    failures: int
    failed_trials: int


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
        self._failed_trials = 0
        self._era = 0
        self._tried_at = now()

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
        if attempt.trial:
            self._failed_trials = 0
            self._gain()

    def fail(self, attempt: Attempt, operation: str, reason: str) -> None:
        """Note a failure: the dependency is not healthy, and after some in a row not used."""
        if attempt.era != self._era:
            return
        self._failures += 1
        self._failed_trials += attempt.trial
        if self.healthy:
            self.healthy = False
            fields = {"operation": operation, "reason": reason}
            logger.warning("%s is unavailable", self._dependency, extra={"fields": fields})
        patience = self._patience
        over = self._failures >= patience.failures or self._failed_trials >= patience.failed_trials
        if self.closed and over:
            self.closed = False
            self.was_opened = True
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
