"""One HTTP/1.1 connection: at most one request in flight, its end recorded as it is parsed.

The path of a successful request is short on purpose: one write, one read, one packed row, one
future. Everything that goes wrong leaves it through `_end_failed`, once, with the kind of failure.
"""

from __future__ import annotations

import asyncio
import errno
import select
from collections.abc import Callable
from typing import cast

import httptools

from stormproof.clients.deadlines import NEVER, TICK_NS, Deadlines
from stormproof.clients.encodings import DecodeFailure, decode
from stormproof.clients.failures import INTERRUPTED, loss
from stormproof.clients.headers import HeadOnly, ends_with_stream, parse_headers
from stormproof.clients.heads import UNKNOWN, remember
from stormproof.clients.owner import Owner
from stormproof.clients.response import Response
from stormproof.clients.tape import PHASE_US_MAX, PHASED_ROW, ROW, Actor, Tape
from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.limits import (
    INTERIM_RESPONSES_MAX,
    RESPONSE_BYTES_MAX,
    RESPONSE_HEAD_BYTES_MAX,
)

_SMALL_BYTES = 2_000  # an answer that is searched as a whole
_SUCCESS = [status << 1 for status in range(1_000)]  # the outcome of a row, by status
_pack = ROW.pack


class HttpConnection(asyncio.Protocol):
    """A connection of one user."""

    __slots__ = (
        "_actor",
        "_body",
        "_create_future",
        "_deadlines",
        "_expected",
        "_first_us",
        "_head",
        "_heads",
        "_intended_ns",
        "_interims",
        "_later_ns",
        "_owner",
        "_parser",
        "_parts",
        "_phased",
        "_received",
        "_sent",
        "_series",
        "_start_ns",
        "_taken",
        "_tape",
        "_transport",
        "_waiter",
        "_write",
        "_writing",
        "_written_us",
        "armed_tick",
        "closed",
        "deadline_ns",
        "decodes",
        "idle_since_ns",
    )

    def __init__(self, owner: Owner, actor: Actor, deadlines: Deadlines) -> None:
        self._owner = owner
        self._actor = actor
        self._tape: Tape = actor.scope.tape
        self._heads = self._tape.heads
        self._deadlines = deadlines
        self._parser = httptools.HttpResponseParser(self)
        self._create_future: Callable[[], asyncio.Future[Response]] = deadlines.loop.create_future
        self._transport: asyncio.WriteTransport | None = None
        self._waiter: asyncio.Future[Response] | None = None
        self._parts: list[bytes] = []
        self._head = self._body = b""
        self._expected: tuple[int, ...] = ()
        self._series = self._sent = self._received = self._intended_ns = self._start_ns = 0
        self._written_us = self._first_us = self._later_ns = self._interims = 0
        self._phased = False  # one of these is not 0
        self._writing = False  # a body that takes more than one write
        self._taken: asyncio.Future[None] | None = None  # by the kernel, what was written so far
        self.decodes = False  # a content coding was asked for
        self.idle_since_ns = self.deadline_ns = 0
        self.armed_tick = NEVER
        self.closed = True  # until it is adopted

    def adopt(self) -> None:
        """Begin to belong to the owner.

        Raises:
            ConnectionResetError: it was lost again before it could be used.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError(errno.ECONNRESET, "closed as soon as it was open")
        self._write = self._transport.write
        self.closed = False

    def send(
        self,
        series: int,
        data: bytes,
        intended_ns: int,
        start_ns: int,
        deadline_ns: int,
        expected: tuple[int, ...],
    ) -> asyncio.Future[Response]:
        """Send a request; the future has its Response, whatever happens."""
        self._series = series
        self._intended_ns = intended_ns
        self._start_ns = start_ns
        self._expected = expected
        self._sent = len(data)
        self._received = 0
        self._head = self._body = b""
        self.deadline_ns = deadline_ns
        if self.armed_tick == NEVER or deadline_ns < self.armed_tick * TICK_NS - TICK_NS:
            self._deadlines.arm(self)
        self._waiter = waiter = self._create_future()
        self._write(data)
        return waiter

    def written(self, now_ns: int) -> None:
        """Say that the request has only now been written, long after its start."""
        self._phased = True
        self._written_us = self._since_start_us(now_ns)

    def limit(self, deadline_ns: int) -> None:
        """Let the request under way time out earlier, while its answer has not begun."""
        if deadline_ns < self.deadline_ns:
            self._phased = True
            self._later_ns = self._later_ns or self.deadline_ns
            self.deadline_ns = deadline_ns
            self._deadlines.arm(self)

    def expect_no_body(self) -> None:
        """Take the head for the whole answer: the request under way is HEAD."""
        self._parser = httptools.HttpResponseParser(HeadOnly(self.on_head_complete))

    async def write_more(self, data: bytes) -> bool:
        """Write a piece of the body once there is room for it; return whether to go on."""
        self._writing = True
        if self._waiter is None or self._transport is None:
            return False  # the operation has ended
        self._sent += len(data)
        self._transport.write(data)
        if self._taken is not None:
            await self._taken
        return self._waiter is not None

    def end_body(self) -> None:
        """Say that the body is whole and written; from now on the answer is awaited."""
        if self._waiter is None:
            return  # it has come already
        self._writing = False
        self.written(monotonic_ns())
        self.deadline_ns, self._later_ns = self._later_ns or self.deadline_ns, 0

    def is_stale(self) -> bool:
        """Return whether the idle connection has been closed by the peer, or was written to."""
        assert self._transport is not None
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket"), select.POLLIN | select.POLLRDHUP)
        return bool(poll.poll(0))

    def close(self, kind: str = INTERRUPTED) -> None:
        """Close at once; a request under way ends as a failure of `kind`."""
        if self._waiter is not None:
            self._end_failed(kind)
        elif not self.closed:
            self._abandon()

    def expire(self, now_ns: int) -> None:
        """End the request under way as timed out (see `deadlines.Expirable`)."""
        if self._received:
            self._end_failed("timeout body", now_ns)
        elif self._writing:
            self._end_failed("write timeout", now_ns)
        else:
            self._end_failed("timeout first byte" if self._later_ns else "timeout", now_ns)

    def pause_writing(self) -> None:
        """Let `pump` wait: the peer does not read."""
        self._taken = self._taken or self._deadlines.loop.create_future()

    def resume_writing(self) -> None:
        """Let `pump` go on."""
        taken, self._taken = self._taken, None
        if taken is not None and not taken.done():
            taken.set_result(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.WriteTransport", transport)
        self._tape.sockets += 1

    def data_received(self, data: bytes) -> None:
        """Parse what came; a response that is complete ends its operation on the way."""
        if self._waiter is None:
            self._take_unasked(0)
            return
        if not self._received and not self._phased and not self.decodes:
            length, size, known, status, _, _ = self._heads.get(self._series, UNKNOWN)
            if len(data) == length and data[:size] == known:
                self._received, self._head, self._body = length, data, data[size:]
                self._end_well(status, monotonic_ns())
                return
        self._received += len(data)
        if not self._head:
            self._head = data
        elif len(self._head) < RESPONSE_HEAD_BYTES_MAX and b"\r\n\r\n" not in self._head:
            self._head += data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise  # our own fault, not the target's
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.close("protocol")
            return
        if self.deadline_ns:
            self._await_more()

    def _await_more(self) -> None:
        """Take note that an answer has begun which did not come in one piece."""
        if not self._first_us:
            self._phased = True
            self._first_us = self._since_start_us(monotonic_ns())
            if self._later_ns and not self._writing:
                self.deadline_ns, self._later_ns = self._later_ns, 0
        if self._received > RESPONSE_BYTES_MAX:
            self._end_failed("response too large")
        elif len(self._head) >= RESPONSE_HEAD_BYTES_MAX and b"\r\n\r\n" not in self._head:
            self._end_failed("protocol")

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body (called by the parser)."""
        if self._body:
            self._parts.append(body)
        else:
            self._body = body

    def on_message_complete(self) -> None:
        """End the operation with its response (called by the parser)."""
        end_ns = monotonic_ns()
        parser = self._parser
        status = parser.get_status_code()
        waiter = self._waiter
        if waiter is None or status < 200:
            self._take_unasked(status)
            return
        if self._parts:
            self._body = b"".join([self._body, *self._parts])
            self._parts = []
        head = self._head
        # partition is the one search whose arguments cost nothing to take apart
        searched = head if self._received < _SMALL_BYTES else head.partition(b"\r\n\r\n")[0]
        cookie = searched.partition(b"ookie:")[1]
        if cookie:
            self._owner.take_cookies(head)
        if self.decodes and not self._decode():
            return
        stays = parser.should_keep_alive() and not self._writing
        failed = status >= 400 and status not in self._expected
        if stays and not failed and not self._phased:
            if self._received == len(head) and not self.decodes and not cookie:
                remember(self._heads, self._series, head, self._body, status, end_ns)
            self._end_well(status, end_ns)
            return
        self._write_phased_row(status << 1 | failed, end_ns)
        self._actor.intended_ns = self.idle_since_ns = end_ns
        self._waiter = None
        self.deadline_ns = 0
        if failed:
            self._keep(f"http {status}", end_ns, status, self._body)
        if stays:
            self._owner.release(self)
        else:
            self._abandon()
        if not waiter.done():
            scope = self._actor.scope
            waiter.set_result(Response(status, "", not failed, self._body, head, end_ns, scope))

    def _end_well(self, status: int, end_ns: int) -> None:
        """End an operation as it usually ends: a success over a connection that stays open."""
        waiter, actor = self._waiter, self._actor
        self._tape.rows += _pack(
            self._series,
            _SUCCESS[status],
            self._sent,
            self._received,
            self._intended_ns,
            self._start_ns,
            end_ns,
        )
        actor.intended_ns = self.idle_since_ns = end_ns
        self._waiter = None
        self.deadline_ns = 0
        self._owner.release(self)
        if waiter is not None and not waiter.done():
            waiter.set_result(
                Response(status, "", True, self._body, self._head, end_ns, actor.scope)
            )

    def on_head_complete(self) -> None:
        """End a HEAD operation with the head of its response (called by the parser)."""
        if self._waiter is not None and self._parser.get_status_code() >= 200:
            self.on_message_complete()
            self._parser = httptools.HttpResponseParser(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End what was under way; a response without a length ends here as it should."""
        self._tape.sockets -= 1
        self.resume_writing()
        if self._waiter is not None:
            if exc is None and ends_with_stream(self._head):
                self.on_message_complete()
            else:
                kind = loss(exc)
                self._end_failed(f"write {kind}" if self._writing else kind)
        if not self.closed:
            self.closed = True
            self._owner.discard(self)

    def _take_unasked(self, status: int) -> None:
        """Skip an interim response (1xx); a response that nobody asked for ends the connection."""
        if self._waiter is not None and status < 200:
            self._head = self._body = b""
            self._parts = []
            self._phased = True
            self._interims += 1
            if self._interims > INTERIM_RESPONSES_MAX:
                self.close("protocol")
        elif not self.closed:
            self._tape.warn("unasked-response", "the target sent a response that was not asked for")
            self._abandon()

    def _decode(self) -> bool:
        """Undo the body's content coding; return whether that went well."""
        codings = parse_headers(self._head).get("content-encoding", "")
        if codings and self._body:
            try:
                self._body = decode(self._body, codings)
            except DecodeFailure as problem:
                self._end_failed(str(problem), status=self._parser.get_status_code())
                return False
        return True

    def _end_failed(self, kind: str, end_ns: int = 0, status: int = 0) -> None:
        """End the request under way without a usable response, and the connection with it."""
        end_ns = end_ns or monotonic_ns()
        waiter, self._waiter = self._waiter, None
        self.deadline_ns = 0
        actor = self._actor
        self._write_phased_row(status << 1 | 1, end_ns)
        self._keep(kind, end_ns, status, self._head)  # what there is of the answer
        actor.intended_ns = end_ns
        if not self.closed:
            self._abandon()
        if waiter is not None and not waiter.done():
            waiter.set_result(Response(status, kind, False, b"", b"", end_ns, actor.scope))

    def _write_phased_row(self, outcome: int, end_ns: int) -> None:
        self._tape.rows += PHASED_ROW.pack(
            self._series,
            outcome,
            self._sent,
            self._received,
            self._written_us,
            self._first_us,
            self._intended_ns,
            self._start_ns,
            end_ns,
        )
        self._phased = False
        self._written_us = self._first_us = self._later_ns = self._interims = 0

    def _since_start_us(self, now_ns: int) -> int:
        """Return how long ago the operation started, at least 1: 0 says that it is not known."""
        return min(max((now_ns - self._start_ns) // 1_000, 1), PHASE_US_MAX)

    def _keep(self, kind: str, end_ns: int, status: int, body: bytes) -> None:
        self._actor.failed(
            self._series, kind, self._intended_ns, self._start_ns, end_ns, status, body
        )

    def _abandon(self) -> None:
        """Close the transport and leave the owner."""
        self.closed = True
        self._owner.discard(self)
        if self._transport is not None:
            self._transport.abort()
