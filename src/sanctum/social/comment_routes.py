"""Routes for comments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request, Response

from sanctum.gateway.answers import check_storable, json_response, read_body
from sanctum.gateway.contract import contract
from sanctum.gateway.identity import Gate
from sanctum.gateway.parameters import WholeNumber
from sanctum.social import metrics as counted
from sanctum.social.comments import Comment, CommentStorage
from sanctum.social.metrics import SocialMetrics
from sanctum.social.refusing import refusing
from sanctum.social.routes import LIMIT, POST_ID, Version
from sanctum.social.storage import ID_MAX
from sanctum.telemetry.metrics import Metrics

AFTER = WholeNumber("after", 0, ID_MAX, default=0)
COMMENT_ID = WholeNumber("comment_id", 0, ID_MAX)

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


class NewComment(msgspec.Struct, frozen=True):
    """Ask for a comment to be made."""

    text: Text


class EditedComment(msgspec.Struct, frozen=True):
    """Ask for a comment to be changed; with a version, only where it is still that one."""

    text: Text
    version: Version | None = None


class CommentPage(msgspec.Struct, frozen=True):
    """Hold one page of a post's comments, oldest first, and after which the next one begins."""

    comments: Sequence[Comment]
    next: int | None


_new_comment = msgspec.json.Decoder(NewComment)
_edited_comment = msgspec.json.Decoder(EditedComment)


def build_router(
    comments: CommentStorage, gate: Gate, count: SocialMetrics, metrics: Metrics
) -> APIRouter:
    """Build the routes over the storage."""
    router = APIRouter(prefix="/api/posts/{post_id}/comments")

    @router.post(
        "", openapi_extra=contract({201: Comment}, POST_ID, body=NewComment, refuses=[404])
    )
    async def create_comment(request: Request) -> Response:
        author = await gate.identify(request)
        post_id = POST_ID.read(request)
        body = await read_body(request, _new_comment)
        text = check_storable(body.text, "text")
        with refusing(f"post {post_id}", metrics):
            comment = await comments.add(post_id, author, text)
        count.comments.labels(counted.CREATED).inc()
        return json_response(comment, 201)

    @router.get(
        "", openapi_extra=contract({200: CommentPage}, POST_ID, LIMIT, AFTER, refuses=[404])
    )
    async def list_comments(request: Request) -> Response:
        await gate.identify(request)
        post_id, limit, after = POST_ID.read(request), LIMIT.read(request), AFTER.read(request)
        with refusing(f"post {post_id}", metrics):
            found = await comments.after(post_id, after, limit + 1)
        page = found[:limit]
        following = page[-1].id if len(found) > limit else None
        return json_response(CommentPage(page, following))

    @router.put(
        "/{comment_id}",
        openapi_extra=contract(
            {200: Comment}, POST_ID, COMMENT_ID, body=EditedComment, refuses=[403, 404, 409]
        ),
    )
    async def update_comment(request: Request) -> Response:
        editor = await gate.identify(request)
        post_id, comment_id = POST_ID.read(request), COMMENT_ID.read(request)
        body = await read_body(request, _edited_comment)
        text = check_storable(body.text, "text")
        with refusing(f"comment {comment_id}", metrics):
            comment = await comments.update(post_id, comment_id, editor, text, body.version)
        count.comments.labels(counted.UPDATED).inc()
        return json_response(comment)

    @router.delete(
        "/{comment_id}",
        openapi_extra=contract({204: None}, POST_ID, COMMENT_ID, refuses=[403, 404]),
    )
    async def delete_comment(request: Request) -> Response:
        who = await gate.identify(request)
        post_id, comment_id = POST_ID.read(request), COMMENT_ID.read(request)
        with refusing(f"comment {comment_id}", metrics):
            await comments.delete(post_id, comment_id, who)
        count.comments.labels(counted.DELETED).inc()
        return Response(status_code=204)

    return router
