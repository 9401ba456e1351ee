"""Routes for tickets and chat sockets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request, Response, WebSocket, WebSocketDisconnect

from sanctum.backing.errors import Unavailable
from sanctum.chat.sessions import Sessions
from sanctum.chat.storage import ChatStorage
from sanctum.chat.tickets import Admission, Tickets
from sanctum.gateway.answers import (
    Refusal,
    json_response,
    read_body,
    refusal_of,
    refusal_response,
)
from sanctum.gateway.contract import contract
from sanctum.gateway.identity import Gate
from sanctum.gateway.parameters import whole_number
from sanctum.telemetry.metrics import Metrics

CHANNEL_MAX = 2**63 - 1


class TicketRequest(msgspec.Struct, frozen=True):
    """Ask for a ticket to a channel."""

    channel: Annotated[int, msgspec.Meta(ge=1, le=CHANNEL_MAX)]


class IssuedTicket(msgspec.Struct, frozen=True):
    """Hand out a ticket and the seconds it is valid."""

    ticket: str
    expires_in: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Hold what a socket needs to be served."""

    admission: Admission
    last: int
    after: int | None


_ticket_request = msgspec.json.Decoder(TicketRequest)


class Entrance:
    """Issue tickets to members and admit the sockets that bring one."""

    def __init__(
        self, gate: Gate, tickets: Tickets, storage: ChatStorage, metrics: Metrics
    ) -> None:
        self._gate = gate
        self._tickets = tickets
        self._storage = storage
        self._metrics = metrics

    async def issue(self, request: Request) -> IssuedTicket:
        """Issue a ticket; raises Refusal and Unavailable."""
        identity = await self._gate.identify(request)
        body = await read_body(request, _ticket_request)
        if not await self._storage.is_member(body.channel, identity.user_id):
            self._metrics.security_denied.labels("ticket").inc()
            raise Refusal(403, "not_a_member", f"you are not a member of channel {body.channel}")
        admission = Admission(user_id=identity.user_id, channel=body.channel)
        return IssuedTicket(await self._tickets.issue(admission), self._tickets.ttl_s)

    async def admit(self, websocket: WebSocket) -> Entry:
        """Consume a socket's ticket; raises Refusal and Unavailable."""
        query = websocket.query_params
        raw_channel = websocket.path_params["channel"]
        channel = whole_number(raw_channel, "channel", 0, 1, CHANNEL_MAX)
        after = whole_number(query.get("after"), "after", -1, 0, CHANNEL_MAX)
        admission = await self._tickets.consume(query.get("ticket", ""))
        if admission is None or admission.channel != channel:
            self._metrics.security_denied.labels("socket").inc()
            raise Refusal(403, "invalid_ticket", "the ticket is used, expired or not for this")
        last = (await self._storage.last_numbers([channel])).get(channel, 0)
        return Entry(admission=admission, last=last, after=None if after < 0 else after)


def build_router(entrance: Entrance, sessions: Sessions) -> APIRouter:
    """Build the routes over the entrance and the sessions."""
    router = APIRouter()

    @router.post(
        "/api/ws/ticket",
        openapi_extra=contract({201: IssuedTicket}, body=TicketRequest, refuses=[403]),
    )
    async def issue_ticket(request: Request) -> Response:
        return json_response(await entrance.issue(request), 201)

    @router.websocket("/ws/{channel}")
    async def chat(websocket: WebSocket) -> None:
        try:
            await receive(websocket)
        except WebSocketDisconnect:
            return  # the client left during the handshake

    async def receive(websocket: WebSocket) -> None:
        try:
            entry = await entrance.admit(websocket)
        except Unavailable as error:
            await _deny(websocket, refusal_of(error))
        except Refusal as refusal:
            await _deny(websocket, refusal)
        else:
            await sessions.serve(websocket, entry.admission, entry.last, entry.after)

    return router


async def _deny(websocket: WebSocket, refusal: Refusal) -> None:
    await websocket.send_denial_response(refusal_response(refusal))
