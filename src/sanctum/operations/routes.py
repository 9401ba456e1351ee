"""Routes for operators: health and metrics."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Request, Response

from sanctum.gateway.answers import json_response
from sanctum.gateway.contract import Caller, contract
from sanctum.operations.health import Health, Status
from sanctum.telemetry.metrics import CONTENT_TYPE, Metrics
from sanctum.telemetry.siblings import ParentAway, Siblings


class DependencyReport(msgspec.Struct, frozen=True):
    """Tell how one dependency is, and how old that knowledge is; None before the first check."""

    status: Status
    checked_ms_ago: int | None


class HealthReport(msgspec.Struct, frozen=True):
    """Tell how the service is, and each dependency by its name."""

    status: Status
    dependencies: dict[str, DependencyReport]


class Alive(msgspec.Struct, frozen=True):
    """Say that the process runs."""

    status: str = Status.UP.value


class Ready(msgspec.Struct, frozen=True):
    """Say that the service serves everything."""

    status: str = "ready"


class NotReady(msgspec.Struct, frozen=True):
    """Say what keeps the service from serving everything; an error in the common form."""

    message: str
    causes: list[str]
    status: str = "not_ready"
    error: str = "not_ready"


def _told(*answers: tuple[int, object]) -> dict[str, object]:
    return contract(dict(answers), caller=Caller.OPERATOR)


def build_router(health: Health, metrics: Metrics, siblings: Siblings | None = None) -> APIRouter:
    """Build the routes over the health of a process and the metrics of it and its siblings."""
    router = APIRouter()

    @router.get("/health", openapi_extra=_told((200, HealthReport), (503, HealthReport)))
    async def read_health(_request: Request) -> Response:
        status = health.status
        reports = {
            d.name: DependencyReport(d.status, d.checked_ms_ago) for d in health.dependencies
        }
        body = HealthReport(status, reports)
        return json_response(body, 503 if status is Status.DOWN else 200)

    @router.get("/health/live", openapi_extra=_told((200, Alive)))
    async def read_liveness(_request: Request) -> Response:
        return json_response(Alive())

    @router.get("/health/ready", openapi_extra=_told((200, Ready), (503, NotReady)))
    async def read_readiness(_request: Request) -> Response:
        causes = health.unready
        if not causes:
            return json_response(Ready())
        return json_response(NotReady(f"not ready: {', '.join(causes)}", causes), 503)

    @router.get("/metrics", openapi_extra=_told((200, str)))
    async def read_metrics(_request: Request) -> Response:
        if siblings is None:
            return Response(metrics.render(), media_type=CONTENT_TYPE)
        try:
            return Response(await siblings.render_sum(), media_type=CONTENT_TYPE)
        except ParentAway as error:
            return Response(str(error), 503, media_type="text/plain")

    return router
