"""The route of an inbox, for those who hold no socket."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from fastapi import APIRouter, Request, Response

from sanctum.gateway.answers import json_response
from sanctum.gateway.contract import contract
from sanctum.gateway.identity import Gate
from sanctum.gateway.parameters import WholeNumber
from sanctum.inbox.storage import InboxStorage

AFTER = WholeNumber("after", 0, 2**63 - 1, default=0)


class InboxPage(msgspec.Struct, frozen=True):
    """Hold entries as sockets are sent them, their last number, and whether more follow."""

    entries: Sequence[msgspec.Raw]
    last: int
    more: bool


def build_router(storage: InboxStorage, gate: Gate) -> APIRouter:
    """Build the route over the storage."""
    router = APIRouter()

    @router.get("/api/inbox", openapi_extra=contract({200: InboxPage}, AFTER))
    async def read_inbox(request: Request) -> Response:
        reader = await gate.identify(request)
        page = await storage.after(reader.user_id, AFTER.read(request))
        entries = [msgspec.Raw(frame) for _, frame in page.frames]
        return json_response(InboxPage(entries, page.last, page.full))

    return router
