"""Routes for notifications."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request, Response

from sanctum.gateway.answers import json_response, read_body
from sanctum.gateway.identity import Gate
from sanctum.gateway.parameters import whole_number
from sanctum.notifications.storage import (
    UNREAD_COUNTED_MAX,
    Notification,
    NotificationStorage,
)

LIMIT_DEFAULT = 20
LIMIT_MAX = 100
ID_MAX = 2**63 - 1

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
    """Say which notifications were read: those seen, never all up to some point, because an
    earlier one may still be on its way."""

    ids: Annotated[list[NotificationId], msgspec.Meta(min_length=1, max_length=LIMIT_MAX)]


class Marked(msgspec.Struct, frozen=True):
    """Say how many became read."""

    marked: int


_read = msgspec.json.Decoder(Read)


def build_router(notifications: NotificationStorage, gate: Gate) -> APIRouter:
    """Build the routes over the storage."""
    router = APIRouter(prefix="/api/notifications")

    @router.get("")
    async def list_notifications(request: Request) -> Response:
        reader = await gate.identify(request)
        query = request.query_params
        limit = whole_number(query.get("limit"), "limit", LIMIT_DEFAULT, 1, LIMIT_MAX)
        before = whole_number(query.get("before"), "before", ID_MAX, 1, ID_MAX)
        found = await notifications.before(reader.user_id, before, limit + 1)
        page = found[:limit]
        following = page[-1].id if len(found) > limit else None
        return json_response(NotificationPage(page, following))

    @router.get("/unread")
    async def count_unread(request: Request) -> Response:
        reader = await gate.identify(request)
        count = await notifications.unread(reader.user_id)
        counted = min(count, UNREAD_COUNTED_MAX)
        return json_response(Unread(counted, count > UNREAD_COUNTED_MAX))

    @router.post("/read")
    async def mark_read(request: Request) -> Response:
        reader = await gate.identify(request)
        body = await read_body(request, _read)
        return json_response(Marked(await notifications.mark_read(reader.user_id, body.ids)))

    return router
