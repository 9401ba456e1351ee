"""What the service counts of posts, comments and likes."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

CREATED, UPDATED, DELETED = "created", "updated", "deleted"
LIKED, UNLIKED = "liked", "unliked"


class SocialMetrics:
    """Own the counters of what was committed, each there from the start."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.posts = Counter("social_posts_total", "Posts", ("did",), registry=registry)
        self.comments = Counter("social_comments_total", "Comments", ("did",), registry=registry)
        self.likes = Counter("social_likes_total", "Likes", ("did",), registry=registry)
        for did in (CREATED, UPDATED, DELETED):
            self.posts.labels(did)
            self.comments.labels(did)
        for did in (LIKED, UNLIKED):
            self.likes.labels(did)
