"""Rates: how often one caller may ask."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

CALLERS_MAX = 10_000  # the one that asked longest ago is forgotten first


class RateLimit:
    """Allow each caller `burst` requests at once and `per_s` a second on average.

    Kept per caller is one instant: when it will have used up what it took. It is allowed to run
    ahead of the clock by the burst (the generic cell rate algorithm, ITU-T I.371).
    """

    def __init__(
        self, *, per_s: float, burst: int, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Limit callers.

        Args:
            per_s: requests a second; 0 allows any number.
            burst: requests at once.
            now: seconds that never go back.
        """
        self._interval_s = 1 / per_s if per_s else 0.0
        self._ahead_s = (burst - 1) * self._interval_s
        self._now = now
        self._used_until: OrderedDict[str, float] = OrderedDict()

    def take(self, caller: str) -> float:
        """Count a request and return 0, or refuse it and return the seconds until one may be."""
        if not self._interval_s:
            return 0.0
        now = self._now()
        used_until = max(now, self._used_until.get(caller, 0.0))
        wait_s = used_until - now - self._ahead_s
        if wait_s > 0:
            return wait_s
        self._used_until[caller] = used_until + self._interval_s
        self._used_until.move_to_end(caller)
        if len(self._used_until) > CALLERS_MAX:
            self._used_until.popitem(last=False)
        return 0.0
