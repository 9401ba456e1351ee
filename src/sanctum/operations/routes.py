"""Routes for operators: health and metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from sanctum.gateway.answers import json_response
from sanctum.operations.health import Health, Status
from sanctum.telemetry.metrics import CONTENT_TYPE, Metrics


def build_router(health: Health, metrics: Metrics) -> APIRouter:
    """Build the routes over the process's health and metrics."""
    router = APIRouter()

    @router.get("/health")
    async def read_health(_request: Request) -> Response:
        status = health.status
        body = {
            "status": status.value,
            "dependencies": {
                dependency.name: {
                    "status": dependency.status.value,
                    "checked_ms_ago": dependency.checked_ms_ago,
                }
                for dependency in health.dependencies
            },
        }
        return json_response(body, 503 if status is Status.DOWN else 200)

    @router.get("/health/live")
    async def read_liveness(_request: Request) -> Response:
        return json_response({"status": "UP"})

    @router.get("/health/ready")
    async def read_readiness(_request: Request) -> Response:
        causes = health.unready
        if not causes:
            return json_response({"status": "ready"})
        message = f"not ready: {', '.join(causes)}"
        body = {"status": "not_ready", "error": "not_ready", "message": message, "causes": causes}
        return json_response(body, 503)

    @router.get("/metrics")
    async def read_metrics(_request: Request) -> Response:
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    return router
