"""What an HTTP operation gives back to the journey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from stormproof.clients.guard import UnexpectedAnswer
from stormproof.clients.tape import Scope

_SHOWN_BYTES = 60


class Response(msgspec.Struct, gc=False):
    """An answer over HTTP; `status` is 0 when there was none and `error` says why.

    Its headers are parsed when they are first asked for.
    """

    status: int
    error: str
    ok: bool
    body: bytes
    head: bytes
    end_ns: int
    scope: Scope
    parsed: Mapping[str, str] | None = None

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
        except msgspec.DecodeError:
            what = f"status {self.status}" if self.status else self.error
            shown = self.body[:_SHOWN_BYTES].decode("utf-8", "replace")
            raise UnexpectedAnswer(f"the body is no JSON ({what}): {shown!r}") from None

    def record_check(self, name: str, passed: bool) -> None:
        """Count a check; call `check(response, ...)` instead."""
        self.scope.check(name, passed, self.end_ns)


class Headers(dict[str, str]):
    """Headers by lower-case name, found whatever the case they are asked for in."""

    __slots__ = ()

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a header, or `default` where it is missing."""
        return super().get(name.lower(), default)


def parse_headers(head: bytes) -> Headers:
    """Read the header lines of a response's raw head (what follows the blank line is ignored)."""
    headers = Headers()
    lines = head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    for line in lines[1:]:
        raw_name, _, raw_value = line.partition(":")
        name, value = raw_name.strip().lower(), raw_value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
