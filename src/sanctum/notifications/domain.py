"""Lists of notifications."""

from __future__ import annotations

from sanctum.domain import Domain, Shared
from sanctum.notifications.routes import build_router
from sanctum.notifications.storage import NotificationStorage


def build(shared: Shared) -> Domain:
    """Build the domain."""
    return Domain(routers=(build_router(NotificationStorage(shared.database), shared.gate),))
