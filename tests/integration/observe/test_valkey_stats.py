"""The source "valkey" on a real Valkey, and on peers that answer anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.integration.observe.watched import read_value, value_of
from tests.sanctum.servers import DEADLINE_S, LOOPBACK, Valkey

from stormproof.kernel.errors import SourceSilent
from stormproof.observe.valkey_stats import ValkeySource
from stormproof.servers.resp import RespConnection, RespError


@pytest.fixture
async def server() -> AsyncIterator[Valkey]:
    valkey = Valkey()
    valkey.start()
    async with client(valkey):
        yield valkey
    valkey.kill()


async def connect(server: Valkey) -> RespConnection:
    while True:
        try:
            return await RespConnection.open(LOOPBACK, server.port)
        except OSError:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def client(server: Valkey) -> AsyncIterator[RespConnection]:
    """Connect as soon as the server is up."""
    async with asyncio.timeout(DEADLINE_S):
        connection = await connect(server)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def source(server: Valkey) -> AsyncIterator[ValkeySource]:
    source = ValkeySource("cache", server.url)
    yield source
    await source.close()


async def test_hits_misses_and_memory(server: Valkey) -> None:
    """Two hits, one miss and a megabyte show as what they are."""
    source = ValkeySource("cache", server.url)
    before = await source.read()
    async with client(server) as other:
        await other.call("SET", "key", "x" * (1 << 20))
        for key in ("key", "key", "nothing"):
            await other.call("GET", key)
        after = await source.read()
    assert value_of(after, "keyspace_hits_total", part="cache") == 2
    assert value_of(after, "keyspace_misses_total") == 1
    grown = value_of(after, "memory_bytes") - value_of(before, "memory_bytes")
    assert 1 << 20 < grown < 4 << 20  # the request was held in a buffer, too
    for name in ("evicted_keys_total", "expired_keys_total", "rejected_connections_total"):
        assert value_of(after, name) == 0
    await source.close()


async def test_our_own_client_is_not_counted(server: Valkey, source: ValkeySource) -> None:
    """Clients are the others: one from the test's own set-up, one that blocks."""
    assert await read_value(source, "connected_clients") == 1
    async with client(server) as other:
        blocked = asyncio.ensure_future(other.call("BLPOP", "queue", "0"))
        async with asyncio.timeout(DEADLINE_S):
            while await read_value(source, "blocked_clients") < 1:
                await asyncio.sleep(0.01)
        assert await read_value(source, "connected_clients") == 2
        async with client(server) as third:
            await third.call("RPUSH", "queue", "x")
        assert await blocked == ["queue", "x"]


async def test_a_password_opens_and_a_wrong_one_does_not(server: Valkey) -> None:
    """With the password of the URL, however it has to be quoted, there are figures; with another
    or none the server's refusal is told, and never the password."""
    async with client(server) as other:
        await other.call("CONFIG", "SET", "requirepass", "p@ss/word")
        place = f"{LOOPBACK}:{server.port}/0"
        right = ValkeySource("cache", f"valkey://:p%40ss%2Fword@{place}")
        assert await read_value(right, "memory_bytes") > 0
        await right.close()
        for url in (f"redis://:hunter22@{place}", f"valkey://{place}"):
            source = ValkeySource("cache", url)
            with pytest.raises(SourceSilent, match=r"cache: (WRONGPASS|NOAUTH)") as raised:
                await source.read()
            assert "hunter" not in str(raised.value)


async def test_a_server_that_dies_and_comes_back(server: Valkey, source: ValkeySource) -> None:
    """While the server is away readings are gaps; when it is back there are figures again."""
    await source.read()
    server.kill()
    for _ in range(2):
        with pytest.raises(SourceSilent, match="cache: "):
            await source.read()
    server.start()
    async with client(server):
        assert await read_value(source, "memory_bytes") > 0


async def test_a_restart_between_readings_is_no_gap(server: Valkey, source: ValkeySource) -> None:
    """A server that was away while nobody asked is asked on a new connection."""
    await source.read()
    server.kill()
    server.start()
    async with client(server):
        assert await read_value(source, "memory_bytes") > 0


async def test_a_reading_that_is_given_up_does_not_answer_the_next(
    server: Valkey, source: ValkeySource
) -> None:
    """A late answer to a question that was given up is nobody's: the connection goes with it."""
    await source.read()
    server.pause()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await source.read()
    server.resume()
    assert await read_value(source, "memory_bytes") > 0


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", ""),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no RESP2"),
        (b"$99999999999\r\n", "99999999999 bytes is over"),
        (b"$x\r\n", "invalid literal"),
        (b"*99999999\r\n", "99999999 items"),
        (b"*1\r\n" * 50, "9 deep"),
        (b"+" + b"x" * (1 << 20), "a line without end"),
        (b":5\r\n", "INFO answers no text"),
        (b"*-1\r\n", "INFO answers no text"),
        (b"$3\r\nabc", ""),
    ],
)
async def test_whatever_a_peer_answers_is_a_gap(answer: bytes, why: str) -> None:
    """A peer that speaks something else, or too much of it, is silent to us and harms nobody."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"+OK\r\n" + answer)
        await writer.drain()
        writer.close()

    peer = await asyncio.start_server(handle, LOOPBACK, 0)
    port = peer.sockets[0].getsockname()[1]
    source = ValkeySource("cache", f"valkey://{LOOPBACK}:{port}")
    try:
        with pytest.raises(SourceSilent, match=f"cache: .*{why}"):
            await source.read()
    finally:
        await source.close()
        peer.close()
        await peer.wait_closed()


async def test_nested_replies_and_refusals(server: Valkey) -> None:
    """Replies of every kind are read, and a refusal leaves the connection usable."""
    async with client(server) as connection:
        await connection.call("RPUSH", "list", "a", "é")
        assert await connection.call("LRANGE", "list", "0", "-1") == ["a", "é"]
        assert await connection.call("GET", "nothing") is None
        with pytest.raises(RespError, match="ERR unknown command"):
            await connection.call("NOTHING")
        assert await connection.call("LLEN", "list") == 2


@pytest.mark.parametrize("url", ["http://127.0.0.1:6379", "valkeys://cache", "127.0.0.1:6379", ""])
def test_an_address_of_another_kind_is_refused(url: str) -> None:
    """What is no valkey:// or redis:// address is refused before anything is asked."""
    with pytest.raises(ValueError, match="reads valkey://"):
        ValkeySource("cache", url)
