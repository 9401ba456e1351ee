"""Planted defects of sockets and inboxes: each breaks its promise, and only where it is on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from tests.sanctum.clients import CHANNELS, Api, InboxSocket
from tests.sanctum.conftest import Serve
from tests.sanctum.rawclient import RawClient
from tests.sanctum.servers import DEADLINE_S, until

NEIGHBOUR = 1 + CHANNELS
SWEEPS = 'database_query_seconds_count{operation="last_numbers"}'

planted = pytest.mark.parametrize("planted", [True, False])


async def _serve(serve: Serve, defect: str, *, planted: bool, **settings: str) -> Api:
    return await serve(SANCTUM_DEFECTS=defect if planted else "", **settings)


async def _reaches(api: Api, metric: str, value: float) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while await api.metric(metric) < value:
            await asyncio.sleep(0.02)


async def _rises(api: Api, metric: str, by: int) -> None:
    await _reaches(api, metric, await api.metric(metric) + by)


@planted
async def test_slow_reader_costs_memory(serve: Serve, planted: bool) -> None:
    """A client that does not read is closed by the bounds of its queue, or never."""
    bounds = {"SANCTUM_SOCKET_QUEUE_MAX": "8", "SANCTUM_SOCKET_SEND_TIMEOUT_S": "0.2"}
    api = await _serve(serve, "send_queue_unbounded", planted=planted, **bounds)
    async with await api.chat() as sender:
        stuck = await api.stuck_chat(user=NEIGHBOUR)
        for i in range(300):
            await sender.send(f"m{i}", "x" * 4096)
            if i % 8 == 7:
                await sender.received(i)
        if planted:
            await _rises(api, SWEEPS, 2)
        else:
            await _reaches(api, "ws_overload_total", 1)
        assert await api.metric("ws_overload_total") == (0 if planted else 1)
        assert await api.metric("ws_active_connections") == (2 if planted else 1)
        await stuck.abandon()


@planted
async def test_ticket_opens_a_second_socket(serve: Serve, planted: bool) -> None:
    """A ticket that was used is refused, or opens another socket."""
    api = await _serve(serve, "ticket_reusable", planted=planted)
    url = api.inbox_url(await api.inbox_ticket())
    clients = [await RawClient.connect(api) for _ in range(3)]
    assert [await client.ask(url) for client in clients] == [101, *[101 if planted else 403] * 2]
    for client in clients:
        client.drop()


@planted
async def test_open_socket_misses_a_notification(serve: Serve, planted: bool) -> None:
    """An open socket hears of every post, or of all but the tenth; the list holds each."""
    api = await _serve(serve, "notification_skips_subscriber", planted=planted)
    token = await api.token(1)
    async with await api.inbox(NEIGHBOUR) as socket:
        await _reaches(api, "inbox_catch_up_total", 1)
        for i in range(11):
            answer = await api.call("POST", "/api/posts", {"text": f"{i}"}, token)
            assert answer.status == 201
        await socket.received(10 if planted else 11)
        await _rises(api, SWEEPS.replace("last_numbers", "inbox_last_numbers"), 2)
        expected = [n for n in range(1, 12) if n != 10 or not planted]
        assert socket.numbers == expected
    async with await api.inbox(NEIGHBOUR, after=0) as resumed:
        await resumed.received(11)
    listed = await api.call("GET", "/api/notifications", token=await api.token(NEIGHBOUR))
    assert len(listed.body["notifications"]) == 11


@planted
async def test_entry_is_sent_to_somebody_else(serve: Serve, planted: bool) -> None:
    """Sockets are sent the entries of their own user, or one in twenty goes astray as well."""
    api = await _serve(serve, "inbox_crosstalk", planted=planted)
    token = await api.token(1)
    readers = (NEIGHBOUR, NEIGHBOUR + CHANNELS)
    async with await api.inbox(readers[0]) as first, await api.inbox(readers[1]) as second:
        await _reaches(api, "inbox_catch_up_total", 2)
        for i in range(10):
            answer = await api.call("POST", "/api/posts", {"text": f"{i}"}, token)
            assert answer.status == 201
        await _reaches(api, "inbox_delivered_total", 21 if planted else 20)
        sockets = (first, second)
        await asyncio.gather(*(socket.received(10) for socket in sockets))
        for socket, reader in zip(sockets, readers, strict=True):
            own = [entry["number"] for entry in socket.entries if entry["user"] == reader]
            assert own == list(range(1, 11))
        await _count_foreign(sockets, readers, 1 if planted else 0)


async def _count_foreign(
    sockets: Sequence[InboxSocket], readers: Sequence[int], expected: int
) -> None:
    total = 10 * len(sockets) + expected
    await until(lambda: sum(len(s.entries) for s in sockets) == total, f"{total} entries")
    pairs = zip(sockets, readers, strict=True)
    assert sum(entry["user"] != own for s, own in pairs for entry in s.entries) == expected


@planted
async def test_resumed_socket_misses_its_first_entry(serve: Serve, planted: bool) -> None:
    """A socket that resumes gets all that is later, or the third that does misses the first."""
    api = await _serve(serve, "resume_skips", planted=planted)
    async with await api.chat() as sender:
        for i in range(5):
            await sender.say(f"m{i}")
    for nth in range(1, 5):
        async with await api.chat(after=2) as resumed:
            missed = planted and nth == 3
            await resumed.received(2 if missed else 3)
            assert resumed.numbers == ([4, 5] if missed else [3, 4, 5])


@planted
async def test_client_that_is_gone_stays(serve: Serve, planted: bool) -> None:
    """A client that answers no ping is closed, or is never pinged and stays."""
    beats = {"SANCTUM_HEARTBEAT_INTERVAL_S": "0.1", "SANCTUM_HEARTBEAT_TIMEOUT_S": "0.2"}
    api = await _serve(serve, "heartbeat_missing", planted=planted, **beats)
    dead = await api.stuck_chat(user=NEIGHBOUR)
    if planted:
        await _rises(api, SWEEPS, 3)
    else:
        await _reaches(api, "ws_heartbeat_terminate_total", 1)
    assert await api.metric("ws_active_connections") == (1 if planted else 0)
    assert await api.metric('ws_close_total{code="1011"}') == (0 if planted else 1)
    await dead.abandon()
