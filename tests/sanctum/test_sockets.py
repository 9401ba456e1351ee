"""Sockets against hostile clients: each costs itself its connection, and nobody else anything."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import psutil
from tests.sanctum.clients import CHANNELS, Api
from tests.sanctum.conftest import SIZE, Serve
from tests.sanctum.rawclient import CLOSE, CONT, PING, TEXT, RawClient, frame
from tests.sanctum.servers import DEADLINE_S, until
from uvicorn.config import Config
from uvicorn.server import ServerState

from sanctum.gateway.sockets import FRAGMENTS_MAX, PIECE_BYTES, BoundedSocket
from sanctum.telemetry.metrics import CLOSE_CODES

FLOOD_BYTES = 64 * 1024 * 1024  # more than any buffer on the way may hold
NEIGHBOUR = 1 + CHANNELS
HELD = 1000


async def _counted(api: Api, metric: str, expected: float) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while await api.metric(metric) != expected:
            await asyncio.sleep(0.02)


async def _closes(api: Api, code: int, expected: float) -> None:
    await _counted(api, f'ws_close_total{{code="{code}"}}', expected)


async def _open(api: Api, *, receives_bytes: int | None = None) -> RawClient:
    ticket = (await api.ticket(NEIGHBOUR)).body["ticket"]
    return await RawClient.open(api, api.socket_url(1, ticket), receives_bytes=receives_bytes)


async def test_every_close_code_reads_zero_before_any_close(api: Api) -> None:
    """An alert on a code that never came has a series to look at."""
    text = (await api.call("GET", "/metrics")).body
    for code in (*CLOSE_CODES, "other"):
        assert f'ws_close_total{{code="{code}"}} 0.0' in text


VIOLATIONS: list[tuple[bytes, int]] = [
    (frame(TEXT, b"{}", masked=False), 1002),
    (frame(0x3), 1002),
    (frame(TEXT, b"{}", rsv=4), 1002),
    (frame(CONT, b"no beginning"), 1002),
    (frame(PING, b"x", fin=False), 1002),
    (frame(PING, b"x" * 126), 1002),
    (frame(CLOSE, b"\x03"), 1002),
    (frame(CLOSE, b"\x00\x00"), 1002),
    (frame(TEXT, b"one", fin=False) + frame(TEXT, b"two"), 1002),
    (frame(TEXT, b"\xff\xfe"), 1007),
    (frame(TEXT, b"x" * 40_000), 1009),
    (frame(TEXT, b"x" * 20_000, fin=False) + frame(CONT, b"x" * 20_000), 1009),
    (frame(TEXT, b"", fin=False) + frame(CONT, fin=False) * 2 * FRAGMENTS_MAX, 1008),
    (b"GET / HTTP/1.1\r\n\r\n", 1002),
]


async def test_violations_of_the_protocol_end_their_own_socket_only(api: Api) -> None:
    """Each is answered by the close code that names it, and counted; no neighbour notices."""
    async with await api.chat() as neighbour:
        for data, code in VIOLATIONS:
            client = await _open(api)
            await client.send(data)
            assert await client.close_code() == code, data[:40]
            client.drop()
        for code in {code for _, code in VIOLATIONS}:
            await _closes(api, code, sum(code == other for _, other in VIOLATIONS))
        assert await neighbour.say("still here") == 1
        await _counted(api, "ws_active_connections", 1)


async def test_closes_are_counted_as_what_they_were(api: Api) -> None:
    """A client's code is kept, none sent is 1005, no close frame 1006, an invented one `other`."""
    for payload in (b"\x03\xe8", b"", b"\x0f\xa1"):
        client = await _open(api)
        await client.send(frame(CLOSE, payload))
        await client.close_code()
        client.drop()
    (await _open(api)).drop()
    for code in (1000, 1005, 1006):
        await _closes(api, code, 1)
    await _counted(api, 'ws_close_total{code="other"}', 1)


async def test_flood_of_pings_without_reading_is_ended(api: Api) -> None:
    """A client that pings and never reads the pongs is closed with 1013 after a bounded amount."""
    async with await api.chat() as neighbour:
        client = await _open(api, receives_bytes=4096)
        pings = frame(PING, b"x" * 125) * 500
        assert await client.flood(pings, FLOOD_BYTES) < FLOOD_BYTES
        await _closes(api, 1013, 1)
        assert await api.metric("ws_overload_total") == 1
        assert await neighbour.say("still here") == 1
        client.drop()


async def test_flood_of_requests_without_reading_is_ended(serve: Serve) -> None:
    """A client that sends and never reads its answers is closed with 1013; nobody waits for it."""
    api = await serve(SANCTUM_SOCKET_SEND_TIMEOUT_S="0.3")
    async with await api.chat() as neighbour:
        client = await _open(api, receives_bytes=4096)
        wrong = frame(TEXT, b"no json") * 500
        assert await client.flood(wrong, FLOOD_BYTES) < FLOOD_BYTES
        await _closes(api, 1013, 1)
        assert await api.metric("ws_overload_total") == 1
        assert await neighbour.say("still here") == 1
        client.drop()


async def test_flood_is_answered_in_order_to_one_who_reads(api: Api) -> None:
    """Thousands of frames sent at once are each answered, in order, and a neighbour is served."""
    count = 3000
    async with await api.chat() as neighbour:
        client = await _open(api)
        pings = b"".join(frame(TEXT, b'{"type":"ping","id":"%d"}' % i) for i in range(count))
        reading = asyncio.ensure_future(client.frames())
        await client.send(pings)
        assert await neighbour.say("meanwhile") == 1
        # Two welcomes, an ack, and the message to both members come on top.
        await _counted(api, "ws_frame_sent_total", count + 5)
        await client.send(frame(CLOSE, b"\x03\xe8"))
        answers = [payload for opcode, payload in await reading if opcode == TEXT]
        pongs = [payload for payload in answers if b"pong" in payload]
        assert pongs == [b'{"type":"pong","id":"%d"}' % i for i in range(count)]
        client.drop()


async def test_half_closed_client_is_let_go(api: Api) -> None:
    """A client that ends its own sending is dropped, also when it has not read what was sent."""
    async with await api.chat() as neighbour:
        reads, stuck = await _open(api), await _open(api, receives_bytes=4096)
        reads.stop_sending()
        assert await reads.frames()
        for i in range(120):
            await neighbour.say(f"m{i}", "x" * 4096)
        stuck.stop_sending()
        await until(lambda: not api.serves(stuck.port), "the stuck one is dropped")
        await _counted(api, "ws_active_connections", 1)
        for client in (reads, stuck):
            client.drop()


async def test_client_that_closes_and_never_reads_is_dropped(api: Api) -> None:
    """A close frame behind which nobody reads what is on its way does not keep a connection."""
    async with await api.chat() as neighbour:
        stuck = await _open(api, receives_bytes=4096)
        for i in range(120):
            await neighbour.say(f"m{i}", "x" * 4096)
        await stuck.send(frame(CLOSE, b"\x03\xe8"))
        await until(lambda: not api.serves(stuck.port), "the stuck one is dropped")
        await _counted(api, "ws_active_connections", 1)
        stuck.drop()


async def test_bytes_that_wait_for_a_slow_reader_are_bounded(serve: Serve) -> None:
    """A reader is closed with 1013 by the bytes that wait for it, long before their number."""
    api = await serve(SANCTUM_SOCKET_QUEUE_BYTES_MAX="65536", SANCTUM_SOCKET_QUEUE_MAX="65536")
    async with await api.chat() as sender:
        stuck = await _open(api, receives_bytes=4096)
        count = 0
        while await api.metric("ws_overload_total") == 0:
            count += 20
            assert count < 1000, "the slow reader is never dropped"
            for i in range(20):
                await sender.send(f"{count}-{i}", "x" * 4096)
            await sender.received(count)
        assert sender.numbers == list(range(1, count + 1))
        await _closes(api, 1013, 1)
        stuck.drop()


async def test_pages_of_foreign_origins_are_refused(serve: Serve) -> None:
    """With origins set, any other is 403 and counted; the ticket stays good for the right one."""
    api = await serve(SANCTUM_ORIGINS_ALLOWED="https://app.example, http://localhost:3000")
    url = api.inbox_url(await api.inbox_ticket())
    for origin in (
        "https://evil.example",
        "null",
        "https://app.example.evil",
        "http://app.example",
    ):
        client = await RawClient.connect(api)
        assert await client.ask(url, origin) == 403, origin
        client.drop()
    assert await api.metric('sanctum_security_denied_total{what="origin"}') == 4
    (await RawClient.open(api, url, origin="https://app.example")).drop()
    (await RawClient.open(api, api.inbox_url(await api.inbox_ticket()))).drop()


async def test_thousands_of_connects_leave_nothing_behind(api: Api) -> None:
    """Connections that say nothing, ask wrongly or end in the handshake cost no socket for long."""
    process = psutil.Process()
    async with await api.chat() as neighbour:
        before = process.num_fds()
        url = api.socket_url(1, "invented")
        for i in range(1500):
            client = await RawClient.connect(api)
            if i % 3 == 1:
                assert await client.ask(url) == 403
            elif i % 3 == 2:
                await client.send(b"GET /ws/1?ticket=x HTTP/1.1\r\nupgrade: webs")
            client.drop()
        assert await neighbour.say("still here") == 1
        await until(lambda: process.num_fds() <= before + 5, "connections are given back")
        assert await api.metric("ws_active_connections") == 1
        assert await api.metric("ws_connect_total") == 1


async def _hold(api: Api, user: int) -> RawClient:
    """Open a socket on an inbox; told that the cache is away, come back, as clients do."""
    token = await api.token(user)
    async with asyncio.timeout(DEADLINE_S):
        while True:
            issued = await api.call("POST", "/api/ws/ticket", {"topic": "inbox"}, token)
            assert issued.status in (201, 503), issued
            client = await RawClient.connect(api)
            status = await client.ask(api.inbox_url(issued.body.get("ticket", "none")))
            if status == 101:
                return client
            client.drop()
            assert 503 in (status, issued.status), status


async def test_a_thousand_sockets_are_held(api: Api) -> None:
    """A thousand open sockets each get every entry and message of their user, and all can leave."""
    readers = list(range(1, SIZE.users + 1))
    async with AsyncExitStack() as stack:
        for i in range(HELD):
            client = await _hold(api, readers[i % len(readers)])
            stack.callback(client.drop)
        assert await api.metric("ws_active_connections") == HELD
        token = await api.token(1)
        for i in range(3):
            answer = await api.call("POST", "/api/posts", {"text": f"{i}"}, token)
            assert answer.status == 201
        told = [reader for reader in readers if reader != 1 and (reader - 1) % CHANNELS == 0]
        expected = 3 * len(told) * HELD // len(readers)
        await _counted(api, "inbox_delivered_total", expected)
        assert await api.metric("ws_overload_total") == 0
    await _counted(api, "ws_active_connections", 0)
    await _closes(api, 1006, HELD)


class FakeTransport(asyncio.Transport):
    """A transport to nowhere that notes whether it is read."""

    def __init__(self, connection: object) -> None:
        super().__init__({"socket": connection})
        self.reading = True

    def write(self, data: object) -> None:
        """Drop what is written."""

    def pause_reading(self) -> None:
        """Note that nothing must come."""
        self.reading = False

    def resume_reading(self) -> None:
        """Note that more may come."""
        self.reading = True

    def is_closing(self) -> bool:
        """Stay open."""
        return False

    def get_write_buffer_size(self) -> int:
        """Hold nothing."""
        return 0


class FakeConnection:
    """A socket without a connection."""

    def setsockopt(self, *_: object) -> None:
        """Take any option."""

    def getsockname(self) -> tuple[str, int]:
        """Give an address."""
        return ("127.0.0.1", 1)

    getpeername = getsockname
    family = 2


async def test_what_comes_faster_than_it_is_read_waits_in_its_bytes() -> None:
    """Of a chunk of thousands of messages only a piece is taken apart before the first is read."""
    received: list[object] = []

    async def app(_scope: object, receive: object, send: object) -> None:
        await send({"type": "websocket.accept"})  # type: ignore[operator]
        await released.wait()
        while len(received) < 20_001:
            received.append(await receive())  # type: ignore[operator]

    released = asyncio.Event()
    config = Config(app, ws=BoundedSocket, ws_ping_interval=None, log_config=None)
    socket = BoundedSocket(config, ServerState(), {})
    transport = FakeTransport(FakeConnection())
    socket.connection_made(transport)
    head = (
        "GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        "sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    socket.data_received(head.encode())
    await asyncio.sleep(0)
    socket.data_received(frame(TEXT, b"x") * 20_000)
    assert socket.queue.qsize() <= 1 + PIECE_BYTES // len(frame(TEXT, b"x")) + 1
    assert not transport.reading
    released.set()
    await until(lambda: len(received) == 20_001, "all is read")
    assert transport.reading
