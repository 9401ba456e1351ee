"""The HTTP client of one user: requests by template, few connections, no retries, no redirects."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Mapping

import msgspec

from stormproof.clients.connection import INTERRUPTED, HttpConnection, connect_error
from stormproof.clients.deadlines import Deadlines
from stormproof.clients.headers import header_lines
from stormproof.clients.response import Response
from stormproof.clients.routes import Query, Route, Routes, Scalar
from stormproof.clients.tape import Actor, Scope
from stormproof.clients.target import Target
from stormproof.kernel.clock import monotonic_ns

TIMEOUT_S = 10.0
CONNECTIONS_PER_USER_MAX = 6
TRUSTED_IDLE_NS = 500_000_000  # an idle connection is asked whether it lives after this time
_ABSENT = object()
_HEADERS = "User-Agent: stormproof\r\nAccept: */*\r\n"
_encode_json = msgspec.json.encode


class Opening:
    """The instants at which an operation got its connection, as far as it came."""

    __slots__ = ("open_ns", "start_ns", "tried_ns")

    def __init__(self, start_ns: int) -> None:
        self.start_ns = start_ns
        self.tried_ns = 0  # when connecting began, or a free connection was found
        self.open_ns = 0

    def record(self, actor: Actor) -> None:
        """Write the phases of the operation, which has just ended."""
        end_ns = actor.intended_ns
        blocked_until_ns = self.tried_ns or end_ns
        scope = actor.scope
        scope.phase("http_req_blocked", blocked_until_ns - self.start_ns, end_ns)
        if self.tried_ns:
            scope.phase("http_req_connecting", (self.open_ns or end_ns) - self.tried_ns, end_ns)


class HttpSite:
    """What the users of one scenario share: the target and the routes of each method."""

    __slots__ = ("deadlines", "delete", "get", "patch", "post", "put", "target")

    def __init__(self, target: Target, scope: Scope, deadlines: Deadlines) -> None:
        tail = f" HTTP/1.1\r\nHost: {target.authority}\r\n{_HEADERS}".encode() + target.headers

        def routes(method: str) -> Routes:
            return Routes(scope, "http_req", method, f"{method} ", tail)

        self.target = target
        self.deadlines = deadlines
        self.get = routes("GET")
        self.post = routes("POST")
        self.put = routes("PUT")
        self.patch = routes("PATCH")
        self.delete = routes("DELETE")

    def tagged(self, scope: Scope) -> HttpSite:
        """Return the same site for users that carry another tag set."""
        return HttpSite(self.target, scope, self.deadlines)


class HttpClient:
    """Requests of one user (see `journeys.interface.Http`)."""

    __slots__ = (
        "_actor",
        "_auth",
        "_auth_line",
        "_gets",
        "_idle",
        "_open",
        "_opening",
        "_queue",
        "_site",
    )

    def __init__(self, site: HttpSite, actor: Actor) -> None:
        self._site = site
        self._actor = actor
        self._gets = site.get.get
        self._idle: list[HttpConnection] = []
        self._open: list[HttpConnection] = []
        self._opening = 0
        self._queue: deque[asyncio.Future[None]] | None = None
        self._auth = ""
        self._auth_line = b""

    def use(self, site: HttpSite) -> None:
        """Count what is sent from now on under another tag set."""
        self._site = site
        self._gets = site.get.get

    def get(
        self,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        auth: str | None = None,
        timeout: float = TIMEOUT_S,
        expected: tuple[int, ...] = (),
        **values: Scalar,
    ) -> Awaitable[Response]:
        """Send a GET request."""
        route = self._gets(path)
        if route is None:
            route = self._site.get.add(path)
        head = route.whole
        if head is None or values or query:
            head = route.head(values, query)
        if auth is not None:
            head += self._auth_line if auth is self._auth else self._authorize(auth)
        if headers:
            head += header_lines(headers)
        return self._exchange(route.series, head + b"\r\n", timeout, expected)

    def post(
        self,
        path: str,
        *,
        json: object = _ABSENT,
        body: bytes = b"",
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        auth: str | None = None,
        timeout: float = TIMEOUT_S,
        expected: tuple[int, ...] = (),
        **values: Scalar,
    ) -> Awaitable[Response]:
        """Send a POST request."""
        route = self._site.post.get(path) or self._site.post.add(path)
        data = self._with_body(route, json, body, query, headers, auth, values)
        return self._exchange(route.series, data, timeout, expected)

    def put(
        self,
        path: str,
        *,
        json: object = _ABSENT,
        body: bytes = b"",
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        auth: str | None = None,
        timeout: float = TIMEOUT_S,
        expected: tuple[int, ...] = (),
        **values: Scalar,
    ) -> Awaitable[Response]:
        """Send a PUT request."""
        route = self._site.put.get(path) or self._site.put.add(path)
        data = self._with_body(route, json, body, query, headers, auth, values)
        return self._exchange(route.series, data, timeout, expected)

    def patch(
        self,
        path: str,
        *,
        json: object = _ABSENT,
        body: bytes = b"",
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        auth: str | None = None,
        timeout: float = TIMEOUT_S,
        expected: tuple[int, ...] = (),
        **values: Scalar,
    ) -> Awaitable[Response]:
        """Send a PATCH request."""
        route = self._site.patch.get(path) or self._site.patch.add(path)
        data = self._with_body(route, json, body, query, headers, auth, values)
        return self._exchange(route.series, data, timeout, expected)

    def delete(
        self,
        path: str,
        *,
        json: object = _ABSENT,
        body: bytes = b"",
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        auth: str | None = None,
        timeout: float = TIMEOUT_S,
        expected: tuple[int, ...] = (),
        **values: Scalar,
    ) -> Awaitable[Response]:
        """Send a DELETE request."""
        route = self._site.delete.get(path) or self._site.delete.add(path)
        data = self._with_body(route, json, body, query, headers, auth, values)
        return self._exchange(route.series, data, timeout, expected)

    def release(self, connection: HttpConnection) -> None:
        """Take back a connection that is free (see `connection.Owner`)."""
        self._idle.append(connection)
        if self._queue:
            self._wake_one()

    def discard(self, connection: HttpConnection) -> None:
        """Forget a connection that is closed (see `connection.Owner`)."""
        self._open.remove(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if self._queue:
            self._wake_one()

    def close(self) -> None:
        """Close all connections; a request under way ends as interrupted."""
        for connection in tuple(self._open):
            connection.close()

    def _exchange(
        self, series: int, data: bytes, timeout: float, expected: tuple[int, ...]
    ) -> Awaitable[Response]:
        """Send on an idle connection, or else on a new one."""
        start_ns = monotonic_ns()
        intended_ns = self._actor.intended_ns
        deadline_ns = intended_ns + int(timeout * 1e9)
        if self._idle:
            connection = self._idle.pop()
            if start_ns - connection.idle_since_ns < TRUSTED_IDLE_NS or not connection.is_stale():
                return connection.send(series, data, intended_ns, start_ns, deadline_ns, expected)
            connection.close()
        return self._exchange_anew(series, data, intended_ns, start_ns, deadline_ns, expected)

    async def _exchange_anew(
        self,
        series: int,
        data: bytes,
        intended_ns: int,
        start_ns: int,
        deadline_ns: int,
        expected: tuple[int, ...],
    ) -> Response:
        left_s = (deadline_ns - start_ns) / 1e9
        error = INTERRUPTED  # unless it is told apart below, we were cancelled
        connection: HttpConnection | None = None
        opening = Opening(start_ns)
        try:
            async with asyncio.timeout(left_s):
                connection = await self._obtain(opening)
        except TimeoutError:
            error = "connect timeout" if left_s > 0 else "timeout"
        except OSError as problem:
            error = connect_error(problem, self._actor.scope.tape)
        else:
            answer = connection.send(series, data, intended_ns, start_ns, deadline_ns, expected)
            connection.written(opening.open_ns)
            return await answer
        finally:
            if connection is None:
                self._record_unsent(series, error, intended_ns, start_ns)
            opening.record(self._actor)
        return Response(0, error, False, b"", b"", self._actor.intended_ns, self._actor.scope)

    def _record_unsent(self, series: int, error: str, intended_ns: int, start_ns: int) -> None:
        """Record an operation that never got a connection."""
        end_ns = monotonic_ns()
        actor = self._actor
        actor.scope.row(series, True, intended_ns, start_ns, end_ns)
        actor.failed(series, error, intended_ns, start_ns, end_ns)
        actor.intended_ns = end_ns

    async def _obtain(self, opening: Opening) -> HttpConnection:
        """Return a connection of one's own: one that has become free, or a new one."""
        while len(self._open) + self._opening >= CONNECTIONS_PER_USER_MAX:
            if self._idle:
                opening.tried_ns = opening.open_ns = monotonic_ns()
                return self._idle.pop()
            if self._queue is None:
                self._queue = deque()
            free: asyncio.Future[None] = self._site.deadlines.loop.create_future()
            self._queue.append(free)
            await free
        self._opening += 1
        opening.tried_ns = monotonic_ns()
        try:
            return await self._connect()
        finally:
            self._opening -= 1
            opening.open_ns = monotonic_ns()

    async def _connect(self) -> HttpConnection:
        site = self._site
        _, connection = await site.deadlines.loop.create_connection(
            lambda: HttpConnection(self, self._actor, site.deadlines),
            site.target.host,
            site.target.port,
        )
        connection.adopt()
        self._open.append(connection)
        return connection

    def _wake_one(self) -> None:
        while self._queue:
            waiting = self._queue.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return

    def _with_body(
        self,
        route: Route,
        json: object,
        body: bytes,
        query: Query | None,
        headers: Mapping[str, str] | None,
        auth: str | None,
        values: Mapping[str, Scalar],
    ) -> bytes:
        head = route.whole
        if head is None or values or query:
            head = route.head(values, query)
        if auth is not None:
            head += self._auth_line if auth is self._auth else self._authorize(auth)
        if headers:
            head += header_lines(headers)
        if json is not _ABSENT:
            if body:
                raise ValueError("give either json or body")
            body = _encode_json(json)
            return b"%bContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
                head,
                len(body),
                body,
            )
        return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)

    def _authorize(self, token: str) -> bytes:
        """Return the line that carries a bearer token, kept for the next request."""
        self._auth_line = header_lines({"Authorization": f"Bearer {token}"})
        self._auth = token
        return self._auth_line
