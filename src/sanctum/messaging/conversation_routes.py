"""Routes for conversations and for who takes part in them."""

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
from sanctum.messaging.conversations import (
    PARTICIPANTS_MAX,
    Conversation,
    ConversationStorage,
    Kind,
)
from sanctum.messaging.paging import ID_MAX, ActivityCursor, cursor_after
from sanctum.messaging.participants import Participants, ParticipantStorage

LIMIT = WholeNumber("limit", 1, 100, default=20)
BEFORE = ActivityCursor("before")
CONVERSATION = WholeNumber("conversation", 1, ID_MAX)
USER = WholeNumber("user", 1, ID_MAX)

UserId = Annotated[int, msgspec.Meta(ge=1, le=ID_MAX)]
Title = Annotated[str, msgspec.Meta(max_length=200)]


class NewConversation(msgspec.Struct, frozen=True):
    """Ask for a conversation with others; whoever asks takes part in it."""

    kind: Kind
    participants: Annotated[
        list[UserId], msgspec.Meta(min_length=1, max_length=PARTICIPANTS_MAX - 1)
    ]
    title: Title = ""


class NewTitle(msgspec.Struct, frozen=True):
    """Ask for another title of the version that was read."""

    version: Annotated[int, msgspec.Meta(ge=1, le=ID_MAX)]
    title: Title


class NewParticipant(msgspec.Struct, frozen=True):
    """Ask for somebody to take part."""

    user: UserId


class ConversationPage(msgspec.Struct, frozen=True):
    """Hold one page of conversations, and where the next one begins."""

    conversations: Sequence[Conversation]
    next: str | None


_new_conversation = msgspec.json.Decoder(NewConversation)
_new_title = msgspec.json.Decoder(NewTitle)
_new_participant = msgspec.json.Decoder(NewParticipant)


def build_conversations(storage: ConversationStorage, access: Access, gate: Gate) -> APIRouter:
    """Build the routes over conversations."""
    router = APIRouter(prefix="/v1/conversations")

    @router.post("", openapi_extra=contract({201: Conversation}, body=NewConversation))
    async def create_conversation(request: Request) -> Response:
        creator = await gate.identify(request)
        body = await read_body(request, _new_conversation)
        others = _others(body, creator.user_id)
        title = check_storable(body.title, "title")
        made = await storage.create(creator.user_id, body.kind, title, others)
        return json_response(made, 201)

    @router.get("", openapi_extra=contract({200: ConversationPage}, LIMIT, BEFORE))
    async def list_conversations(request: Request) -> Response:
        reader = await gate.identify(request)
        limit, before = LIMIT.read(request), BEFORE.read(request)
        found = await storage.newest(reader.user_id, before, limit + 1)
        page = found[:limit]
        following = cursor_after(page[-1]) if len(found) > limit else None
        return json_response(ConversationPage(page, following))

    @router.get(
        "/{conversation}",
        openapi_extra=contract({200: Conversation}, CONVERSATION, refuses=[403, 404]),
    )
    async def read_conversation(request: Request) -> Response:
        reader = await gate.identify(request)
        return json_response(await storage.find(CONVERSATION.read(request), reader.user_id))

    @router.patch(
        "/{conversation}",
        openapi_extra=contract(
            {200: Conversation}, CONVERSATION, body=NewTitle, refuses=[403, 404, 409]
        ),
    )
    async def update_conversation(request: Request) -> Response:
        user_id = (await gate.identify(request)).user_id
        conversation, body = CONVERSATION.read(request), await read_body(request, _new_title)
        title = check_storable(body.title, "title")
        await access.require(conversation, user_id)
        return json_response(await storage.update(conversation, user_id, body.version, title))

    @router.delete(
        "/{conversation}", openapi_extra=contract({204: None}, CONVERSATION, refuses=[403, 404])
    )
    async def delete_conversation(request: Request) -> Response:
        user_id = (await gate.identify(request)).user_id
        conversation = CONVERSATION.read(request)
        await access.require(conversation, user_id)
        await storage.delete(conversation, user_id)
        return Response(status_code=204)

    return router


def build_participants(storage: ParticipantStorage, access: Access, gate: Gate) -> APIRouter:
    """Build the routes over participants."""
    router = APIRouter(prefix="/v1/conversations/{conversation}/participants")

    @router.get("", openapi_extra=contract({200: Participants}, CONVERSATION, refuses=[403, 404]))
    async def list_participants(request: Request) -> Response:
        user_id = (await gate.identify(request)).user_id
        conversation = CONVERSATION.read(request)
        await access.require(conversation, user_id)
        return json_response(await storage.list(conversation, user_id))

    @router.post(
        "",
        openapi_extra=contract(
            {201: Participants}, CONVERSATION, body=NewParticipant, refuses=[403, 404, 409]
        ),
    )
    async def add_participant(request: Request) -> Response:
        user_id = (await gate.identify(request)).user_id
        conversation, body = CONVERSATION.read(request), await read_body(request, _new_participant)
        await access.require(conversation, user_id)
        return json_response(await storage.add(conversation, user_id, body.user), 201)

    @router.delete(
        "/{user}",
        openapi_extra=contract({204: None}, CONVERSATION, USER, refuses=[403, 404, 409]),
    )
    async def remove_participant(request: Request) -> Response:
        user_id = (await gate.identify(request)).user_id
        conversation, removed = CONVERSATION.read(request), USER.read(request)
        await access.require(conversation, user_id)
        await storage.remove(conversation, user_id, removed)
        return Response(status_code=204)

    return router


def _others(body: NewConversation, creator: int) -> set[int]:
    others = set(body.participants) - {creator}
    if not others or (body.kind is Kind.DIRECT and len(others) > 1):
        wanted = "exactly one other user" if body.kind is Kind.DIRECT else "another user"
        raise Refusal(422, "invalid_body", f"participants: name {wanted}")
    return others
