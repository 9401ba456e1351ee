"""What the page asks beside what every client does.

Conversations and rooms name users by their ids, and a post tells how many like it, not who.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.requests import HTTPConnection

from sanctum.gateway.answers import Refusal, check_storable, json_response
from sanctum.gateway.contract import contract
from sanctum.gateway.identity import Gate
from sanctum.gateway.parameters import whole_number
from sanctum.web.people import PeopleStorage, Person

ASKED_MAX = 100
ID_MAX = 2**63 - 1


class People(msgspec.Struct, frozen=True):
    """List the users that were asked for, without those who do not exist."""

    people: Sequence[Person]


class LikedPosts(msgspec.Struct, frozen=True):
    """List those of the posts asked for that the caller likes."""

    liked: Sequence[int]


@dataclass(frozen=True, slots=True)
class Listed:
    """Read a parameter of the query that lists values between commas; absent, it is empty."""

    name: str

    def read(self, request: HTTPConnection) -> list[str]:
        """Read it from a request; raises Refusal, 422, when there are too many."""
        raw = request.query_params.get(self.name, "")
        values = raw.split(",") if raw else []
        if len(values) > ASKED_MAX:
            message = f"{self.name} must list {ASKED_MAX} at most"
            raise Refusal(422, "invalid_parameter", message)
        return values

    def describe(self) -> dict[str, Any]:
        """Give the parameter as the OpenAPI document has it."""
        schema = {"type": "array", "items": {"type": "string"}, "maxItems": ASKED_MAX}
        return {
            "name": self.name,
            "in": "query",
            "style": "form",
            "explode": False,
            "schema": schema,
        }


IDS = Listed("ids")
NAMES = Listed("names")
POSTS = Listed("posts")


def build_router(people: PeopleStorage, gate: Gate) -> APIRouter:
    """Build the routes over the storage."""
    router = APIRouter(prefix="/api")

    @router.get("/people", openapi_extra=contract({200: People}, IDS, NAMES))
    async def find_people(request: Request) -> Response:
        await gate.identify(request)
        ids = _numbers(IDS, request)
        names = [check_storable(name, NAMES.name) for name in NAMES.read(request)]
        return json_response(People(await people.find(ids, names)))

    @router.get("/likes", openapi_extra=contract({200: LikedPosts}, POSTS))
    async def find_liked(request: Request) -> Response:
        reader = await gate.identify(request)
        posts = _numbers(POSTS, request)
        return json_response(LikedPosts(await people.liked(reader.user_id, posts)))

    return router


def _numbers(parameter: Listed, request: Request) -> list[int]:
    return [whole_number(raw, parameter.name, 0, 1, ID_MAX) for raw in parameter.read(request)]
