"""HTTP against clients that never say what they want: they are let go, and nobody waits."""

from __future__ import annotations

import asyncio

import pytest
from tests.sanctum.clients import Api
from tests.sanctum.conftest import Serve
from tests.sanctum.rawclient import RawClient
from tests.sanctum.servers import until

FLOOD_BYTES = 64 * 1024 * 1024  # more than any buffer on the way may hold
HEAD = b"POST /api/posts HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n"


async def test_connection_whose_head_does_not_come_is_dropped(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saying nothing, half a head, or nothing whole after an answer: each ends in time."""
    for bound in ("SILENCE_TIMEOUT_S", "HEAD_TIMEOUT_S"):
        monkeypatch.setattr(f"sanctum.gateway.http.{bound}", 0.3)
    api = await serve()
    clients = [await RawClient.connect(api) for _ in range(30)]
    for client in clients[10:20]:
        await client.send(HEAD)
    for client in clients[20:]:
        await client.send(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\nGET /hea")
    assert (await api.call("GET", "/health/live")).status == 200
    for client in clients:
        await until(lambda port=client.port: not api.serves(port), "it is dropped")  # type: ignore[misc]
        client.drop()


async def test_head_without_end_is_refused(api: Api) -> None:
    """A head that grows beyond its bound ends its connection."""
    client = await RawClient.connect(api)
    await client.send(HEAD)
    filler = b"x-filler: " + b"x" * 4000 + b"\r\n"
    assert await client.flood(filler, FLOOD_BYTES) < FLOOD_BYTES
    await until(lambda: not api.serves(client.port), "it is dropped")
    client.drop()


async def test_body_that_does_not_come_is_refused(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request whose body ends too late is answered 408 and closed, and occupies no place."""
    monkeypatch.setattr("sanctum.gateway.answers.BODY_TIMEOUT_S", 0.2)
    token = (await api.token(1)).encode()
    client = await RawClient.connect(api)
    await client.send(HEAD + b"authorization: Bearer " + token + b"\r\n\r\n{")
    answer = await client.read()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"body_too_slow" in answer
    client.drop()


async def test_one_socket_too_many_is_refused(serve: Serve) -> None:
    """Beyond the bound a handshake is answered 429, counted; there is room once one has left."""
    api = await serve(SANCTUM_SOCKETS_MAX="2")
    first, second = await api.inbox(1), await api.chat(1)
    url = api.inbox_url(await api.inbox_ticket(1))
    refused = await RawClient.connect(api)
    assert await refused.ask(url) == 429
    assert await api.metric('rate_limit_hits_total{limit="sockets"}') == 1
    await first.close()
    async with asyncio.timeout(20):
        while await api.metric("ws_active_connections") != 1:
            await asyncio.sleep(0.02)
    admitted = await RawClient.open(api, url)
    for client in (refused, admitted):
        client.drop()
    await second.close()
