"""The OpenAPI document, made of the routes' contracts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute

from sanctum.gateway.answers import Failure
from sanctum.gateway.contract import Caller, Contract, contract_of

PATH = "/openapi.json"
VERSION = "1"  # of the interface: a client that knew the former one must change
_COMPONENT = "#/components/schemas/{name}"
_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds after which to ask again",
        "required": True,
        "schema": {"type": "string", "pattern": "^[1-9][0-9]*$"},
    }
}
Json = dict[str, Any]


def serve_document(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Answer with the document of all routes of these routers."""
    body = msgspec.json.encode(document(routers))

    @app.get(PATH, include_in_schema=False)
    async def read_document(_request: Request) -> Response:
        return Response(body, media_type="application/json")


def routes_of(routers: Iterable[APIRouter]) -> Iterator[APIRoute]:
    """List the HTTP routes of routers."""
    for router in routers:
        yield from (route for route in router.routes if isinstance(route, APIRoute))


def document(routers: Iterable[APIRouter]) -> Json:
    """Make the document of all routes that have a contract (OpenAPI 3.1.0)."""
    contracts = [(r, c) for r in routes_of(routers) if (c := contract_of(r)) is not None]
    schemas = _Schemas(contract for _, contract in contracts)
    paths: dict[str, Json] = {}
    for route, contract in contracts:
        for method in sorted(route.methods or ()):
            operation = _operation(route, contract, schemas)
            paths.setdefault(route.path_format, {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Sanctum", "version": VERSION},
        "paths": paths,
        "components": {"schemas": schemas.components, "securitySchemes": _SCHEMES},
    }


class _Schemas:
    """Know the JSON schema of every type that a contract names; structs are named components."""

    def __init__(self, contracts: Iterable[Contract]) -> None:
        types = [Failure]
        for contract in contracts:
            types += [kind for kind in contract.answers.values() if kind not in (None, str)]
            types += [contract.body] if contract.body is not None else []
        schemas, self.components = msgspec.json.schema_components(types, ref_template=_COMPONENT)
        self._by_type = list(zip(types, schemas, strict=True))

    def of(self, kind: Any) -> Json:
        """Give the schema of a type."""
        return next(schema for known, schema in self._by_type if known is kind)

    def content(self, kind: Any) -> Json:
        """Give the media types of a body of a type."""
        if kind is str:
            return {"text/plain": {"schema": {"type": "string"}}}
        return {"application/json": {"schema": self.of(kind)}}


def _operation(route: APIRoute, contract: Contract, schemas: _Schemas) -> Json:
    responses = {str(s): _answer(s, kind, schemas) for s, kind in contract.answers.items()}
    for status in sorted(contract.refusals - set(contract.answers)):
        responses[str(status)] = _answer(status, Failure, schemas)
    operation: Json = {
        "operationId": route.name,
        "summary": route.name.replace("_", " ").capitalize(),
        "tags": [route.endpoint.__module__.split(".")[1]],
        "responses": responses,
        "security": [{name: []} for name in _SCHEMES] if contract.caller is Caller.USER else [],
    }
    if contract.parameters:
        operation["parameters"] = [parameter.describe() for parameter in contract.parameters]
    if contract.body is not None:
        content = schemas.content(contract.body)
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _answer(status: int, kind: Any, schemas: _Schemas) -> Json:
    answer: Json = {"description": HTTPStatus(status).phrase}
    if kind is not None:
        answer["content"] = schemas.content(kind)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        answer["headers"] = _RETRY_AFTER
    return answer
