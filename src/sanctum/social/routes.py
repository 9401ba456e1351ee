"""Routes for posts and the feed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request, Response

from sanctum.defects import Defects
from sanctum.gateway.answers import Refusal, check_storable, json_response, read_body
from sanctum.gateway.contract import Caller, contract
from sanctum.gateway.identity import Gate
from sanctum.gateway.parameters import WholeNumber
from sanctum.social.storage import ID_MAX, Post, PostStorage
from sanctum.telemetry.metrics import Metrics

LIMIT = WholeNumber("limit", 1, 100, default=20)
BEFORE = WholeNumber("before", 1, ID_MAX, default=ID_MAX)
POST_ID = WholeNumber("post_id", 0, ID_MAX)


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

    @router.get("/feed", openapi_extra=contract({200: FeedPage}, LIMIT, BEFORE))
    async def read_feed(request: Request) -> Response:
        await gate.identify(request)
        limit, before = LIMIT.read(request), BEFORE.read(request)
        await defects.hold_feed()
        found = await posts.before(before, limit + 1)
        page = found[:limit]
        following = page[-1].id if len(found) > limit else None
        return json_response(FeedPage(page, following))

    @router.post("/posts", openapi_extra=contract({201: Post}, body=NewPost))
    async def create_post(request: Request) -> Response:
        author = await gate.identify(request)
        body = await read_body(request, _new_post)
        text = check_storable(body.text, "text")
        published = await posts.add(author.user_id, author.username, text)
        if published is None:
            raise Refusal(401, "invalid_token", "the account does not exist any more")
        metrics.notifications.inc(published.told)
        return json_response(published.post, 201)

    @router.get(
        "/posts/{post_id}",
        openapi_extra=contract({200: Post}, POST_ID, refuses=[404], caller=Caller.ANYBODY),
    )
    async def read_post(request: Request) -> Response:
        post_id = POST_ID.read(request)
        post = await posts.find(post_id)
        if post is None:
            raise Refusal(404, "not_found", f"there is no post {post_id}")
        return json_response(post)

    return router
