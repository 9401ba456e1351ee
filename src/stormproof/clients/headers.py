"""Header lines, read and written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol


class Credential(Protocol):
    """Who is asking, as headers; always the same ones."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that say it."""
        ...


Auth = str | Credential  # a text is a bearer token


_FINAL = re.compile(rb"HTTP/1\.[01] [2-9]\d\d\b")  # neither an interim response nor none


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


def header_lines(headers: Mapping[str, str]) -> bytes:
    """Encode header lines.

    Raises:
        ValueError: a name or value would break out of its line.
    """
    text = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    if text.count("\n") != len(headers) or text.count("\r") != len(headers):
        raise ValueError("a header holds a line break")
    return text.encode("latin-1")


def ends_with_stream(head: bytes) -> bool:
    """Return whether a head is a whole response's that has neither a length nor chunks."""
    lines, blank, _ = head.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if not blank or not _FINAL.match(lines):
        return False
    headers = parse_headers(lines)
    return "content-length" not in headers and "transfer-encoding" not in headers


class HeadOnly:
    """What a parser calls while the answer to a HEAD request is awaited: no body will follow."""

    __slots__ = ("on_headers_complete",)

    def __init__(self, on_headers_complete: Callable[[], None]) -> None:
        self.on_headers_complete = on_headers_complete
