"""Instruments of commerce: the business's own figures, and payments as they go."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

from sanctum.gateway.answers import Refusal
from sanctum.telemetry.metrics import Metrics

OUTCOMES = ("paid", "declined", "cancelled", "refunded", "repeated", "refused")
DENIED = ("course", "payment", "live_session")
_PAYMENT_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)


class CommerceMetrics:
    """Count what is earned, who enrols, and how payments end."""

    def __init__(self, metrics: Metrics) -> None:
        registry = metrics.registry
        self.revenue = Counter(
            "business_revenue_cents_total", "Cents charged for courses", registry=registry
        )
        self.refunded = Counter(
            "business_refunded_cents_total", "Cents given back", registry=registry
        )
        self.enrolments = Counter(
            "business_enrolments_total", "Users enrolled in a course", registry=registry
        )
        self.payment_latency = Histogram(
            "payment_latency_seconds",
            "Time to answer a payment, refused ones too",
            buckets=_PAYMENT_S,
            registry=registry,
        )
        payments = Counter(
            "payments_total",
            "Payments closed or refunded, requests repeated under a known key, and refused ones",
            ("outcome",),
            registry=registry,
        )
        self.payments = {outcome: payments.labels(outcome) for outcome in OUTCOMES}
        self._denied = {what: metrics.security_denied.labels(what) for what in DENIED}

    def denial(self, what: str, error: str, message: str) -> Refusal:
        """Count an access that is denied and return the refusal to raise."""
        self._denied[what].inc()
        return Refusal(403, error, message)
