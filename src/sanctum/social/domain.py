"""Posts and the feed."""

from __future__ import annotations

from sanctum.domain import Domain, Shared
from sanctum.social.routes import build_router
from sanctum.social.storage import PostStorage


def build(shared: Shared) -> Domain:
    """Build the domain."""
    posts = PostStorage(shared.database, shared.defects)
    return Domain(routers=(build_router(posts, shared.gate, shared.defects, shared.metrics),))
