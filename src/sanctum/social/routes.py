"""Routes for posts, likes and the feed."""

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
from sanctum.social import metrics as counted
from sanctum.social.metrics import SocialMetrics
from sanctum.social.refusing import refusing
from sanctum.social.storage import ID_MAX, Likes, Post, PostStorage
from sanctum.telemetry.metrics import Metrics

LIMIT = WholeNumber("limit", 1, 100, default=20)
BEFORE = WholeNumber("before", 1, ID_MAX, default=ID_MAX)
POST_ID = WholeNumber("post_id", 0, ID_MAX)

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]
Version = Annotated[int, msgspec.Meta(ge=1, le=ID_MAX)]


class NewPost(msgspec.Struct, frozen=True):
    """Ask for a post to be made."""

    text: Text


class EditedPost(msgspec.Struct, frozen=True):
    """Ask for a post to be changed; with a version, only where it is still that one."""

    text: Text
    version: Version | None = None


class FeedPage(msgspec.Struct, frozen=True):
    """Hold one page of the feed, and where the next one begins."""

    posts: Sequence[Post]
    next: int | None


_new_post = msgspec.json.Decoder(NewPost)
_edited_post = msgspec.json.Decoder(EditedPost)


def build_feed_router(posts: PostStorage, gate: Gate, defects: Defects) -> APIRouter:
    """Build the route of the feed over the storage."""
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

    return router


def build_posts_router(
    posts: PostStorage, gate: Gate, count: SocialMetrics, metrics: Metrics
) -> APIRouter:
    """Build the routes of posts over the storage."""
    router = APIRouter(prefix="/api/posts")

    @router.post("", openapi_extra=contract({201: Post}, body=NewPost))
    async def create_post(request: Request) -> Response:
        author = await gate.identify(request)
        body = await read_body(request, _new_post)
        text = check_storable(body.text, "text")
        with refusing("account", metrics):
            post = await posts.add(author, text)
        count.posts.labels(counted.CREATED).inc()
        return json_response(post, 201)

    @router.get(
        "/{post_id}",
        openapi_extra=contract({200: Post}, POST_ID, refuses=[404], caller=Caller.ANYBODY),
    )
    async def read_post(request: Request) -> Response:
        post_id = POST_ID.read(request)
        post = await posts.find(post_id)
        if post is None:
            raise Refusal(404, "not_found", f"there is no post {post_id}")
        return json_response(post)

    @router.put(
        "/{post_id}",
        openapi_extra=contract({200: Post}, POST_ID, body=EditedPost, refuses=[403, 404, 409]),
    )
    async def update_post(request: Request) -> Response:
        editor = await gate.identify(request)
        post_id = POST_ID.read(request)
        body = await read_body(request, _edited_post)
        text = check_storable(body.text, "text")
        with refusing(f"post {post_id}", metrics):
            post = await posts.update(post_id, editor, text, body.version)
        count.posts.labels(counted.UPDATED).inc()
        return json_response(post)

    @router.delete("/{post_id}", openapi_extra=contract({204: None}, POST_ID, refuses=[403, 404]))
    async def delete_post(request: Request) -> Response:
        who = await gate.identify(request)
        post_id = POST_ID.read(request)
        with refusing(f"post {post_id}", metrics):
            await posts.delete(post_id, who)
        count.posts.labels(counted.DELETED).inc()
        return Response(status_code=204)

    return router


def build_likes_router(
    posts: PostStorage, gate: Gate, count: SocialMetrics, metrics: Metrics
) -> APIRouter:
    """Build the routes of likes over the storage; both may be repeated."""
    router = APIRouter(prefix="/api/posts/{post_id}/like")

    @router.put("", openapi_extra=contract({200: Likes}, POST_ID, refuses=[404]))
    async def like_post(request: Request) -> Response:
        who = await gate.identify(request)
        post_id = POST_ID.read(request)
        with refusing(f"post {post_id}", metrics):
            likes, is_new = await posts.like(post_id, who)
        count.likes.labels(counted.LIKED).inc(is_new)
        return json_response(likes)

    @router.delete("", openapi_extra=contract({200: Likes}, POST_ID, refuses=[404]))
    async def unlike_post(request: Request) -> Response:
        who = await gate.identify(request)
        post_id = POST_ID.read(request)
        with refusing(f"post {post_id}", metrics):
            likes, was_there = await posts.unlike(post_id, who)
        count.likes.labels(counted.UNLIKED).inc(was_there)
        return json_response(likes)

    return router
