"""A recording made by hand: log in, look, order; with everything that does not belong."""

from __future__ import annotations

import json
from typing import Any

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.signature"
HOST = "shop.example:8443"


def entry(
    at_s: float,
    method: str,
    path: str,
    *,
    host: str = HOST,
    page: str = "page_1",
    kind: str = "xhr",
    status: int = 200,
    headers: dict[str, str] | None = None,
    body: Any = None,
    mime: str = "application/json",
    answer: Any = None,
) -> dict[str, Any]:
    minutes, seconds = divmod(at_s, 60)
    request: dict[str, Any] = {
        "method": method,
        "url": f"https://{host}{path}",
        "headers": [{"name": name, "value": value} for name, value in (headers or {}).items()],
    }
    if body is not None:
        text = body if isinstance(body, str) else json.dumps(body)
        request["postData"] = {"mimeType": mime, "text": text}
    return {
        "pageref": page,
        "_resourceType": kind,
        "startedDateTime": f"2026-01-31T12:{int(minutes):02d}:{seconds:06.3f}Z",
        "time": 100,
        "request": request,
        "response": {
            "status": status,
            "content": {"mimeType": "application/json", "text": json.dumps(answer)},
        },
    }


def shop() -> dict[str, Any]:
    """Return the recording."""
    bearer = {"Authorization": f"Bearer {JWT}", "Cookie": "sid=hidden-cookie", "X-Tenant": "blue"}
    entries = [
        entry(0, "GET", "/", kind="document"),
        entry(0.2, "GET", "/app.js", kind="script"),
        entry(0.3, "GET", "/logo.png", kind="image"),
        entry(0.4, "GET", "/collect?v=1", host="tracker.example"),
        entry(
            4.5,
            "POST",
            "/api/login",
            status=200,
            body={"username": "ada", "password": "hidden-password", "remember": True},
            answer={"token": JWT, "user": {"id": 7}},
        ),
        entry(4.7, "GET", "/api/users/7/basket?limit=20", headers=bearer, answer={"items": []}),
        entry(
            10,
            "POST",
            "/api/orders",
            status=201,
            page="page_2",
            headers=bearer,
            body={
                "lines": [
                    {"article": 'A "quoted" name that is rather long', "count": 2},
                    {"article": "another", "count": 1},
                ],
                "note": None,
            },
            answer={"id": 4711, "uuid": "0e37df36-f698-11e6-8dd4-cb9ced3df976"},
        ),
        entry(12, "GET", "/api/orders/4711", page="page_2", headers=bearer, answer={"id": 4711}),
        entry(
            13,
            "GET",
            "/api/receipts/0e37df36-f698-11e6-8dd4-cb9ced3df976",
            page="page_2",
            headers={**bearer, "X-Api-Key": "hidden-key"},
        ),
        entry(
            14,
            "POST",
            "/api/survey",
            page="page_2",
            mime="application/x-www-form-urlencoded",
            body="stars=5&csrf_token=hidden-csrf&text=all+good",
        ),
        entry(15, "OPTIONS", "/api/orders", page="page_2"),
        entry(16, "GET", "/live", page="page_2", kind="websocket", status=101),
        entry(50, "DELETE", "/api/orders/99", page="page_2", status=204, headers=bearer),
    ]
    pages = [{"id": "page_1", "title": "Shop"}, {"id": "page_2", "title": "Order\nplaced"}]
    return {"log": {"version": "1.2", "pages": pages, "entries": entries}}
