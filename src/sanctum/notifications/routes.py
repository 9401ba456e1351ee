"""Routes for notifications."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request, Response

from sanctum.gateway.answers import json_response, read_body
from sanctum.gateway.contract import contract
from sanctum.gateway.identity import Gate
from sanctum.gateway.parameters import WholeNumber
from sanctum.notifications.storage import (
    MARKED_MAX,
    UNREAD_COUNTED_MAX,
    Notification,
    NotificationStorage,
)

ID_MAX = 2**63 - 1
LIMIT_MAX = 100
LIMIT = WholeNumber("limit", 1, LIMIT_MAX, default=20)
BEFORE = WholeNumber("before", 1, ID_MAX, default=ID_MAX)

NotificationId = Annotated[int, msgspec.Meta(ge=1, le=ID_MAX)]


class NotificationPage(msgspec.Struct, frozen=True):
    """Hold one page of notifications, and where the next one begins."""

    notifications: Sequence[Notification]
    next: int | None


class Unread(msgspec.Struct, frozen=True):
    """Hold how many are unread; with `more` there are more than were counted."""

    unread: int
    more: bool


class Read(msgspec.Struct, frozen=True):
    """Say which notifications were read: by id, because one earlier than those seen may still be
    on its way."""

    ids: Annotated[list[NotificationId], msgspec.Meta(min_length=1, max_length=LIMIT_MAX)]


class Marked(msgspec.Struct, frozen=True):
    """Say how many became read."""

    marked: int


class MarkedAll(msgspec.Struct, frozen=True):
    """Say how many became read; with `more` there may be some left, to be asked for again."""

    marked: int
    more: bool


_read = msgspec.json.Decoder(Read)


def build_router(notifications: NotificationStorage, gate: Gate) -> APIRouter:
    """Build the routes over the storage."""
    router = APIRouter(prefix="/api/notifications")

    @router.get("", openapi_extra=contract({200: NotificationPage}, LIMIT, BEFORE))
    async def list_notifications(request: Request) -> Response:
        reader = await gate.identify(request)
        limit, before = LIMIT.read(request), BEFORE.read(request)
        found = await notifications.before(reader.user_id, before, limit + 1)
        page = found[:limit]
        following = page[-1].id if len(found) > limit else None
        return json_response(NotificationPage(page, following))

    @router.get("/unread", openapi_extra=contract({200: Unread}))
    async def count_unread(request: Request) -> Response:
        reader = await gate.identify(request)
        count = await notifications.unread(reader.user_id)
        counted = min(count, UNREAD_COUNTED_MAX)
        return json_response(Unread(counted, count > UNREAD_COUNTED_MAX))

    @router.post("/read", openapi_extra=contract({200: Marked}, body=Read))
    async def mark_read(request: Request) -> Response:
        reader = await gate.identify(request)
        body = await read_body(request, _read)
        return json_response(Marked(await notifications.mark_read(reader.user_id, body.ids)))

    @router.post("/read-all", openapi_extra=contract({200: MarkedAll}))
    async def mark_all_read(request: Request) -> Response:
        reader = await gate.identify(request)
        marked = await notifications.mark_all_read(reader.user_id)
        return json_response(MarkedAll(marked, marked == MARKED_MAX))

    return router
