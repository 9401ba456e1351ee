"""The OpenAPI document: there is one contract a route, and the served routes keep to it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.sanctum.clients import Api

from sanctum.app import Service
from sanctum.gateway.contract import contract_of
from sanctum.gateway.openapi import PATH, document, routes_of
from sanctum.settings import Settings
from sanctum.telemetry.logs import Logs


@pytest.fixture
def service(settings: Settings) -> Service:
    """Build a service with every domain; it serves nothing."""
    return Service(settings, Logs("error"))


def test_every_route_has_a_contract(service: Service) -> None:
    """No route is missing from the document."""
    routes = list(routes_of(service.routers))
    assert len(routes) > 10
    assert [route.path for route in routes if contract_of(route) is None] == []


def test_operations_are_told_apart(service: Service) -> None:
    """Every operation has an id of its own, and every reference leads to a schema."""
    made = document(service.routers)
    operations = [one for path in made["paths"].values() for one in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    references = re.findall(r"#/components/schemas/([\w.]+)", str(made))
    assert set(references) <= set(made["components"]["schemas"])
    assert "Failure" in references


def _statuses(made: dict[str, Any], method: str, path: str) -> set[str]:
    return set(made["paths"][path][method]["responses"])


async def test_document_tells_what_routes_answer(api: Api) -> None:
    """What follows from a body, a parameter, a proof and the limits is told of every route."""
    answer = await api.call("GET", PATH)
    assert (answer.status, answer.body["openapi"]) == (200, "3.1.0")
    made = answer.body
    ticket = {"201", "400", "401", "403", "408", "413", "422", "429", "503"}
    assert _statuses(made, "post", "/api/ws/ticket") == ticket
    assert _statuses(made, "get", "/api/feed") == {"200", "401", "422", "429", "503"}
    assert _statuses(made, "get", "/api/posts/{post_id}") == {"200", "404", "422", "429", "503"}
    assert _statuses(made, "get", "/metrics") == {"200"}
    assert made["paths"]["/api/posts/{post_id}"]["get"]["security"] == []
    limit = made["paths"]["/api/feed"]["get"]["parameters"][0]
    assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}
