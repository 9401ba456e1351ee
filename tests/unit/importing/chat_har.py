"""A recording of a chat over a WebSocket, as Chromium writes it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from tests.unit.importing.shop_har import entry

HOST = "chat.example"
TICKET = "0c5f2f9be1a04a0d8c1d2f7a63c3a111"
PICTURE = "iVBORw0KGgo="


def instant_s(at_s: float) -> float:
    """Return an instant of the recording in seconds since the epoch."""
    return datetime.fromisoformat(entry(at_s, "GET", "/")["startedDateTime"]).timestamp()


def message(at_s: float, kind: str, data: object, opcode: int = 1) -> dict[str, Any]:
    """Return a message that was sent or received."""
    text = data if isinstance(data, str) else json.dumps(data)
    return {"type": kind, "time": instant_s(at_s), "opcode": opcode, "data": text}


def socket(at_s: float, path: str, *messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the entry of a WebSocket."""
    headers = {"Sec-WebSocket-Protocol": "chat.v2, chat.v1", "Cookie": "sid=hidden-cookie"}
    made = entry(at_s, "GET", path, host=HOST, kind="websocket", status=101, headers=headers)
    made["request"]["url"] = f"wss://{HOST}{path}"
    return {**made, "_webSocketMessages": list(messages), **more}


def chat() -> dict[str, Any]:
    """Return the recording: enter, say two things with something in between, be pinged."""
    entries = [
        entry(0, "GET", "/", host=HOST, kind="document"),
        entry(1, "POST", "/api/ws/ticket", host=HOST, answer={"ticket": TICKET}),
        socket(
            2,
            f"/ws/7?ticket={TICKET}",
            message(2.2, "receive", {"type": "welcome", "room": {"id": "r-1"}, "last": 40}),
            message(3.5, "send", {"type": "send", "id": "p1", "body": "hello", "room_id": "r-1"}),
            message(3.6, "receive", {"type": "message", "id": "m41", "body": "hello"}),
            message(3.7, "receive", {"type": "ack", "id": "p1", "message_id": "m41"}),
            message(9.0, "receive", {"type": "message", "id": "m42", "body": "from another"}),
            message(12.0, "send", "ping"),
            message(12.1, "receive", "pong"),
            message(12.2, "send", PICTURE, opcode=2),
            message(12.3, "send", 'login "token": "hidden-token"'),
            message(12.4, "receive", "accepted hidden-token 1"),
            message(12.5, "send", {"type": "rename", "password": "hidden-password"}),
            message(30.0, "receive", {"type": "renamed"}),
        ),
        entry(8, "GET", "/api/messages/m41", host=HOST, page="page_2", answer={}),
        entry(11, "GET", "/tail?limit=5", host=HOST, answer={}),
    ]
    pages = [{"id": "page_1", "title": "Chat"}, {"id": "page_2", "title": "A message"}]
    return {"log": {"version": "1.2", "pages": pages, "entries": entries}}
