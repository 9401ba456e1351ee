"""Courses, payments and live sessions, and the work that closes payments left open."""

from __future__ import annotations

from sanctum.commerce import course_routes, live_routes, payment_routes
from sanctum.commerce.cashier import Cashier, Settlement
from sanctum.commerce.charging import ChargingProvider
from sanctum.commerce.course_routes import Catalogue
from sanctum.commerce.courses import CourseStorage
from sanctum.commerce.enrolments import Enrolments
from sanctum.commerce.live import LiveSessions
from sanctum.commerce.metrics import CommerceMetrics
from sanctum.commerce.payment_routes import PaymentDesk
from sanctum.commerce.payments import PaymentStorage
from sanctum.domain import Domain, Shared


def build(shared: Shared) -> Domain:
    """Build the domain."""
    settings, database, gate = shared.settings, shared.database, shared.gate
    metrics = CommerceMetrics(shared.metrics)
    catalogue = Catalogue(courses=CourseStorage(database), metrics=metrics)
    enrolments = Enrolments(database, shared.defects, metrics)
    payments = PaymentStorage(database, shared.defects)
    provider = ChargingProvider(database, delay_s=settings.charging_delay_s)
    cashier = Cashier(
        payments, provider, shared.defects, metrics, timeout_s=settings.charging_timeout_s
    )
    desk = PaymentDesk(gate, metrics, secret=settings.jwt_secret)
    settlement = Settlement(cashier, age_s=settings.settle_after_s)
    return Domain(
        routers=(
            course_routes.build_router(catalogue, enrolments, gate),
            payment_routes.build_router(desk, cashier, payments, provider, gate),
            live_routes.build_router(catalogue, LiveSessions(database, metrics), gate),
        ),
        work={"settlement": settlement.run},
    )
