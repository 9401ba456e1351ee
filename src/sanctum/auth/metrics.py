"""What the service counts of sessions."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

RENEWED, REUSED, ENDED, INVALID = "renewed", "reused", "ended", "invalid"
LOGGED_OUT, BY_ADMIN, ROLE_SET = "logged_out", "by_admin", "role_set"


class SessionMetrics:
    """Own the counters of sessions, each there from the start."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.refreshes = Counter(
            "auth_refresh_total", "Refresh tokens shown", ("outcome",), registry=registry
        )
        self.ends = Counter(
            "auth_session_ends_total", "Sessions ended", ("cause",), registry=registry
        )
        for outcome in (RENEWED, REUSED, ENDED, INVALID):
            self.refreshes.labels(outcome)
        for cause in (LOGGED_OUT, REUSED, BY_ADMIN, ROLE_SET):
            self.ends.labels(cause)
