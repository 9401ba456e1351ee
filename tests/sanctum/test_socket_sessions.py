"""Sockets of sessions that ended: log-out is for them, too."""

from __future__ import annotations

import asyncio

from tests.sanctum.clients import Api, InboxSocket
from tests.sanctum.conftest import DATABASE, Serve
from tests.sanctum.rawclient import RawClient
from tests.sanctum.servers import Postgres
from tests.sanctum.test_sessions import log_in, until_refused
from websockets.asyncio.client import connect

from sanctum.auth.issuing import issue_key

POLICY_VIOLATION = 1008


async def _ticket(api: Api, token: str | None = None, key: str | None = None) -> str:
    answer = await api.call("POST", "/api/ws/ticket", {"topic": "inbox"}, token, key)
    assert answer.status == 201, answer
    ticket: str = answer.body["ticket"]
    return ticket


async def _socket(api: Api, token: str | None = None, key: str | None = None) -> InboxSocket:
    connection = await connect(api.inbox_url(await _ticket(api, token, key)), compression=None)
    return InboxSocket(connection, {})


async def test_log_out_closes_the_sockets_of_its_session(serve: Serve, postgres: Postgres) -> None:
    """In every process they are closed with 1008, and tickets of the session open nothing; sockets
    of other sessions and of API keys stay."""
    here, there = [await serve(SANCTUM_SESSION_CHECK_INTERVAL_S="0.1") for _ in range(2)]
    ending, staying = await log_in(here), await log_in(here)
    closed = [await _socket(api, ending["token"]) for api in (here, there)]
    left = await _ticket(there, ending["token"])
    key = await asyncio.to_thread(issue_key, postgres.url(DATABASE), "user-0001", 1)
    async with await _socket(here, staying["token"]) as kept, await _socket(here, key=key) as keyed:
        assert (await here.call("POST", "/api/auth/logout", token=ending["token"])).status == 204
        for socket in closed:
            assert await socket.closed() == POLICY_VIOLATION
        await until_refused(there, ending)
        late = await RawClient.connect(there)
        assert await late.ask(there.inbox_url(left)) == 403
        late.drop()
        for socket in (kept, keyed):
            await socket.connection.send('{"type":"ping","id":"still here"}')
            await socket.received(2)
    assert await here.metric('ws_close_total{code="1008"}') == 1
