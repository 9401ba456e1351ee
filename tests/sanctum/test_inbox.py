"""Inboxes as their users and the domains that append to them see them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from tests.sanctum.clients import CHANNELS, Api
from tests.sanctum.conftest import DATABASE, SIZE, OpenLink, Serve
from tests.sanctum.inboxes import Parts
from tests.sanctum.pipelines import QUICK, Talks
from tests.sanctum.servers import DEADLINE_S, ROLE, ROLE_PASSWORD, Postgres, Valkey
from valkey.asyncio import Valkey as Client
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from sanctum.inbox.frames import TOPIC, entry_frame
from sanctum.inbox.storage import PAGE_BYTES, PAGE_ENTRIES
from sanctum.settings import Settings

NEIGHBOURS = [1 + CHANNELS * k for k in range(1, SIZE.users // CHANNELS)]  # of user 1
NEVER_S = "60"  # longer than a test takes


async def _post(api: Api, text: str = "hello") -> int:
    created = await api.call("POST", "/api/posts", {"text": text}, await api.token(1))
    assert created.status == 201, created
    post_id: int = created.body["id"]
    return post_id


async def _fill(postgres: Postgres, user: int, last: int, text: str = "", first: int = 1) -> None:
    """Store entries as the consumer does, without publishing any."""
    body = f"jsonb_build_object('kind', 'message', 'payload', '{text}' || i)"
    entries = f"SELECT {user}, i, 'message', convert_to(({body})::text, 'utf8')"
    await postgres.execute(
        f"INSERT INTO inboxes VALUES ({user}, {last})"  # noqa: S608
        " ON CONFLICT (user_id) DO UPDATE SET last_number = EXCLUDED.last_number",
        "INSERT INTO inbox_entries (user_id, number, kind, body)"
        f" {entries} FROM generate_series({first}, {last}) AS i",
        database=DATABASE,
    )


async def test_post_reaches_the_open_inboxes_of_its_readers(api: Api) -> None:
    """Each reader's sockets get one entry a post, with the notification that the list holds; a
    stranger's get none, and the count of unread is right at once."""
    sockets = [await api.inbox(reader) for reader in (*NEIGHBOURS, NEIGHBOURS[0])]
    stranger = await api.inbox(2)
    assert sockets[0].welcome == {
        "type": "welcome", "topic": "inbox", "user": NEIGHBOURS[0], "last": 0
    }  # fmt: skip
    post_id = await _post(api)
    for reader in NEIGHBOURS:
        token = await api.token(reader)
        unread = await api.call("GET", "/api/notifications/unread", token=token)
        assert unread.body["unread"] == 1
    for socket, reader in zip(sockets, (*NEIGHBOURS, NEIGHBOURS[0]), strict=True):
        await socket.received(1)
        token = await api.token(reader)
        (listed,) = (await api.call("GET", "/api/notifications", token=token)).body["notifications"]
        (entry,) = socket.entries
        assert entry.pop("created") > 0
        assert entry == {
            "user": reader,
            "number": 1,
            "kind": "notification",
            "notification": listed["id"],
            "event": "post",
            "actor": "user-0001",
            "post": post_id,
            "comment": None,
        }
    await _count(api, "inbox_delivered_total", len(sockets))
    assert await api.metric('inbox_appended_total{kind="notification"}') == len(NEIGHBOURS)
    assert await api.metric("notification_events_total") == len(NEIGHBOURS)
    assert stranger.entries == []
    for socket in (*sockets, stranger):
        await socket.close()


async def _count(api: Api, metric: str, expected: float) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while await api.metric(metric) != expected:
            await asyncio.sleep(0.02)


async def test_inbox_resumes_where_its_reader_left_off(api: Api, postgres: Postgres) -> None:
    """A socket opened after a number gets every later entry once, in order, then live ones."""
    count = PAGE_ENTRIES * 2 + 7
    await _fill(postgres, NEIGHBOURS[0], count)
    async with (
        await api.inbox(NEIGHBOURS[0], after=3) as resumed,
        await api.inbox(NEIGHBOURS[0]) as live,
    ):
        assert resumed.welcome["last"] == count
        await _post(api)
        await live.received(1)
        await resumed.received(count + 1 - 3)
        assert resumed.numbers == list(range(4, count + 2))
        assert live.numbers == [count + 1]


async def test_inbox_is_read_page_by_page_without_a_socket(api: Api, postgres: Postgres) -> None:
    """Following `last` while there is more gives what a socket is sent, and nobody else's."""
    await _fill(postgres, 1, PAGE_ENTRIES + 20)
    await _fill(postgres, 2, 1)
    token, entries, after, more = await api.token(1), [], 0, True
    while more:
        page = (await api.call("GET", f"/api/inbox?after={after}", token=token)).body
        entries += page["entries"]
        after, more = page["last"], page["more"]
    async with await api.inbox(1, after=0) as socket:
        await socket.received(PAGE_ENTRIES + 20)
        assert entries == socket.entries
    end = await api.call("GET", f"/api/inbox?after={after}", token=token)
    assert end.body == {"entries": [], "last": after, "more": False}
    assert (await api.call("GET", "/api/inbox")).status == 401
    for query in ("after=-1", "after=x", "after=99999999999999999999"):
        assert (await api.call("GET", f"/api/inbox?{query}", token=token)).status == 422


async def test_large_entries_pass_in_short_pages(
    api: Api, postgres: Postgres, parts: Parts
) -> None:
    """Entries of 64 KiB arrive unchanged, and no page that is read holds many of them."""
    text = "x" * 65_536
    await _fill(postgres, 1, 12, text)
    async with await api.inbox(1, after=0) as socket:
        await socket.received(12)
        assert socket.numbers == list(range(1, 13))
        assert [entry["payload"] for entry in socket.entries] == [
            f"{text}{i}" for i in range(1, 13)
        ]
    page = await parts.storage.after(1, 0)
    assert page.full
    assert sum(len(frame) for _, frame in page.frames) <= PAGE_BYTES + 1024
    await _fill(postgres, 2, 2, "x" * (PAGE_BYTES + 1))
    assert [number for number, _ in (await parts.storage.after(2, 0)).frames] == [1]


async def test_entries_of_another_process_are_passed_on(
    api: Api, postgres: Postgres, valkey: Valkey
) -> None:
    """What is published in order is passed on as it is; what comes early brings what is between."""
    await _fill(postgres, 1, 1)
    sockets = [await api.inbox(1), await api.inbox(1)]
    await _count(api, "inbox_catch_up_total", 2)
    await _fill(postgres, 1, 5, first=2)
    frames = [entry_frame(1, i, b'{"kind":"message","payload":"%d"}' % i) for i in range(1, 6)]
    async with Client.from_url(valkey.url) as other:
        for number in (2, 2, 5, 3):
            await other.publish(TOPIC, frames[number - 1])
    for socket in sockets:
        await socket.received(4)
        assert socket.numbers == [2, 3, 4, 5]
        assert [entry["payload"] for entry in socket.entries] == ["2", "3", "4", "5"]
        await socket.close()


async def test_inbox_survives_restarts_of_service_and_cache(serve: Serve, valkey: Valkey) -> None:
    """Across two processes, an empty new cache and a new process a reader misses nothing."""
    first = await serve(SANCTUM_SWEEP_INTERVAL_S=NEVER_S)
    second = await serve(SANCTUM_SWEEP_INTERVAL_S=NEVER_S)
    reader = NEIGHBOURS[0]
    here, there = await first.inbox(reader), await second.inbox(reader)
    await _post(first)
    await _post(second)
    for socket in (here, there):
        await socket.received(2)
    valkey.kill()
    await _post(first)
    await first.wait_ready(ready=False)
    await _post(second)
    valkey.start()
    for api in (first, second):
        await api.wait_ready()
    await _post(first)
    for socket in (here, there):
        await socket.received(5)
        assert socket.numbers == [1, 2, 3, 4, 5]
        await socket.close()
    third = await serve()
    async with await third.inbox(reader, after=2) as resumed:
        await resumed.received(3)
        assert resumed.numbers == [3, 4, 5]


async def test_messages_reach_open_inboxes_whatever_the_cache_does(
    serve: Serve, talks: Talks, valkey: Valkey
) -> None:
    """What the pipeline delivers is sent to every participant's sockets, once and in order, live
    and over an empty new cache, among the notifications of the same inbox."""
    api = await serve()
    dispatcher = await serve(role="dispatcher", **QUICK)
    consumer = await serve(role="consumer", **QUICK)
    reader = NEIGHBOURS[0]
    conversation = await talks.make(1, reader)
    sockets = [await api.inbox(1), await api.inbox(reader)]
    await talks.say_many(conversation, 1, 20)
    await _post(api)
    await sockets[1].received(21)
    valkey.kill()
    await talks.say_many(conversation, reader, 20)
    valkey.start()
    for process in (api, dispatcher, consumer):
        await process.wait_ready()
    await talks.say_many(conversation, 1, 20)
    for socket, total in zip(sockets, (60, 61), strict=True):
        await socket.received(total)
        assert socket.numbers == list(range(1, total + 1))
        messages = [e["message"] for e in socket.entries if e["kind"] == "message"]
        assert messages == list(range(1, 61))
        await socket.close()


async def test_nothing_but_pings_is_taken_of_an_inbox_client(api: Api) -> None:
    """A ping is answered under its id, everything else is refused, and the socket lives on."""
    async with await api.inbox() as socket:
        for frame in ('{"type":"ping","id":"p"}', '{"type":"send","id":"x","body":"y"}', "", b"\0"):
            await socket.connection.send(frame)
        await socket.received(4)
        assert socket.entries[0] == {"type": "pong", "id": "p"}
        assert [e["error"] for e in socket.entries[1:]] == ["invalid_frame"] * 3


async def _refused(url: str, **headers: str) -> int:
    with pytest.raises(InvalidStatus) as caught:
        await connect(url, additional_headers=headers)
    status: int = caught.value.response.status_code
    return status


async def test_ticket_opens_its_own_topic_only(api: Api) -> None:
    """A ticket of another topic or one used before is 403, and an unknown topic 404."""
    chat = (await api.ticket()).body["ticket"]
    assert await _refused(api.inbox_url(chat)) == 403
    assert await _refused(api.socket_url(1, await api.inbox_ticket())) == 403
    used = await api.inbox_ticket()
    async with connect(api.inbox_url(used)):
        assert await _refused(api.inbox_url(used)) == 403
    url = api.inbox_url(await api.inbox_ticket())
    assert await _refused(url.replace("/inbox?", "/outbox?")) == 404
    assert await _refused(url + "&after=x") == 422
    async with connect(url):
        assert await api.metric('sanctum_security_denied_total{what="socket"}') == 3


async def test_ticket_requests_are_checked(api: Api) -> None:
    """Another user's inbox is 403 and counted, a body that names no one thing to follow is 422."""
    token = await api.token(1)
    own = await api.call("POST", "/api/ws/ticket", {"topic": "inbox", "key": 1}, token)
    assert own.status == 201
    foreign = await api.call("POST", "/api/ws/ticket", {"topic": "inbox", "key": 2}, token)
    assert (foreign.status, foreign.body["error"]) == (403, "not_your_inbox")
    assert await api.metric('sanctum_security_denied_total{what="ticket"}') == 1
    bodies: Sequence[Any] = [
        {},
        {"key": 1},
        {"topic": "chat"},
        {"topic": "nothing"},
        {"topic": ""},
        {"topic": "inbox", "channel": 1},
        {"topic": 7},
        {"topic": "inbox", "key": 0},
    ]
    for body in bodies:
        answer = await api.call("POST", "/api/ws/ticket", body, token)
        assert answer.status == 422, body
    assert (await api.call("POST", "/api/ws/ticket", {"topic": "inbox"})).status == 401


async def test_ticket_that_expired_or_was_forged_is_refused(serve: Serve, valkey: Valkey) -> None:
    """A ticket not used in its time opens nothing, nor does one that nobody here issued."""
    api = await serve(SANCTUM_TICKET_TTL_S="1")
    ticket = await api.inbox_ticket()
    async with Client.from_url(valkey.url) as cache:
        async with asyncio.timeout(DEADLINE_S):
            while await cache.exists(f"sanctum:ticket:{ticket}"):
                await asyncio.sleep(0.05)
        await cache.set("sanctum:ticket:forged", b"{}")
    assert await _refused(api.inbox_url(ticket)) == 403
    assert await _refused(api.inbox_url("forged")) == 403


async def test_silent_database_delays_the_inbox_and_loses_nothing(
    serve: Serve, postgres: Postgres, database: str, open_link: OpenLink
) -> None:
    """Entries that could not be read while the database was away come once it is back."""
    link = await open_link(postgres.port)
    url = postgres.url(database, ROLE, ROLE_PASSWORD).replace(str(postgres.port), str(link.port))
    cut = await serve(SANCTUM_DATABASE_URL=url, SANCTUM_DATABASE_COMMAND_TIMEOUT_S="0.5")
    other = await serve()
    async with await cut.inbox(NEIGHBOURS[0]) as socket:
        await _count(cut, "inbox_catch_up_total", 1)
        link.hold()
        await _fill(postgres, NEIGHBOURS[0], 3)
        await _post(other)
        await cut.wait_ready(ready=False)
        link.release()
        await socket.received(4)
        assert socket.numbers == [1, 2, 3, 4]


def test_default_bounds_fit_each_other(settings: Settings) -> None:
    """A page fits the queue of a socket, and that holds dozens of the largest entries."""
    assert settings.socket_queue_max > PAGE_ENTRIES
    assert settings.socket_queue_bytes_max >= 32 * PAGE_BYTES
