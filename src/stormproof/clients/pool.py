"""The connections of one user: few, kept open, one operation each at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable

from stormproof.clients.bodies import Stream, chunk, pieces_of
from stormproof.clients.connection import HttpConnection
from stormproof.clients.cookies import CookieJar
from stormproof.clients.deadlines import Deadlines
from stormproof.clients.dialing import Dialer, Opening
from stormproof.clients.failures import INTERRUPTED, DialFailure, connect_error
from stormproof.clients.options import Options
from stormproof.clients.response import Response
from stormproof.clients.tape import Actor
from stormproof.clients.tracing import TracedConnection
from stormproof.kernel.clock import monotonic_ns

CONNECTIONS_PER_USER_MAX = 6
TIMEOUT_S = 10.0
_TIMEOUT_NS = int(TIMEOUT_S * 1e9)
TRUSTED_IDLE_NS = 500_000_000  # an idle connection is asked whether it lives after this time


class Pool:
    """Carry requests over connections of one user (an `Owner` to them)."""

    __slots__ = (
        "_actor",
        "_deadlines",
        "_dialer",
        "_idle",
        "_open",
        "_opening",
        "_queue",
        "decodes",
        "jar",
    )

    def __init__(self, dialer: Dialer, deadlines: Deadlines, actor: Actor) -> None:
        self._dialer = dialer
        self._deadlines = deadlines
        self._actor = actor
        self._idle: list[HttpConnection] = []
        self._open: list[HttpConnection] = []
        self._opening = 0
        self._queue: deque[asyncio.Future[None]] | None = None
        self.jar: CookieJar | None = None
        self.decodes = False

    def exchange(
        self, series: int, data: bytes, timeout: float, expected: tuple[int, ...]
    ) -> Awaitable[Response]:
        """Send on an idle connection, or else on a new one."""
        start_ns = monotonic_ns()
        intended_ns = self._actor.intended_ns
        deadline_ns = intended_ns + (_TIMEOUT_NS if timeout is TIMEOUT_S else int(timeout * 1e9))
        if self._idle:
            connection = self._idle.pop()
            if start_ns - connection.idle_since_ns < TRUSTED_IDLE_NS or not connection.is_stale():
                return connection.send(series, data, intended_ns, start_ns, deadline_ns, expected)
            connection.close()
        return self._exchange_anew(series, data, intended_ns, start_ns, deadline_ns, expected)

    async def exchange_with(
        self,
        series: int,
        data: bytes,
        timeout: float,
        expected: tuple[int, ...],
        options: Options,
        *,
        stream: Stream | None = None,
        framed: bool = False,
        bodyless: bool = False,
    ) -> Response:
        """Send with options; a `stream` is the body, `framed` in chunks or of a known length.

        Raises:
            Exception: whatever the stream raises.
        """
        start_ns = monotonic_ns()
        intended_ns = self._actor.intended_ns
        deadline_ns = intended_ns + int(timeout * 1e9)
        opening = Opening(start_ns)
        got = await self._obtain_in_time(
            series, intended_ns, opening, deadline_ns, options.connect_timeout
        )
        if isinstance(got, Response):
            return got
        answer = got.send(series, data, intended_ns, start_ns, deadline_ns, expected)
        got.written(opening.open_ns)
        if bodyless:
            got.expect_no_body()
        uploading = None
        if stream is not None:
            uploading = asyncio.ensure_future(_upload(got, stream, options, framed=framed))
        elif options.first_byte_timeout is not None:
            got.limit(monotonic_ns() + int(options.first_byte_timeout * 1e9))
        return await self._conclude(answer, opening, uploading)

    def release(self, connection: HttpConnection) -> None:
        """Take back a connection that is free (see `owner.Owner`)."""
        self._idle.append(connection)
        if self._queue:
            self._wake_one()

    def discard(self, connection: HttpConnection) -> None:
        """Forget a connection that is closed (see `owner.Owner`)."""
        self._open.remove(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if self._queue:
            self._wake_one()

    def take_cookies(self, head: bytes) -> None:
        """Take the cookies of a response that may have some (see `owner.Owner`)."""
        if b"\nset-cookie:" in head.partition(b"\r\n\r\n")[0].lower():
            self.cookies().take(head)

    def cookies(self) -> CookieJar:
        """Return the user's cookies, made when they are first asked for."""
        if self.jar is None:
            target = self._dialer.target
            self.jar = CookieJar(target.host_name, secure=target.is_secure)
        return self.jar

    def decode_from_now_on(self) -> None:
        """Undo content codings: a request has asked for them."""
        self.decodes = True
        for connection in self._open:
            connection.decodes = True

    def close(self) -> None:
        """Close all connections; a request under way ends as interrupted."""
        for connection in tuple(self._open):
            connection.close()

    def refuse(self, series: int, kind: str) -> asyncio.Future[Response]:
        """Record an operation that is not even tried; return its answer."""
        answer: asyncio.Future[Response] = self._deadlines.loop.create_future()
        answer.set_result(self._unsent(series, kind, self._actor.intended_ns, monotonic_ns()))
        return answer

    async def pause(self, seconds: float) -> None:
        """Wait; the next operation is intended when the pause ends."""
        self._actor.intended_ns += int(seconds * 1e9)
        await asyncio.sleep(max(0.0, (self._actor.intended_ns - monotonic_ns()) / 1e9))

    async def _exchange_anew(
        self,
        series: int,
        data: bytes,
        intended_ns: int,
        start_ns: int,
        deadline_ns: int,
        expected: tuple[int, ...],
    ) -> Response:
        opening = Opening(start_ns)
        got = await self._obtain_in_time(series, intended_ns, opening, deadline_ns)
        if isinstance(got, Response):
            return got
        answer = got.send(series, data, intended_ns, start_ns, deadline_ns, expected)
        got.written(opening.open_ns)
        return await self._conclude(answer, opening)

    async def _conclude(
        self,
        answer: asyncio.Future[Response],
        opening: Opening,
        uploading: asyncio.Task[int] | None = None,
    ) -> Response:
        """Wait for the end of an operation and write its phases."""
        scope = self._actor.scope
        try:
            response = await answer
            if uploading is not None:
                await _stop(uploading)
            return response
        finally:
            ended = answer.done() and not answer.cancelled()
            end_ns = answer.result().end_ns if ended else monotonic_ns()
            opening.record(scope, end_ns)
            if uploading is not None:
                uploading.cancel()
                if uploading.done() and not uploading.cancelled() and not uploading.exception():
                    scope.phase("http_req_sending", uploading.result(), end_ns)

    async def _obtain_in_time(
        self,
        series: int,
        intended_ns: int,
        opening: Opening,
        deadline_ns: int,
        connect_timeout: float | None = None,
    ) -> HttpConnection | Response:
        """Return a connection of one's own; or, recorded, the answer that there is none."""
        left_s = (deadline_ns - opening.start_ns) / 1e9
        in_time = left_s > 0
        if connect_timeout is not None:
            left_s = min(left_s, connect_timeout)
        error = INTERRUPTED  # unless it is told apart below, we were cancelled
        got: HttpConnection | None = None
        answer: Response | None = None
        try:
            async with asyncio.timeout(left_s):
                got = await self._obtain(opening)
        except TimeoutError:
            error = f"{opening.stage} timeout" if in_time else "timeout"
        except DialFailure as problem:
            error = str(problem)
        except OSError as problem:
            error = connect_error(problem, self._actor.scope.tape)
        finally:
            if got is None:
                answer = self._unsent(series, error, intended_ns, opening.start_ns)
                opening.record(self._actor.scope, answer.end_ns)
        one = got or answer
        assert one is not None
        return one

    def _unsent(self, series: int, error: str, intended_ns: int, start_ns: int) -> Response:
        """Record an operation that never got a connection."""
        end_ns = monotonic_ns()
        actor = self._actor
        actor.scope.row(series, True, intended_ns, start_ns, end_ns)
        actor.failed(series, error, intended_ns, start_ns, end_ns)
        actor.intended_ns = end_ns
        return Response(0, error, False, b"", b"", end_ns, actor.scope)

    async def _obtain(self, opening: Opening) -> HttpConnection:
        """Return a connection of one's own: one that is or has become free, or a new one."""
        while self._idle or len(self._open) + self._opening >= CONNECTIONS_PER_USER_MAX:
            if self._idle:
                connection = self._idle.pop()
                if not connection.is_stale():
                    opening.found_free()
                    return connection
                connection.close()
                continue
            if self._queue is None:
                self._queue = deque()
            free: asyncio.Future[None] = self._deadlines.loop.create_future()
            self._queue.append(free)
            await free
        self._opening += 1
        try:
            return await self._connect(opening)
        finally:
            self._opening -= 1

    async def _connect(self, opening: Opening) -> HttpConnection:
        tape = self._actor.scope.tape
        make = HttpConnection if tape.tracer is None else TracedConnection
        connection = await self._dialer.dial(
            opening, lambda: make(self, self._actor, self._deadlines), tape
        )
        connection.adopt()
        connection.decodes = self.decodes
        self._open.append(connection)
        return connection

    def _wake_one(self) -> None:
        while self._queue:
            waiting = self._queue.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return


async def _upload(
    connection: HttpConnection, stream: Stream, options: Options, *, framed: bool
) -> int:
    """Write a body as fast as it is taken; return how long that took, in nanoseconds."""
    begin_ns = monotonic_ns()
    if options.write_timeout is not None:
        connection.limit(begin_ns + int(options.write_timeout * 1e9))
    whole = False
    try:
        async for piece in pieces_of(stream):
            if not await connection.write_more(chunk(piece) if framed else piece):
                return monotonic_ns() - begin_ns
        whole = not framed or await connection.write_more(chunk(b""))
    finally:
        if not whole:
            connection.close()
    end_ns = monotonic_ns()
    connection.end_body()
    if options.first_byte_timeout is not None:
        connection.limit(end_ns + int(options.first_byte_timeout * 1e9))
    return end_ns - begin_ns


async def _stop(uploading: asyncio.Task[int]) -> None:
    """End an upload whose operation has ended; pass on what its stream raised."""
    uploading.cancel()
    await asyncio.wait([uploading])
    if not uploading.cancelled():
        uploading.result()
