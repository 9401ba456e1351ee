"""Where a page of conversations begins, as clients hand it back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import HTTPConnection

from sanctum.gateway.answers import Refusal
from sanctum.gateway.parameters import whole_number
from sanctum.messaging.conversations import Conversation, Place

ID_MAX = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MICROSECONDS_MAX = (_LATEST - _EPOCH) // _MICROSECOND


@dataclass(frozen=True, slots=True)
class ActivityCursor:
    """Read the `next` of an earlier page; without one the first page is meant."""

    name: str

    def read(self, request: HTTPConnection) -> Place:
        """Read it from a request; raises Refusal, 422, when no page gave it."""
        raw = request.query_params.get(self.name)
        if raw is None:
            return Place(updated_at=_LATEST, conversation=ID_MAX)
        instant, dash, conversation = raw.partition("-")
        if not dash:
            raise Refusal(422, "invalid_parameter", f"{self.name} must be the next of a page")
        microseconds = whole_number(instant, self.name, 0, 0, _MICROSECONDS_MAX)
        return Place(
            updated_at=_EPOCH + microseconds * _MICROSECOND,
            conversation=whole_number(conversation, self.name, 0, 0, ID_MAX),
        )

    def describe(self) -> dict[str, Any]:
        """Give the parameter as the OpenAPI document has it."""
        schema = {"type": "string", "pattern": "^[0-9]{1,18}-[0-9]{1,19}$"}
        return {"name": self.name, "in": "query", "schema": schema}


def cursor_after(conversation: Conversation) -> str:
    """Give the cursor of the page after a conversation."""
    return f"{(conversation.updated_at - _EPOCH) // _MICROSECOND}-{conversation.id}"
