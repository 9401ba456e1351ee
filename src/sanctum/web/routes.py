"""The route that tells who is who: conversations and rooms name users by their ids."""

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


def build_router(people: PeopleStorage, gate: Gate) -> APIRouter:
    """Build the route over the storage."""
    router = APIRouter(prefix="/api")

    @router.get("/people", openapi_extra=contract({200: People}, IDS, NAMES))
    async def find_people(request: Request) -> Response:
        await gate.identify(request)
        ids = [whole_number(raw, IDS.name, 0, 1, ID_MAX) for raw in IDS.read(request)]
        names = [check_storable(name, NAMES.name) for name in NAMES.read(request)]
        return json_response(People(await people.find(ids, names)))

    return router
