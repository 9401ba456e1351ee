"""What an HTTP operation gives back to the journey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from stormproof.clients.guard import UnexpectedAnswer
from stormproof.clients.headers import parse_headers
from stormproof.clients.tape import Scope
from stormproof.kernel.canonical import UNREADABLE

_SHOWN_CHARACTERS = 60
_SCANNED_BYTES = 4_096  # for secrets, before it is cut


class Response(msgspec.Struct, gc=False):
    """An answer over HTTP; `status` is 0 when there was none and `error` says why.

    Its headers are parsed when they are first asked for. `redirected`: it answers a GET that a
    redirect made of another request.
    """

    status: int
    error: str
    ok: bool
    body: bytes
    head: bytes
    end_ns: int
    scope: Scope
    parsed: Mapping[str, str] | None = None
    redirected: bool = False

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by lower-case name; repeated ones joined by a comma."""
        if self.parsed is None:
            self.parsed = parse_headers(self.head)
        return self.parsed

    def json(self) -> Any:
        """Decode the body.

        Raises:
            UnexpectedAnswer: it is no JSON, or there was no answer; the engine ends the iteration.
        """
        try:
            return msgspec.json.decode(self.body)
        except UNREADABLE:
            what = f"status {self.status}" if self.status else self.error
            text = self.body[:_SCANNED_BYTES].decode("utf-8", "replace")
            shown = self.scope.tape.masking.mask_body(text)[:_SHOWN_CHARACTERS]
            raise UnexpectedAnswer(f"the body is no JSON ({what}): {shown!r}") from None

    def record_check(self, name: str, passed: bool) -> None:
        """Count a check; call `check(response, ...)` instead."""
        scope = self.scope  # what `Scope.check` does, without a call of its own
        slot = scope.check_slots.get(name)
        if slot is None:
            slot = scope.new_check(name)
        scope.add_check_slot(slot + passed)
        scope.add_check_end(self.end_ns)
