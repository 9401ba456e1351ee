"""The shop that the example shops in, and which tells everybody all that it was told."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PRODUCTS = Path(__file__).parents[3] / "examples" / "shop" / "products.jsonl"
TOKEN_USES = 12  # then it has expired


@dataclass(kw_only=True)
class Shop:
    """What the shop knows, and what was right about its customers."""

    admin_key: str
    password: str
    prices: dict[int, float] = field(default_factory=dict)
    seasons: set[int] = field(default_factory=set)
    baskets: set[int] = field(default_factory=set)
    tokens: dict[str, int] = field(default_factory=dict)  # token -> uses that are left
    vouchers: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    expired: int = 0
    paid: int = 0
    is_broken: bool = False  # no payments, no second log-in, errors for what it does
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def answer(self, method: str, path: str, value: Any, headers: Any) -> tuple[int, Any]:
        """Return status and value of the answer to a request."""
        with self.lock:
            match [method, *path.strip("/").split("/")[1:]]:
                case ["POST", "login"]:
                    return self._log_in(value)
                case ["GET", "products", number] if int(number) in self.prices:
                    return 200, {"price": self.prices[int(number)]}
                case ["POST" | "DELETE", "seasons", *rest]:
                    return self._season(headers, rest)
                case ["POST", "baskets"]:
                    return self._make_basket(value, headers)
                case ["POST", "baskets", number, "payment"]:
                    return self._pay(int(number), value, headers)
                case ["DELETE", "baskets", number]:
                    return self._throw_away(int(number), headers)
        return 404, {}

    def _log_in(self, value: Any) -> tuple[int, Any]:
        if value["password"] != self.password or (self.is_broken and len(self.logins) == 6):
            return 403, {}
        token = f"shop-token-{next(self.numbers)}"
        self.tokens[token] = TOKEN_USES
        self.logins.append(value["username"])
        return 200, {"token": token}

    def _season(self, headers: Any, rest: list[str]) -> tuple[int, Any]:
        if headers["X-API-Key"] != self.admin_key:
            return 401, {}
        if rest:
            self.seasons.discard(int(rest[0]))
            return 204, None
        season = next(self.numbers)
        self.seasons.add(season)
        return 201, {"id": season}

    def _is_known(self, headers: Any) -> bool:
        token = str(headers["Authorization"]).removeprefix("Bearer ")
        left = self.tokens.get(token, 0)
        self.tokens[token] = left - 1
        self.expired += left <= 0
        return left > 0

    def _make_basket(self, value: Any, headers: Any) -> tuple[int, Any]:
        if not self._is_known(headers):
            return 401, {}
        if value["season"] not in self.seasons:
            return 409, {}
        basket = next(self.numbers)
        self.baskets.add(basket)
        return 201, {"id": basket}

    def _pay(self, number: int, value: Any, headers: Any) -> tuple[int, Any]:
        if not self._is_known(headers):
            return 401, {}
        if self.is_broken:
            return 503, {}
        self.vouchers += [value["voucher"]] if "voucher" in value else []
        self.baskets.discard(number)
        self.paid += 1
        return 201, {}

    def _throw_away(self, number: int, headers: Any) -> tuple[int, Any]:
        if headers["X-API-Key"] != self.admin_key:
            return 401, {}
        found = number in self.baskets
        self.baskets.discard(number)
        if self.is_broken:
            return 500, {}
        return (204, None) if found else (404, {})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    shop: Shop

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        value = json.loads(body) if body else None
        status, answer = self.shop.answer(self.command, self.path, value, self.headers)
        told = {"path": self.path, "head": str(self.headers), "body": body.decode()}
        data = b"" if answer is None else json.dumps({**answer, "you_said": told}).encode()
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815 - as the base class calls them

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def open_shop(*, admin_key: str, password: str) -> Iterator[Shop]:
    """Serve a shop on this machine."""
    shop = Shop(admin_key=admin_key, password=password)
    for line in PRODUCTS.read_text().splitlines():
        product = json.loads(line)
        shop.prices[product["id"]] = product["price"]
    handler = type("OneHandler", (_Handler,), {"shop": shop})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    shop.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
