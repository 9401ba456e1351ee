"""Posts, comments, likes and the feed."""

from __future__ import annotations

from sanctum.domain import Domain, Shared
from sanctum.inbox.inbox import Inbox
from sanctum.notifications.telling import Teller
from sanctum.social import comment_routes
from sanctum.social.comments import CommentStorage
from sanctum.social.metrics import SocialMetrics
from sanctum.social.routes import build_feed_router, build_likes_router, build_posts_router
from sanctum.social.storage import PostStorage


def build(shared: Shared, inbox: Inbox) -> Domain:
    """Build the domain; its notifications go through the inbox."""
    teller = Teller(inbox, shared.metrics)
    posts = PostStorage(shared.database, teller, shared.defects)
    comments = CommentStorage(shared.database, teller)
    count = SocialMetrics(shared.metrics.registry)
    return Domain(
        routers=(
            build_feed_router(posts, shared.gate, shared.defects),
            build_posts_router(posts, shared.gate, count, shared.metrics),
            build_likes_router(posts, shared.gate, count, shared.metrics),
            comment_routes.build_router(comments, shared.gate, count, shared.metrics),
        )
    )
