"""Routes for API keys, for whoever logged in: a key that leaked makes and ends no others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request, Response

from sanctum.auth.key_storage import KEYS_MAX, IssuedKey, KeyStorage, StoredKey
from sanctum.auth.keys import ApiKeys
from sanctum.auth.routes import session_of
from sanctum.gateway.answers import Refusal, json_response, read_body
from sanctum.gateway.contract import contract
from sanctum.gateway.identity import Gate
from sanctum.gateway.parameters import WholeNumber

KEY_ID = WholeNumber("key_id", 0, 2**63 - 1)


class NewKey(msgspec.Struct, frozen=True):
    """Ask for a key that is valid for so many days."""

    days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 30


class KeyList(msgspec.Struct, frozen=True):
    """Hold all valid keys of the caller."""

    keys: Sequence[StoredKey]


_new_key = msgspec.json.Decoder(NewKey)


def build_router(stored: KeyStorage, known: ApiKeys, gate: Gate) -> APIRouter:
    """Build the routes over the storage."""
    router = APIRouter(prefix="/api/keys")

    @router.post("", openapi_extra=contract({201: IssuedKey}, body=NewKey, refuses=[403, 409]))
    async def issue_key(request: Request) -> Response:
        owner = await gate.identify(request)
        session_of(owner)
        body = await read_body(request, _new_key)
        issued = await stored.issue(owner.user_id, body.days)
        if issued is None:
            raise Refusal(409, "too_many_keys", f"there are {KEYS_MAX} keys; revoke one first")
        return json_response(issued, 201)

    @router.get("", openapi_extra=contract({200: KeyList}, refuses=[403]))
    async def list_keys(request: Request) -> Response:
        owner = await gate.identify(request)
        session_of(owner)
        return json_response(KeyList(await stored.list(owner.user_id)))

    @router.delete("/{key_id}", openapi_extra=contract({204: None}, KEY_ID, refuses=[403, 404]))
    async def revoke_key(request: Request) -> Response:
        owner = await gate.identify(request)
        session_of(owner)
        key_id = KEY_ID.read(request)
        digest = await stored.revoke(key_id, owner.user_id)
        if digest is None:
            raise Refusal(404, "not_found", f"there is no key {key_id} of yours")
        known.forget(digest)
        return Response(status_code=204)

    return router
