"""The concurrency limit: so many requests are served at once; one more is refused, not queued.

A queue in front of a service that is at its limit only makes everybody wait. What is refused costs
next to nothing, so those who are served stay quick. Operators are not limited: a service that is
busy is still healthy, and its metrics are wanted most then.
"""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from sanctum.defects import Defects
from sanctum.gateway.answers import Refusal, refusal_response
from sanctum.telemetry.metrics import Metrics

OPERATORS = ("/health", "/metrics")
RETRY_AFTER_S = 1


class ConcurrencyLimit:
    """Wrap an application and answer 429 to what comes while it is at its limit."""

    def __init__(
        self, app: ASGIApp, *, at_once_max: int, defects: Defects, metrics: Metrics
    ) -> None:
        self._app = app
        self._at_once_max = at_once_max
        self._defects = defects
        self._hits = metrics.rate_limit_hits.labels("concurrency")
        self._serving = 0
        message = f"{at_once_max} requests are being served; try again"
        refusal = Refusal(429, "too_many_requests", message, retry_after_s=RETRY_AFTER_S)
        self._refuse = refusal_response(refusal)
        if defects.refuses_as_success():
            self._refuse = Response()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one ASGI scope; only HTTP requests are limited."""
        if scope["type"] != "http" or scope["path"].startswith(OPERATORS):
            await self._app(scope, receive, send)
        elif self._serving >= self._at_once_max:
            if self._defects.counts_limit_hits():
                self._hits.inc()
            await self._refuse(scope, receive, send)
        else:
            self._serving += 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._serving -= 1
