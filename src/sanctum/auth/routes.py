"""Routes for sign-up, log-in, refresh and log-out."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Request, Response

from sanctum.auth.passwords import PasswordsOverloaded
from sanctum.auth.service import AuthService, RefreshRefused, Session
from sanctum.gateway.answers import Refusal, check_storable, json_response, read_body
from sanctum.gateway.contract import Caller, contract
from sanctum.gateway.identity import Gate, Identity

Username = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]{3,64}$")]
Password = Annotated[str, msgspec.Meta(min_length=8, max_length=128)]
Untrusted = Annotated[str, msgspec.Meta(max_length=256)]
RefreshToken = Annotated[str, msgspec.Meta(max_length=1024)]


class SignUp(msgspec.Struct, frozen=True):
    """Ask for an account."""

    username: Username
    password: Password


class SignedUp(msgspec.Struct, frozen=True):
    """Say which account was made."""

    id: int
    username: str


class LogIn(msgspec.Struct, frozen=True):
    """Ask for a session; what is not a valid name or password is simply wrong."""

    username: Untrusted
    password: Untrusted


class Refresh(msgspec.Struct, frozen=True):
    """Ask for a session to be renewed."""

    refresh_token: RefreshToken


_sign_up = msgspec.json.Decoder(SignUp)
_log_in = msgspec.json.Decoder(LogIn)
_refresh = msgspec.json.Decoder(Refresh)


def build_router(service: AuthService, gate: Gate) -> APIRouter:
    """Build the routes over the service."""
    router = APIRouter(prefix="/api/auth")

    @router.post(
        "/signup",
        openapi_extra=contract({201: SignedUp}, body=SignUp, refuses=[409], caller=Caller.ANYBODY),
    )
    async def sign_up(request: Request) -> Response:
        body = await read_body(request, _sign_up)
        check_storable(body.password, "password")
        _check_whole(body.username)
        try:
            user_id = await service.sign_up(body.username, body.password)
        except PasswordsOverloaded as error:
            raise _overloaded() from error
        if user_id is None:
            raise Refusal(409, "username_taken", f"the username {body.username} is taken")
        return json_response(SignedUp(user_id, body.username), 201)

    @router.post(
        "/login",
        openapi_extra=contract({200: Session}, body=LogIn, refuses=[401], caller=Caller.ANYBODY),
    )
    async def log_in(request: Request) -> Response:
        body = await read_body(request, _log_in)
        check_storable(body.username, "username")
        check_storable(body.password, "password")
        try:
            session = await service.log_in(body.username, body.password)
        except PasswordsOverloaded as error:
            raise _overloaded() from error
        if session is None:
            raise Refusal(401, "invalid_credentials", "username or password is wrong")
        return json_response(session)

    @router.post(
        "/refresh",
        openapi_extra=contract({200: Session}, body=Refresh, refuses=[401], caller=Caller.ANYBODY),
    )
    async def refresh(request: Request) -> Response:
        body = await read_body(request, _refresh)
        try:
            return json_response(await service.refresh(body.refresh_token))
        except RefreshRefused as error:
            raise Refusal(401, "invalid_refresh_token", str(error)) from error

    @router.post("/logout", openapi_extra=contract({204: None}, refuses=[403]))
    async def log_out(request: Request) -> Response:
        who = await gate.identify(request)
        await service.log_out(session_of(who), who.user_id)
        return Response(status_code=204)

    return router


def session_of(who: Identity) -> int:
    """Give the session that a request comes from.

    Raises:
        Refusal: 403 for an API key, which has none.
    """
    if who.session is None:
        raise Refusal(403, "session_needed", "this takes a log-in, an API key is not enough")
    return who.session


def _overloaded() -> Refusal:
    return Refusal(503, "overloaded", "too many log-ins at once; try again")


def _check_whole(username: str) -> None:
    """Refuse a name that the pattern lets pass although a line break ends it."""
    if username.endswith("\n"):
        raise Refusal(422, "invalid_body", "username: must not end with a line break")
