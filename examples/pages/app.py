"""A small service to be broken: pages out of the standard library's server, kept in a cache.

    python app.py PORT CACHE_PORT

It serves pages without its cache, only slower; `/ready` says whether the cache answers.
"""

from __future__ import annotations

import hashlib
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from valkey import Valkey
from valkey.backoff import NoBackoff
from valkey.exceptions import ValkeyError
from valkey.retry import Retry

HOST = "127.0.0.1"
CACHE_TIMEOUT_S = 0.05
ROUNDS = 2_000  # of hashing, in place of a database


class Pages:
    """Pages by their number."""

    def __init__(self, cache_port: int) -> None:
        self._cache = Valkey(
            host=HOST,
            port=cache_port,
            socket_timeout=CACHE_TIMEOUT_S,
            socket_connect_timeout=CACHE_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )

    def page(self, number: int) -> bytes:
        """Return a page, out of the cache where that answers."""
        key = f"page:{number}"
        try:
            kept = self._cache.get(key)
        except ValkeyError:
            return self._made(number)
        if not isinstance(kept, bytes):
            kept = self._made(number)
            self._keep(key, kept)
        return kept

    def is_cached(self) -> bool:
        """Say whether the cache answers."""
        try:
            return bool(self._cache.ping())
        except ValkeyError:
            return False

    def _keep(self, key: str, page: bytes) -> None:
        try:
            self._cache.set(key, page, ex=60)
        except ValkeyError:
            return  # the next reader has it made again

    def _made(self, number: int) -> bytes:
        digest = hashlib.pbkdf2_hmac("sha256", str(number).encode(), b"page", ROUNDS)
        return f"page {number} {digest.hex()}".encode()


class Handler(BaseHTTPRequestHandler):
    """Answer `/health`, `/ready` and `/pages/N`."""

    protocol_version = "HTTP/1.1"
    pages: Pages

    def do_GET(self) -> None:
        """Answer one request."""
        name = self.path.removeprefix("/pages/")
        if self.path == "/health":
            self._answer(200, b"up")
        elif self.path == "/ready":
            is_cached = self.pages.is_cached()
            self._answer(200 if is_cached else 503, b"ready" if is_cached else b"no cache")
        elif name.isdigit():
            self._answer(200, self.pages.page(int(name)))
        else:
            self._answer(404, b"no such page")

    def _answer(self, status: int, body: bytes) -> None:
        head = f"HTTP/1.1 {status} -\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing of requests that went well."""


class Server(ThreadingHTTPServer):
    """A server that lets many connect at once."""

    request_queue_size = 128


def main() -> None:
    """Serve until told to end."""
    port, cache_port = (int(word) for word in sys.argv[1:])
    Handler.pages = Pages(cache_port)
    Server((HOST, port), Handler).serve_forever()


if __name__ == "__main__":
    main()
