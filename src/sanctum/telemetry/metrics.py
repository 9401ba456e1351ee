"""Metrics of one process, under the names that dashboards and trials know."""

from __future__ import annotations

import math
from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from sanctum.telemetry.storage import StorageMetrics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LATENCY_MS = (1, 2, 5, 10, 20, 35, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 2000, 5000)
_TOKEN_S = (0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.025, 0.05, 0.1)
_SIZE_BYTES = (16, 64, 256, 512, 1024, 2048, 4096, 16_384, 65_536)
ROUTE_SERIES_MAX = 600
OTHER_ROUTE = "other"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# What never happened reads 0, not nothing: an alert on an absent series never fires.
LIMITS = ("concurrency", "key", "sockets")
CLOSE_CODES = (1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013)
DENIALS = ("role", "author", "ticket", "socket", "origin")
LOGIN_RESULTS = ("success", "failure")
AUTH_FAILURES = (
    "credentials",
    "missing_token",
    "invalid_token",
    "ended_session",
    "refresh_token",
    "invalid_key",
)


class Metrics:
    """Own the registry of one process and every instrument in it."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for every first one, read by nobody
        self.registry = CollectorRegistry(auto_describe=True)
        self._routes: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._define_http()
        self.storage = StorageMetrics(self.registry)
        self._define_sockets()
        self._define_messaging()
        self.notifications = Counter(
            "notification_events_total", "Notifications made", registry=self.registry
        )
        ProcessCollector(registry=self.registry)

    def _define_http(self) -> None:
        registry = self.registry
        labels = ("method", "route", "status")
        self._requests = Counter(
            "requests_total", "HTTP requests answered", labels, registry=registry
        )
        self._latency = Histogram(
            "request_latency_ms",
            "Time to answer an HTTP request",
            ("method", "route"),
            buckets=_LATENCY_MS,
            registry=registry,
        )
        self.auth_failures = Counter(
            "auth_failures_total", "Log-ins and tokens refused", ("reason",), registry=registry
        )
        self.security_denied = Counter(
            "sanctum_security_denied_total", "Access refused", ("what",), registry=registry
        )
        self.rate_limit_hits = Counter(
            "rate_limit_hits_total", "Requests refused with 429", ("limit",), registry=registry
        )
        for limit in LIMITS:
            self.rate_limit_hits.labels(limit)
        for what in DENIALS:
            self.security_denied.labels(what)
        for reason in AUTH_FAILURES:
            self.auth_failures.labels(reason)
        logins = Counter("auth_logins_total", "Log-ins tried", ("result",), registry=registry)
        self._logins = {result: logins.labels(result) for result in LOGIN_RESULTS}
        self._logins_tried = self._logins_failed = 0
        rate = Gauge("auth_login_success_rate", "Log-ins that succeeded, 0 to 1", registry=registry)
        rate.set_function(self._login_success_rate)
        self.token_latency = Histogram(
            "auth_token_generation_latency",
            "Seconds to mint a token once the password was verified",
            buckets=_TOKEN_S,
            registry=registry,
        )

    def _define_sockets(self) -> None:
        registry = self.registry
        self.ws_active = Gauge("ws_active_connections", "Open WebSockets", registry=registry)
        self.ws_connects = Counter("ws_connect_total", "WebSockets accepted", registry=registry)
        closes = Counter("ws_close_total", "WebSockets closed", ("code",), registry=registry)
        self._closes = {code: closes.labels(str(code)) for code in CLOSE_CODES}
        self._other_closes = closes.labels("other")  # clients may make up thousands of codes
        self.ws_overloads = Counter(
            "ws_overload_total", "WebSockets closed as too slow", registry=registry
        )
        self.ws_heartbeat_terminates = Counter(
            "ws_heartbeat_terminate_total", "WebSockets closed without a pong", registry=registry
        )
        self.ws_frames_sent = Counter("ws_frame_sent_total", "Frames sent", registry=registry)

    def _define_messaging(self) -> None:
        registry = self.registry
        self.messages = Counter(
            "messages_total", "Chat messages committed and acknowledged", registry=registry
        )
        self.message_size = Histogram(
            "messaging_message_size_bytes",
            "Size of a message body",
            buckets=_SIZE_BYTES,
            registry=registry,
        )
        self.payload_rejects = Counter(
            "messaging_payload_rejects_total", "Frames refused", ("reason",), registry=registry
        )
        self.published = Counter(
            "messaging_dispatch_published_total", "Messages published", registry=registry
        )
        self.unpublished = Counter(
            "messaging_dispatch_fallback_total",
            "Messages left to catch-up because they could not be published",
            registry=registry,
        )
        self.delivered = Counter(
            "messaging_consumer_delivered_total",
            "Messages delivered to a member or to all inboxes",
            registry=registry,
        )
        self.catch_ups = Counter(
            "messaging_catch_up_total", "Pages read from the database", registry=registry
        )

    def observe_request(self, method: str, route: str, status: int, latency_s: float) -> None:
        """Count a request under its route template; past the bound, under its status alone."""
        key = (method if method in METHODS else "OTHER", route, status)
        series = self._routes.get(key)
        if series is None:
            if len(self._routes) >= ROUTE_SERIES_MAX:
                key = ("OTHER", OTHER_ROUTE, status)
            method, route, status = key
            series = (
                self._requests.labels(method, route, str(status)),
                self._latency.labels(method, route),
            )
            self._routes[key] = series
        series[0].inc()
        series[1].observe(latency_s * 1000)

    def observe_login(self, *, success: bool) -> None:
        """Count a log-in."""
        self._logins_tried += 1
        self._logins["success" if success else "failure"].inc()
        if not success:
            self._logins_failed += 1
            self.auth_failures.labels("credentials").inc()

    def count_close(self, code: int) -> None:
        """Count a WebSocket that was closed."""
        self._closes.get(code, self._other_closes).inc()

    def gauge(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """Expose a value that is read when scraped."""
        Gauge(name, documentation, registry=self.registry).set_function(read)

    def render(self) -> bytes:
        """Render everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def _login_success_rate(self) -> float:
        tried = self._logins_tried
        return 1.0 - self._logins_failed / tried if tried else math.nan  # as none was refused
