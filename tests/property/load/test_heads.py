"""An answer whose head is known ends its operation exactly as the parser would have ended it."""

from __future__ import annotations

import asyncio

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from stormproof.clients.connection import HttpConnection
from stormproof.clients.deadlines import Deadlines
from stormproof.clients.response import Response
from stormproof.clients.tape import Actor, Scope, Tape
from stormproof.load.binning import rows_of

SERIES = 0
FOREVER_NS = 1 << 61


class Wire(asyncio.Transport):
    """Take what is written, and remember whether it was cut."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take a request."""

    def is_closing(self) -> bool:
        """Return whether the connection has been cut."""
        return self.closed

    def abort(self) -> None:
        """Cut the connection."""
        self.closed = True


class Owner:
    """Count what a connection says of itself."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def release(self, connection: HttpConnection) -> None:
        """Take it back."""
        self.told.append("free")

    def discard(self, connection: HttpConnection) -> None:
        """Forget it."""
        self.told.append("gone")

    def take_cookies(self, head: bytes) -> None:
        """Take cookies."""
        self.told.append("cookies")


def _answer(status: int, body: bytes, extra: bytes, length: int | None) -> bytes:
    size = len(body) if length is None else length
    return (b"HTTP/1.1 %d X\r\n%bContent-Length: %d\r\n\r\n" % (status, extra, size)) + body


CHUNKED = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
answers = st.one_of(
    st.builds(
        _answer,
        st.sampled_from([200, 200, 200, 201, 404, 100]),
        st.sampled_from([b"", b"ok", b"no", b"a longer one", b"ok\r\n\r\nok"]),
        st.sampled_from([b"", b"", b"Date: 1\r\n", b"Date: 2\r\n", b"Set-Cookie: a=1\r\n"]),
        st.sampled_from([None, None, None, 1, 3]),
    ),
    st.sampled_from([CHUNKED, _answer(200, b"ok", b"Connection: close\r\n", None), b"garbage"]),
)
cuts = st.one_of(st.just(0), st.just(0), st.just(0), st.integers(0, 60))
exchanges = st.lists(st.tuples(answers, cuts), min_size=2, max_size=12)
CREATED_AFTER_SERVED = [(_answer(200, b"ok", b"", None), 0), (_answer(201, b"ok", b"", None), 0)]
CLOSED_AFTER_OPEN = [
    (_answer(200, b"ok", b"X: 1234567890abc\r\n", None), 0),
    (_answer(200, b"ok", b"Connection: close\r\n", None), 0),
]


async def _exchange(
    sent: list[tuple[bytes, int]], *, remembers: bool
) -> tuple[list[object], list[str], list[tuple[int, ...]]]:
    """Return the answers, what the owner was told, and the rows without their instants."""
    tape = Tape(0)
    deadlines = Deadlines(asyncio.get_running_loop())
    owner, seen = Owner(), list[object]()
    connection = HttpConnection(owner, Actor(1, Scope(tape, "s")), deadlines)
    connection.connection_made(Wire())
    connection.adopt()
    for answer, cut in sent:
        if connection.closed:
            break
        if not remembers:
            tape.heads.clear()
        waiter = connection.send(SERIES, b"GET", 0, 1, FOREVER_NS, ())
        for piece in (answer[:cut], answer[cut:]):
            if piece and not connection.closed:
                connection.data_received(piece)
        if not waiter.done():
            connection.close("timeout")
        response = waiter.result()
        seen.append((response.status, response.error, response.ok, response.body, response.head))
    deadlines.close()
    rows = rows_of(bytes(tape.rows))
    columns = ["series", "outcome", "sent", "received"]
    return seen, owner.told, [tuple(int(row[c]) for c in columns) for row in np.asarray(rows)]


@example(CREATED_AFTER_SERVED)
@example(CLOSED_AFTER_OPEN)
@given(exchanges)
def test_memory_changes_nothing(sent: list[tuple[bytes, int]]) -> None:
    """The same answers, cut anywhere, give the same responses, rows and connection either way."""
    with_memory = asyncio.run(_exchange(sent, remembers=True))
    assert with_memory == asyncio.run(_exchange(sent, remembers=False))


def test_the_memory_is_used() -> None:
    """The second of two equal answers needs no parser: it would do without one."""

    async def second() -> Response:
        tape = Tape(0)
        deadlines = Deadlines(asyncio.get_running_loop())
        connection = HttpConnection(Owner(), Actor(1, Scope(tape, "s")), deadlines)
        connection.connection_made(Wire())
        connection.adopt()
        answer = _answer(200, b"ok", b"", None)
        connection.send(SERIES, b"GET", 0, 1, FOREVER_NS, ())
        connection.data_received(answer)
        del connection._parser
        waiter = connection.send(SERIES, b"GET", 0, 1, FOREVER_NS, ())
        connection.data_received(answer)
        deadlines.close()
        return waiter.result()

    response = asyncio.run(second())
    assert (response.status, response.body) == (200, b"ok")
