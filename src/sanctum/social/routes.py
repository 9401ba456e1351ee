"""Routes for posts and the feed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request, Response

from sanctum.defects import Defects
from sanctum.gateway.answers import Refusal, check_storable, json_response, read_body
from sanctum.gateway.identity import Gate
from sanctum.gateway.parameters import whole_number
from sanctum.social.storage import ID_MAX, Post, PostStorage
from sanctum.telemetry.metrics import Metrics

LIMIT_DEFAULT = 20
LIMIT_MAX = 100


class NewPost(msgspec.Struct, frozen=True):
    """Ask for a post to be made."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]


class FeedPage(msgspec.Struct, frozen=True):
    """Hold one page of the feed, and where the next one begins."""

    posts: Sequence[Post]
    next: int | None


_new_post = msgspec.json.Decoder(NewPost)


def build_router(posts: PostStorage, gate: Gate, defects: Defects, metrics: Metrics) -> APIRouter:
    """Build the routes over the storage."""
    router = APIRouter(prefix="/api")

    @router.get("/feed")
    async def read_feed(request: Request) -> Response:
        await gate.identify(request)
        query = request.query_params
        limit = whole_number(query.get("limit"), "limit", LIMIT_DEFAULT, 1, LIMIT_MAX)
        before = whole_number(query.get("before"), "before", ID_MAX, 1, ID_MAX)
        await defects.hold_feed()
        found = await posts.before(before, limit + 1)
        page = found[:limit]
        following = page[-1].id if len(found) > limit else None
        return json_response(FeedPage(page, following))

    @router.post("/posts")
    async def create_post(request: Request) -> Response:
        author = await gate.identify(request)
        body = await read_body(request, _new_post)
        text = check_storable(body.text, "text")
        published = await posts.add(author.user_id, author.username, text)
        if published is None:
            raise Refusal(401, "invalid_token", "the account does not exist any more")
        metrics.notifications.inc(published.told)
        return json_response(published.post, 201)

    @router.get("/posts/{post_id}")
    async def read_post(request: Request) -> Response:
        post_id = whole_number(request.path_params["post_id"], "id", 0, 0, ID_MAX)
        post = await posts.find(post_id)
        if post is None:
            raise Refusal(404, "not_found", f"there is no post {post_id}")
        return json_response(post)

    return router
