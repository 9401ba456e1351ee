"""Routes for messages and for what of them is unread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request, Response

from sanctum.gateway.answers import Refusal, check_storable, json_response, read_body
from sanctum.gateway.contract import contract
from sanctum.gateway.identity import Gate
from sanctum.gateway.parameters import WholeNumber
from sanctum.messaging.access import Access
from sanctum.messaging.messages import Marks, Message, MessageStorage, Posted
from sanctum.messaging.metrics import TOO_LARGE, MessagingMetrics
from sanctum.messaging.paging import ID_MAX

PAYLOAD_BYTES_MAX = 64 * 1024
# JSON may need six bytes for one of text, and the rest of the body fits in a kilobyte.
BODY_BYTES_MAX = 6 * PAYLOAD_BYTES_MAX + 1024
LIMIT = WholeNumber("limit", 1, 100, default=20)
BEFORE = WholeNumber("before", 1, ID_MAX, default=ID_MAX)
CONVERSATION = WholeNumber("conversation", 1, ID_MAX)

Number = Annotated[int, msgspec.Meta(ge=1, le=ID_MAX)]


class NewMessage(msgspec.Struct, frozen=True):
    """Ask for a message to be posted, once however often it is asked for under this id."""

    conversation: Number
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    payload: Annotated[str, msgspec.Meta(min_length=1)]


class ReadUpTo(msgspec.Struct, frozen=True):
    """Say up to which message of a conversation was read."""

    number: Number


class MessagePage(msgspec.Struct, frozen=True):
    """Hold one page of messages, newest first, and where the next one begins."""

    messages: Sequence[Message]
    next: int | None


class UnreadMessages(msgspec.Struct, frozen=True):
    """Hold how many messages are unread, over all conversations."""

    unread: int


_new_message = msgspec.json.Decoder(NewMessage)
_read = msgspec.json.Decoder(ReadUpTo)


def build_messages(
    storage: MessageStorage, access: Access, gate: Gate, metrics: MessagingMetrics
) -> APIRouter:
    """Build the routes over messages."""
    router = APIRouter(prefix="/v1")

    @router.post(
        "/messages",
        openapi_extra=contract(
            {200: Posted, 201: Posted}, body=NewMessage, refuses=[403, 404, 409]
        ),
    )
    async def post_message(request: Request) -> Response:
        author = (await gate.identify(request)).user_id
        body, payload = await _read_message(request, metrics)
        await access.require(body.conversation, author)
        receipt = await storage.post(body.conversation, author, body.id, payload)
        if not receipt.fresh:
            return json_response(receipt.posted)
        metrics.messages.inc()
        metrics.message_size.observe(len(payload))
        return json_response(receipt.posted, 201)

    @router.get(
        "/conversations/{conversation}/messages",
        openapi_extra=contract({200: MessagePage}, CONVERSATION, LIMIT, BEFORE, refuses=[403, 404]),
    )
    async def list_messages(request: Request) -> Response:
        reader = (await gate.identify(request)).user_id
        conversation = CONVERSATION.read(request)
        limit, before = LIMIT.read(request), BEFORE.read(request)
        await access.require(conversation, reader)
        page = await storage.before(conversation, reader, before, limit)
        return json_response(MessagePage(page.messages, page.next))

    @router.post(
        "/conversations/{conversation}/read",
        openapi_extra=contract({200: Marks}, CONVERSATION, body=ReadUpTo, refuses=[403, 404]),
    )
    async def mark_messages_read(request: Request) -> Response:
        reader = (await gate.identify(request)).user_id
        conversation, body = CONVERSATION.read(request), await read_body(request, _read)
        return json_response(await storage.mark_read(conversation, reader, body.number))

    @router.get("/unread", openapi_extra=contract({200: UnreadMessages}))
    async def count_unread_messages(request: Request) -> Response:
        reader = (await gate.identify(request)).user_id
        return json_response(UnreadMessages(await storage.unread(reader)))

    return router


async def _read_message(request: Request, metrics: MessagingMetrics) -> tuple[NewMessage, bytes]:
    """Read a message and its payload, as long as one may be; count what is longer."""
    try:
        body = await read_body(request, _new_message, bytes_max=BODY_BYTES_MAX)
        payload = body.payload.encode()
        if len(payload) > PAYLOAD_BYTES_MAX:
            message = f"payload: it has {len(payload)} bytes, {PAYLOAD_BYTES_MAX} are allowed"
            raise Refusal(413, TOO_LARGE, message)
    except Refusal as refusal:
        if refusal.status == 413:
            metrics.rejects.inc()
        raise
    check_storable(body.id, "id")
    return body, payload
