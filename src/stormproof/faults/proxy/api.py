"""Toxiproxy's HTTP interface, without HTTP: from method, path and body to status and body.

Source: Toxiproxy's README, "HTTP API"; texts and order of its refusals as its server answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import unquote

import msgspec

from stormproof.faults.proxy.bodies import (
    ProxyBody,
    ProxyChange,
    ToxicBody,
    ToxicChange,
    changed_toxic,
    new_toxic,
    read,
    read_json,
)
from stormproof.faults.proxy.proxies import Proxies
from stormproof.faults.proxy.refusal import Refusal

VERSION = "2.12.0"  # of Toxiproxy, whose interface this is
_JSON = "application/json"
_WITH_BODY = ("POST", "PATCH")
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked; `path` is as it was sent."""

    method: str
    path: str
    user_agent: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What is answered."""

    status: int
    body: bytes = b""
    content_type: str = _JSON


Handler = Callable[..., Awaitable[Response]]  # of the body, if it may have one, and of names


class Api:
    """Answers requests about proxies and toxics.

    Args:
        proxies: what is asked about.
        server: who serves the interface, told with its version.
    """

    def __init__(self, proxies: Proxies, server: str) -> None:
        self._proxies = proxies
        self._version_told = f"{VERSION}+{server}"
        self._routes: dict[tuple[str, ...], dict[str, Handler]] = {
            ("version",): {"GET": self._version},
            ("reset",): {"POST": self._reset},
            ("populate",): {"POST": self._populate},
            ("proxies",): {"GET": self._list, "POST": self._create},
            ("proxies", "*"): {
                "GET": self._show,
                "POST": self._change,
                "PATCH": self._change,
                "DELETE": self._remove,
            },
            ("proxies", "*", "toxics"): {"GET": self._list_toxics, "POST": self._put},
            ("proxies", "*", "toxics", "*"): {
                "GET": self._show_toxic,
                "POST": self._change_toxic,
                "PATCH": self._change_toxic,
                "DELETE": self._take_off,
            },
        }

    async def answer(self, request: Request) -> Response:
        """Answer one request; whatever is wrong with it is in the answer."""
        if request.user_agent.startswith("Mozilla/"):
            return Response(status=403, body=b"User agent not allowed\n", content_type=_TEXT)
        handlers, names = self._route(request.path.partition("?")[0])
        if handlers is None:
            return Response(status=404, body=b"404 page not found\n", content_type=_TEXT)
        handler = handlers.get(request.method)
        if handler is None:
            return Response(status=405, content_type=_TEXT)
        try:
            async with self._proxies.turn:
                if request.method in _WITH_BODY:
                    return await handler(request.body, *names)
                return await handler(*names)
        except Refusal as refusal:
            return refused(refusal)

    def _route(self, path: str) -> tuple[dict[str, Handler] | None, list[str]]:
        """Find the handlers of a path, and the names that are in it."""
        parts = path.split("/")[1:]
        shape = tuple(part if at % 2 == 0 else "*" for at, part in enumerate(parts))
        names = [unquote(part) for part in parts[1::2]]
        return (self._routes.get(shape) if all(names) else None), names

    async def _version(self) -> Response:
        body = msgspec.json.encode({"version": self._version_told}) + b"\n"
        return Response(status=200, body=body, content_type="application/json;charset=utf-8")

    async def _reset(self, _body: bytes) -> Response:
        await self._proxies.reset()
        return Response(status=204)

    async def _populate(self, body: bytes) -> Response:
        try:
            made = await self._proxies.populate(proxy_bodies(body))
        except Refusal as refusal:
            told = {"error": refusal.message, "status": refusal.status, "proxies": None}
            return _told(told, refusal.status)
        return _told({"proxies": [proxy.view() for proxy in made]}, 201)

    async def _list(self) -> Response:
        return _told(self._proxies.views())

    async def _create(self, body: bytes) -> Response:
        proxy = await self._proxies.add(read(read_json(body), ProxyBody))
        return _told(proxy.view(), 201)

    async def _show(self, proxy: str) -> Response:
        return _told(self._proxies.get(proxy).view())

    async def _change(self, body: bytes, proxy: str) -> Response:
        there = self._proxies.get(proxy)
        await there.change(read(read_json(body), ProxyChange))
        return _told(there.view())

    async def _remove(self, proxy: str) -> Response:
        await self._proxies.remove(proxy)
        return Response(status=204)

    async def _list_toxics(self, proxy: str) -> Response:
        return _told(self._proxies.get(proxy).toxics_in_order())

    async def _put(self, body: bytes, proxy: str) -> Response:
        there = self._proxies.get(proxy)
        toxic = new_toxic(read(read_json(body), ToxicBody))
        there.put(toxic)
        return _told(toxic)

    async def _show_toxic(self, proxy: str, toxic: str) -> Response:
        return _told(self._proxies.get(proxy).toxic(toxic))

    async def _change_toxic(self, body: bytes, proxy: str, toxic: str) -> Response:
        there = self._proxies.get(proxy)
        changed = changed_toxic(there.toxic(toxic), read(read_json(body), ToxicChange))
        there.replace(changed)
        return _told(changed)

    async def _take_off(self, proxy: str, toxic: str) -> Response:
        self._proxies.get(proxy).take_off(toxic)
        return Response(status=204)


def proxy_bodies(body: bytes) -> list[ProxyBody]:
    """Read a list of proxies.

    Raises:
        Refusal: it is none.
    """
    given = read_json(body)
    if not isinstance(given, list):
        raise Refusal(400, "bad request body: Expected `array` of proxies")
    return [read(one, ProxyBody) for one in given]


def refused(refusal: Refusal) -> Response:
    """Return the answer to what is refused."""
    return _told({"error": refusal.message, "status": refusal.status}, refusal.status)


def _told(value: object, status: int = 200) -> Response:
    return Response(status=status, body=msgspec.json.encode(value) + b"\n")
