"""The HTTP client of one user: requests by template; what costs more is done when asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

import msgspec

from stormproof.clients.bodies import Stream
from stormproof.clients.cookies import CookieJar
from stormproof.clients.deadlines import Deadlines
from stormproof.clients.dialing import Dialer
from stormproof.clients.errands import BODYLESS, Content, Errand
from stormproof.clients.failures import REDIRECT_REFUSED
from stormproof.clients.headers import Auth, header_lines
from stormproof.clients.options import NAMES, NO_OPTIONS, split
from stormproof.clients.pool import TIMEOUT_S, Pool
from stormproof.clients.response import Response
from stormproof.clients.routes import Query, Route, Routes
from stormproof.clients.tape import Actor, Scope
from stormproof.clients.target import Target

_ABSENT = object()
_JSON_TYPE = b"Content-Type: application/json\r\n"
_HEADERS = "User-Agent: stormproof\r\nAccept: */*\r\n"
_encode_json = msgspec.json.encode


class HttpSite:
    """What users of the same scenario and tags share: the target, the routes of each method."""

    __slots__ = (
        "_others",
        "_scope",
        "deadlines",
        "delete",
        "dialer",
        "get",
        "patch",
        "post",
        "put",
        "tail",
        "target",
    )

    def __init__(
        self, target: Target, scope: Scope, deadlines: Deadlines, dialer: Dialer | None = None
    ) -> None:
        self.target = target
        self.deadlines = deadlines
        self.dialer = dialer or Dialer(target)
        self.tail = f" HTTP/1.1\r\nHost: {target.authority}\r\n{_HEADERS}".encode()
        self.tail += target.headers
        self._scope = scope
        self._others: dict[str, Routes] = {}
        self.get = self._new_routes("GET")
        self.post = self._new_routes("POST")
        self.put = self._new_routes("PUT")
        self.patch = self._new_routes("PATCH")
        self.delete = self._new_routes("DELETE")

    def tagged(self, scope: Scope) -> HttpSite:
        """Return the same site for users that carry another tag set."""
        return HttpSite(self.target, scope, self.deadlines, self.dialer)

    def routes(self, method: str) -> Routes:
        """Return the routes of any method.

        Raises:
            ValueError: it is none.
        """
        known: Routes | None = getattr(self, method.lower(), None) if method in _USUAL else None
        known = known or self._others.get(method)
        if known is None:
            if not (method.isascii() and method.isalpha() and method.isupper()):
                raise ValueError(f"{method!r} is no method: capital letters, such as 'PATCH'")
            known = self._others[method] = self._new_routes(method)
        return known

    def refused(self, method: str) -> int:
        """Return the series of requests to hosts that nobody named."""
        return self._scope.operation("http_req", f"{method} (another host)")

    def head(self, method: str, path: str) -> bytes:
        """Return a request's head up to its last constant header, for a path as it is."""
        return f"{method} {self.dialer.prefix}{path}".encode() + self.tail

    def _new_routes(self, method: str) -> Routes:
        start = f"{method} {self.dialer.prefix}"
        return Routes(self._scope, "http_req", method, start, self.tail)


_USUAL = ("GET", "POST", "PUT", "PATCH", "DELETE")


class HttpClient:
    """Requests of one user (see `journeys.requests.Http`).

    The options of the usual methods are keywords by that interface and not by these signatures: the
    default of a keyword-only parameter is looked up in a dictionary at every call.
    """

    __slots__ = ("_auth", "_auth_line", "_exchange", "_gets", "_pool", "_site")

    def __init__(self, site: HttpSite, actor: Actor) -> None:
        self._site = site
        self._gets = site.get.get
        self._pool = Pool(site.dialer, site.deadlines, actor)
        self._exchange = self._pool.exchange
        self._auth: Auth = ""
        self._auth_line = b""

    @property
    def cookies(self) -> CookieJar:
        """The user's cookies."""
        return self._pool.cookies()

    @property
    def jar(self) -> CookieJar | None:
        """The user's cookies, where it has had any."""
        return self._pool.jar

    def use(self, site: HttpSite) -> None:
        """Count what is sent from now on under another tag set."""
        self._site = site
        self._gets = site.get.get

    def get(
        self,
        path: str,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Auth | None = None,
        timeout: float = TIMEOUT_S,
        expected: tuple[int, ...] = (),
        **values: Any,
    ) -> Awaitable[Response]:
        """Send a GET request."""
        route = self._gets(path) or self._new_route(self._site.get, path)
        if route is None:
            return self._refuse("GET")
        head = route.whole
        if head is None or values or query:
            if not NAMES.isdisjoint(values):
                content = Content()
                return self._errand(
                    "GET", route, content, query, headers, auth, timeout, expected, values
                )
            head = route.head(values, query)
        if auth is not None:
            head += self._auth_line if auth is self._auth else self._authorize(auth)
        if headers:
            head += self._header_lines(headers)
        if self._pool.jar is not None:
            head += self._pool.jar.line(head)
        return self._exchange(route.series, head + b"\r\n", timeout, expected)

    def post(
        self,
        path: str,
        json: object = _ABSENT,
        body: bytes | Stream = b"",
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Auth | None = None,
        timeout: float = TIMEOUT_S,
        expected: tuple[int, ...] = (),
        **values: Any,
    ) -> Awaitable[Response]:
        """Send a POST request."""
        route = self._site.post.get(path) or self._new_route(self._site.post, path)
        return self._send(
            "POST", route, json, body, query, headers, auth, timeout, expected, values
        )

    def put(
        self,
        path: str,
        json: object = _ABSENT,
        body: bytes | Stream = b"",
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Auth | None = None,
        timeout: float = TIMEOUT_S,
        expected: tuple[int, ...] = (),
        **values: Any,
    ) -> Awaitable[Response]:
        """Send a PUT request."""
        route = self._site.put.get(path) or self._new_route(self._site.put, path)
        return self._send("PUT", route, json, body, query, headers, auth, timeout, expected, values)

    def patch(
        self,
        path: str,
        json: object = _ABSENT,
        body: bytes | Stream = b"",
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Auth | None = None,
        timeout: float = TIMEOUT_S,
        expected: tuple[int, ...] = (),
        **values: Any,
    ) -> Awaitable[Response]:
        """Send a PATCH request."""
        route = self._site.patch.get(path) or self._new_route(self._site.patch, path)
        return self._send(
            "PATCH", route, json, body, query, headers, auth, timeout, expected, values
        )

    def delete(
        self,
        path: str,
        json: object = _ABSENT,
        body: bytes | Stream = b"",
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Auth | None = None,
        timeout: float = TIMEOUT_S,
        expected: tuple[int, ...] = (),
        **values: Any,
    ) -> Awaitable[Response]:
        """Send a DELETE request."""
        route = self._site.delete.get(path) or self._new_route(self._site.delete, path)
        return self._send(
            "DELETE", route, json, body, query, headers, auth, timeout, expected, values
        )

    def head(self, path: str, **given: Any) -> Awaitable[Response]:
        """Send a HEAD request; it takes what `request` takes."""
        return self.request("HEAD", path, **given)

    def options(self, path: str, **given: Any) -> Awaitable[Response]:
        """Send an OPTIONS request; it takes what `request` takes."""
        return self.request("OPTIONS", path, **given)

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = _ABSENT,
        body: bytes | Stream = b"",
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Auth | None = None,
        timeout: float = TIMEOUT_S,
        expected: tuple[int, ...] = (),
        **values: Any,
    ) -> Awaitable[Response]:
        """Send a request of any method."""
        routes = self._site.routes(method)
        route = routes.get(path) or self._new_route(routes, path)
        if route is not None and method in BODYLESS and json is _ABSENT and not body:
            content = Content()
            return self._errand(
                method, route, content, query, headers, auth, timeout, expected, values
            )
        return self._send(
            method, route, json, body, query, headers, auth, timeout, expected, values
        )

    def close(self) -> None:
        """Close all connections; a request under way ends as interrupted."""
        self._pool.close()

    def _send(
        self,
        method: str,
        route: Route | None,
        json: object,
        body: bytes | Stream,
        query: Query | None,
        headers: Mapping[str, str] | None,
        auth: Auth | None,
        timeout: float,
        expected: tuple[int, ...],
        values: Mapping[str, Any],
    ) -> Awaitable[Response]:
        """Send a request that may have a body."""
        if route is None:
            return self._refuse(method)
        kind = b""
        if json is not _ABSENT:
            if body:
                raise ValueError("give either json or body")
            body = _encode_json(json)
            kind = _JSON_TYPE
        if not isinstance(body, bytes) or (values and not NAMES.isdisjoint(values)):
            content = Content(body=body, lines=kind)
            return self._errand(
                method, route, content, query, headers, auth, timeout, expected, values
            )
        head = route.whole
        if head is None or values or query:
            head = route.head(values, query)
        if auth is not None:
            head += self._auth_line if auth is self._auth else self._authorize(auth)
        if headers:
            head += self._header_lines(headers)
        if self._pool.jar is not None:
            head += self._pool.jar.line(head)
        data = b"%b%bContent-Length: %d\r\n\r\n%b" % (head, kind, len(body), body)
        return self._exchange(route.series, data, timeout, expected)

    def _errand(
        self,
        method: str,
        route: Route,
        content: Content,
        query: Query | None,
        headers: Mapping[str, str] | None,
        auth: Auth | None,
        timeout: float,
        expected: tuple[int, ...],
        given: Mapping[str, Any],
    ) -> Awaitable[Response]:
        """Send a request with options or a body of another kind."""
        options, values = split(given) if given else (NO_OPTIONS, {})
        lines = b"" if auth is None else self._authorize(auth)
        lines += self._header_lines(headers) if headers else b""
        errand = Errand(
            site=self._site,
            pool=self._pool,
            series=route.series,
            lines=lines,
            timeout=timeout,
            expected=expected,
            options=options,
        )
        content = content.with_forms(options)
        return errand.run(method, route.head(values, query), content)

    def _new_route(self, routes: Routes, path: str) -> Route | None:
        """Make the route of a template that is new; None when it leads to another host.

        An absolute URL of the target is as good as its path.
        """
        if not path.startswith("/") and "://" in path:
            base = self._site.target.base_url
            if path != base and not path.startswith((f"{base}/", f"{base}?")):
                return None
            path = path.removeprefix(base) or "/"
        return routes.get(path) or routes.add(path)

    def _refuse(self, method: str) -> Awaitable[Response]:
        """Count a request to a host that nobody named as failed; it is not sent."""
        return self._pool.refuse(self._site.refused(method), REDIRECT_REFUSED)

    def _header_lines(self, headers: Mapping[str, str]) -> bytes:
        lines = header_lines(headers)
        if not self._pool.decodes and b"accept-encoding" in lines.lower():
            self._pool.decode_from_now_on()
        return lines

    def _authorize(self, auth: Auth) -> bytes:
        """Return the line that carries a bearer token, kept for the next request."""
        bearer = {"Authorization": f"Bearer {auth}"} if isinstance(auth, str) else auth.headers
        self._auth_line = header_lines(bearer)
        self._auth = auth
        return self._auth_line
