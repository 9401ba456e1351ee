"""Routes for live sessions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request, Response

from sanctum.commerce.course_routes import BEFORE, COURSE_ID, LIMIT, Catalogue
from sanctum.commerce.courses import ID_MAX
from sanctum.commerce.live import LiveSession, LiveSessions
from sanctum.gateway.answers import Refusal, check_storable, json_response, read_body
from sanctum.gateway.contract import contract
from sanctum.gateway.identity import Gate, Role
from sanctum.gateway.parameters import WholeNumber

YEARS = range(2000, 2200)  # beyond any plan, and far within what every clock can hold
SESSION_ID = WholeNumber("session_id", 0, ID_MAX)


class NewSession(msgspec.Struct, frozen=True):
    """Ask for a live session to be scheduled; `starts_at` carries its offset from UTC."""

    title: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    starts_at: Annotated[datetime, msgspec.Meta(tz=True)]


class SessionPage(msgspec.Struct, frozen=True):
    """Hold one page of live sessions, and where the next one begins."""

    sessions: Sequence[LiveSession]
    next: int | None


_new_session = msgspec.json.Decoder(NewSession)


def build_router(catalogue: Catalogue, sessions: LiveSessions, gate: Gate) -> APIRouter:
    """Build the routes over the live sessions."""
    router = APIRouter(prefix="/v1")
    _add_of_course(router, catalogue, sessions, gate)
    _add_transitions(router, sessions, gate)
    return router


def _add_of_course(
    router: APIRouter, catalogue: Catalogue, sessions: LiveSessions, gate: Gate
) -> None:
    @router.post(
        "/courses/{course_id}/live-sessions",
        openapi_extra=contract({201: LiveSession}, COURSE_ID, body=NewSession, refuses=[403, 404]),
    )
    async def schedule(request: Request) -> Response:
        user = await gate.require(request, Role.INSTRUCTOR)
        course = await catalogue.taught_by(user.user_id, COURSE_ID.read(request))
        body = await read_body(request, _new_session)
        title = check_storable(body.title, "title")
        if body.starts_at.year not in YEARS:
            message = f"starts_at must be in the years {YEARS.start} to {YEARS.stop - 1}"
            raise Refusal(422, "invalid_body", message)
        return json_response(await sessions.schedule(course.id, title, body.starts_at), 201)

    @router.get(
        "/courses/{course_id}/live-sessions",
        openapi_extra=contract({200: SessionPage}, COURSE_ID, LIMIT, BEFORE, refuses=[404]),
    )
    async def list_sessions(request: Request) -> Response:
        user = await gate.identify(request)
        limit, before = LIMIT.read(request), BEFORE.read(request)
        course = await catalogue.seen_by(user.user_id, COURSE_ID.read(request))
        found = await sessions.of_course(course.id, before, limit + 1)
        page = found[:limit]
        return json_response(SessionPage(page, page[-1].id if len(found) > limit else None))


def _add_transitions(router: APIRouter, sessions: LiveSessions, gate: Gate) -> None:
    moved = contract({200: LiveSession}, SESSION_ID, refuses=[403, 404, 409])

    @router.get(
        "/live-sessions/{session_id}",
        openapi_extra=contract({200: LiveSession}, SESSION_ID, refuses=[404]),
    )
    async def read_session(request: Request) -> Response:
        await gate.identify(request)
        session_id = SESSION_ID.read(request)
        session = await sessions.find(session_id)
        if session is None:
            raise Refusal(404, "not_found", f"there is no live session {session_id}")
        return json_response(session)

    @router.post("/live-sessions/{session_id}/start", openapi_extra=moved)
    async def start(request: Request) -> Response:
        user = await gate.identify(request)
        return json_response(await sessions.start(SESSION_ID.read(request), user.user_id))

    @router.post("/live-sessions/{session_id}/end", openapi_extra=moved)
    async def end(request: Request) -> Response:
        user = await gate.identify(request)
        return json_response(await sessions.end(SESSION_ID.read(request), user.user_id))

    @router.post("/live-sessions/{session_id}/join", openapi_extra=moved)
    async def join(request: Request) -> Response:
        user = await gate.identify(request)
        return json_response(await sessions.join(SESSION_ID.read(request), user.user_id))
