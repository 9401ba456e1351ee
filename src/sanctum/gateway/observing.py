"""Count and time every HTTP request, as plain ASGI."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sanctum.defects import Defects
from sanctum.telemetry.metrics import Metrics

UNMATCHED = "unmatched"


class ObservedApp:
    """Wrap an application and record each request under its route template."""

    def __init__(self, app: ASGIApp, defects: Defects, metrics: Metrics) -> None:
        self._app = app
        self._defects = defects
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope; only HTTP requests are recorded."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def observe(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, observe)
        finally:
            self._defects.note_request()
            route = getattr(scope.get("route"), "path", UNMATCHED)
            elapsed_s = time.perf_counter() - started
            self._metrics.observe_request(scope["method"], route, status, elapsed_s)
