"""Routes for admins."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from fastapi import APIRouter, Request, Response

from sanctum.auth import metrics as counted
from sanctum.auth.admin import AdminStorage, User
from sanctum.auth.ends import Ends
from sanctum.auth.metrics import SessionMetrics
from sanctum.defects import Defects
from sanctum.gateway.answers import Refusal, json_response, read_body
from sanctum.gateway.contract import contract
from sanctum.gateway.identity import Gate, Role
from sanctum.gateway.parameters import WholeNumber

ID_MAX = 2**63 - 1
LIMIT = WholeNumber("limit", 1, 100, default=20)
AFTER = WholeNumber("after", 0, ID_MAX, default=0)
USER_ID = WholeNumber("user_id", 0, ID_MAX)


class NewRole(msgspec.Struct, frozen=True):
    """Ask for a user to have a role."""

    role: Role


class UserPage(msgspec.Struct, frozen=True):
    """Hold one page of users, oldest first, and after which the next one begins."""

    users: Sequence[User]
    next: int | None


class SessionsEnded(msgspec.Struct, frozen=True):
    """Say how many sessions that could be renewed were ended; their tokens are void."""

    ended: int


_new_role = msgspec.json.Decoder(NewRole)


def build_router(
    accounts: AdminStorage, gate: Gate, ends: Ends, count: SessionMetrics, defects: Defects
) -> APIRouter:
    """Build the routes over the storage."""
    router = APIRouter(prefix="/api/admin/users")

    @router.get("", openapi_extra=contract({200: UserPage}, LIMIT, AFTER, refuses=[403]))
    async def list_users(request: Request) -> Response:
        role = Role.USER if defects.lets_anybody_list_users() else Role.ADMIN
        await gate.require(request, role)
        limit, after = LIMIT.read(request), AFTER.read(request)
        found = await accounts.after(after, limit + 1)
        page = found[:limit]
        following = page[-1].id if len(found) > limit else None
        return json_response(UserPage(page, following))

    @router.put(
        "/{user_id}/role",
        openapi_extra=contract({200: User}, USER_ID, body=NewRole, refuses=[403, 404, 409]),
    )
    async def set_role(request: Request) -> Response:
        admin = await gate.require(request, Role.ADMIN)
        user_id = USER_ID.read(request)
        body = await read_body(request, _new_role)
        if user_id == admin.user_id:
            # So there is always one who may undo it.
            raise Refusal(409, "own_role", "an admin cannot change the own role")
        changed = await accounts.set_role(admin.user_id, user_id, body.role.value)
        if changed is None:
            raise _unknown(user_id)
        user, ended = changed
        ends.note(ended.end)
        count.ends.labels(counted.ROLE_SET).inc(ended.count)
        return json_response(user)

    @router.delete(
        "/{user_id}/sessions",
        openapi_extra=contract({200: SessionsEnded}, USER_ID, refuses=[403, 404]),
    )
    async def end_sessions(request: Request) -> Response:
        await gate.require(request, Role.ADMIN)
        user_id = USER_ID.read(request)
        ended = await accounts.end_sessions(user_id)
        if ended is None:
            raise _unknown(user_id)
        ends.note(ended.end)
        count.ends.labels(counted.BY_ADMIN).inc(ended.count)
        return json_response(SessionsEnded(ended.count))

    return router


def _unknown(user_id: int) -> Refusal:
    return Refusal(404, "not_found", f"there is no user {user_id}")
