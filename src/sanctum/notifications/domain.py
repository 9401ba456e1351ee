"""Lists of notifications."""

from __future__ import annotations

from sanctum.domain import Domain, Shared
from sanctum.notifications.routes import build_router
from sanctum.notifications.storage import NotificationStorage


def build(shared: Shared) -> Domain:
    """Build the domain."""
    notifications = NotificationStorage(shared.database, shared.defects)
    return Domain(routers=(build_router(notifications, shared.gate),))
