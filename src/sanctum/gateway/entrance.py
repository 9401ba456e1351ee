"""The entrance: tickets for those who may follow a key, and sockets for those who bring one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sized
from dataclasses import dataclass
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request, Response, WebSocket, WebSocketDisconnect

from sanctum.backing.errors import Unavailable
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
from sanctum.gateway.sessions import Offer, Sessions, holder_of
from sanctum.gateway.tickets import Admission, Tickets
from sanctum.telemetry.metrics import Metrics

RETRY_AFTER_S = 1
NUMBER_MAX = 2**63 - 1
CHANNELS = "chat"  # the topic that `channel` in a request and `/ws/{channel}` stand for

Key = Annotated[int, msgspec.Meta(ge=1, le=NUMBER_MAX)]


class TicketRequest(msgspec.Struct, frozen=True):
    """Ask for a ticket: to a channel of the chat, or to a key of any topic."""

    channel: Key | None = None
    topic: Annotated[str, msgspec.Meta(min_length=1, max_length=32)] | None = None
    key: Key | None = None


class IssuedTicket(msgspec.Struct, frozen=True):
    """Hand out a ticket and the seconds it is valid."""

    ticket: str
    expires_in: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Hold what a socket needs to be served."""

    offer: Offer
    admission: Admission
    last: int
    after: int | None


_ticket_request = msgspec.json.Decoder(TicketRequest)


class Entrance:
    """Issue tickets and admit the sockets that bring one."""

    def __init__(
        self,
        gate: Gate,
        tickets: Tickets,
        offers: Mapping[str, Offer],
        metrics: Metrics,
        *,
        origins: Collection[str],
        open_sockets: Sized,
        sockets_max: int,
    ) -> None:
        """Build an entrance.

        Args:
            gate: tells who asks for a ticket.
            tickets: those issued and not yet used.
            offers: what there is to follow, by the topic's name in requests.
            metrics: where refusals are counted.
            origins: the pages whose scripts may open sockets; empty for all. A client that is no
                browser names no origin, and its ticket is proof enough.
            open_sockets: those that are served.
            sockets_max: how many may be.
        """
        self._gate = gate
        self._tickets = tickets
        self._offers = offers
        self._metrics = metrics
        self._origins = frozenset(origins)
        self._open_sockets = open_sockets
        self._sockets_max = sockets_max

    async def issue(self, request: Request) -> IssuedTicket:
        """Issue a ticket; raises Refusal and Unavailable."""
        identity = await self._gate.identify(request)
        topic, asked = _asked_for(await read_body(request, _ticket_request))
        offer = self._offers.get(topic)
        if offer is None:
            raise Refusal(422, "invalid_body", f"there is no topic {topic} - at `$.topic`")
        try:
            key = await offer.host.key_for(identity, asked)
        except Refusal as refusal:
            if refusal.status == 403:
                self._metrics.security_denied.labels("ticket").inc()
            raise
        admission = Admission(
            user_id=identity.user_id,
            topic=topic,
            key=key,
            session=identity.session,
            api_key=identity.api_key,
            epoch=identity.epoch,
        )
        return IssuedTicket(await self._tickets.issue(admission), self._tickets.ttl_s)

    async def admit(self, websocket: WebSocket, topic: str, key: int | None = None) -> Entry:
        """Consume a socket's ticket.

        Args:
            websocket: the socket, not yet accepted.
            topic: the topic that it asks to follow.
            key: the key that it asks to follow, None for the one on its ticket.

        Raises:
            Refusal: when the socket must not be opened.
            Unavailable: when its ticket cannot be checked.
        """
        self._check_origin(websocket)
        self._check_room()
        offer = self._offers.get(topic)
        if offer is None:
            raise Refusal(404, "not_found", f"there is no topic {topic}")
        query = websocket.query_params
        after = whole_number(query.get("after"), "after", -1, 0, NUMBER_MAX)
        admission = await self._tickets.consume(query.get("ticket", ""))
        if (
            admission is None
            or admission.topic != topic
            or key not in (None, admission.key)
            or await self._is_void(admission)
        ):
            self._metrics.security_denied.labels("socket").inc()
            raise Refusal(403, "invalid_ticket", "the ticket is used, expired or not for this")
        last = (await offer.topic.log.last_numbers([admission.key])).get(admission.key, 0)
        return Entry(
            offer=offer, admission=admission, last=last, after=None if after < 0 else after
        )

    async def _is_void(self, admission: Admission) -> bool:
        """Tell whether what a ticket was issued for has ended since; raises Unavailable."""
        if admission.api_key is not None:
            return bool(await self._gate.ended_keys([admission.api_key]))
        return self._gate.has_ended(holder_of(admission))

    def _check_origin(self, websocket: WebSocket) -> None:
        origin = websocket.headers.get("origin")
        if self._origins and origin is not None and origin not in self._origins:
            self._metrics.security_denied.labels("origin").inc()
            raise Refusal(403, "foreign_origin", "pages of this origin may not open sockets")

    def _check_room(self) -> None:
        if len(self._open_sockets) >= self._sockets_max:
            self._metrics.rate_limit_hits.labels("sockets").inc()
            message = f"{self._sockets_max} sockets are open; try again"
            raise Refusal(429, "too_many_sockets", message, retry_after_s=RETRY_AFTER_S)


def _asked_for(body: TicketRequest) -> tuple[str, int | None]:
    if body.channel is not None and body.topic is None and body.key is None:
        return CHANNELS, body.channel
    if body.topic is not None and body.channel is None:
        return body.topic, body.key
    raise Refusal(422, "invalid_body", "name either `channel`, or `topic` and perhaps `key`")


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
    async def follow_channel(websocket: WebSocket) -> None:
        await serve(websocket, CHANNELS, websocket.path_params["channel"])

    @router.websocket("/api/ws/{topic}")
    async def follow_topic(websocket: WebSocket) -> None:
        await serve(websocket, websocket.path_params["topic"], None)

    async def serve(websocket: WebSocket, topic: str, raw_key: str | None) -> None:
        try:
            await receive(websocket, topic, raw_key)
        except WebSocketDisconnect:
            return  # the client left during the handshake

    async def receive(websocket: WebSocket, topic: str, raw_key: str | None) -> None:
        try:
            key = None if raw_key is None else whole_number(raw_key, "channel", 0, 1, NUMBER_MAX)
            entry = await entrance.admit(websocket, topic, key)
        except Unavailable as error:
            await _deny(websocket, refusal_of(error))
        except Refusal as refusal:
            await _deny(websocket, refusal)
        else:
            await sessions.serve(websocket, entry.offer, entry.admission, entry.last, entry.after)

    return router


async def _deny(websocket: WebSocket, refusal: Refusal) -> None:
    await websocket.send_denial_response(refusal_response(refusal))
