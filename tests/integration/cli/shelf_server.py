"""A small server with counters, sets and orders; what it forgets on purpose is planted."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any

from tests.integration.cli.conftest import Handler


@dataclass(kw_only=True)
class Shelf:
    """What the server keeps; every write is made by one thread at a time."""

    loses: int = 0  # the number of the like and of the book that are acknowledged and forgotten
    likes: int = 40
    liked: int = 0
    books: list[int] = field(default_factory=list)
    shelved: int = 0
    orders: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, path: str, value: Any) -> tuple[int, Any]:
        """Return status and value of the answer to a request."""
        with self.lock:
            match method, path:
                case "GET", "/likes":
                    return 200, {"likes": self.likes}
                case "POST", "/likes":
                    self.liked += 1
                    self.likes += self.liked != self.loses
                    return 204, None
                case "GET", "/books":
                    return 200, {"books": self.books}
                case "POST", "/books":
                    return self._shelve(value["number"])
                case "POST", "/orders":
                    self.orders += 1
                    return 201, {"id": f"order-{self.orders - (self.orders == self.loses)}"}
        return 200, {"ok": True}

    def _shelve(self, number: int) -> tuple[int, Any]:
        if number % 10 == 0:
            return 409, {"why": "no round numbers"}
        self.shelved += 1
        if self.shelved != self.loses:
            self.books.append(number)
        return 201, None


def serve(shelf: Shelf, handler: type[Handler]) -> None:
    """Have a handler answer from a shelf."""

    def respond(self: Handler) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        given = json.loads(self.rfile.read(size) or b"null")
        status, value = shelf.answer(self.command, self.path, given)
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    handler.do_GET = respond  # type: ignore[method-assign]
    handler.do_POST = respond  # type: ignore[attr-defined]
