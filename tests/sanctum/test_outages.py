"""Outages of the cache and of the database, as users, operators and open sockets see them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from time import monotonic

import pytest
from tests.sanctum.clients import CHANNELS, Api, Chat
from tests.sanctum.conftest import DATABASE, OpenLink, Serve
from tests.sanctum.servers import DEADLINE_S, LOOPBACK, ROLE, ROLE_PASSWORD, Postgres, Valkey, until
from valkey.asyncio import Valkey as Client
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from sanctum.chat.domain import TOPIC
from sanctum.settings import Settings

NEVER_S = "60"  # longer than a test takes
USERS = (1, 1 + CHANNELS, 1 + 2 * CHANNELS)


async def _open_chats(api: Api, stack: AsyncExitStack) -> list[Chat]:
    return [await stack.enter_async_context(await api.chat(user=user)) for user in USERS]


async def _say_all(chats: list[Chat], tag: str, rounds: int = 5) -> None:
    for i in range(rounds):
        for chat in chats:
            await chat.say(f"{tag}-{i}")


async def until_lost(api: Api) -> None:
    """Wait until a process has given up its subscription."""
    async with asyncio.timeout(DEADLINE_S):
        while not await api.metric('cache_errors_total{operation="subscribe"}'):
            await asyncio.sleep(0.02)


async def _all_received(chats: list[Chat], count: int) -> None:
    for chat in chats:
        await chat.received(count)
        assert chat.numbers == list(range(1, count + 1))


async def _assert_degraded(api: Api) -> None:
    """Check every promise for a service whose cache is away."""
    await api.wait_ready(ready=False)
    health = await api.call("GET", "/health")
    assert (health.status, health.body["status"]) == (200, "DEGRADED")
    assert health.body["dependencies"]["database"]["status"] == "UP"
    assert health.body["dependencies"]["cache"]["status"] == "DOWN"
    ready = await api.call("GET", "/health/ready")
    assert (ready.status, ready.body["causes"]) == (503, ["cache"])
    assert (await api.call("GET", "/health/live")).status == 200
    ticket = await api.ticket()
    assert (ticket.status, ticket.body["error"]) == (503, "cache_unavailable")
    feed = await api.call("GET", "/api/feed", token=await api.token())
    assert feed.status == 200
    login = {"username": "user-0002", "password": "sanctum-demo-password"}
    assert (await api.call("POST", "/api/auth/login", login)).status == 200
    refusal = api.call("POST", "/api/auth/login", {**login, "password": "not the password"})
    assert (await refusal).status == 401


async def test_paused_cache_delays_nothing_but_tickets(serve: Serve, valkey: Valkey) -> None:
    """With the cache silent, sends are acknowledged and delivered, and later all is well again."""
    api = await serve(SANCTUM_SWEEP_INTERVAL_S=NEVER_S)
    async with AsyncExitStack() as stack:
        chats = await _open_chats(api, stack)
        await _say_all(chats, "before")
        valkey.pause()
        try:
            await _say_all(chats, "during")
            await _assert_degraded(api)
            await until_lost(api)
            await _say_all(chats, "later")
            await _all_received(chats, 45)
        finally:
            valkey.resume()
        await api.wait_ready()
        assert (await api.ticket()).status == 201
        await _say_all(chats, "after")
        await _all_received(chats, 60)


async def test_held_link_is_survived(serve: Serve, valkey: Valkey, open_link: OpenLink) -> None:
    """Bytes held in the link and passed on late neither lose nor repeat a message."""
    link = await open_link(valkey.port)
    url = f"valkey://{LOOPBACK}:{link.port}/0"
    api = await serve(SANCTUM_CACHE_URL=url, SANCTUM_SWEEP_INTERVAL_S=NEVER_S)
    async with AsyncExitStack() as stack:
        chats = await _open_chats(api, stack)
        for outage in range(2):
            link.hold()
            await _say_all(chats, f"during-{outage}")
            await _assert_degraded(api)
            link.release()
            await api.wait_ready()
            await _say_all(chats, f"after-{outage}")
        await _all_received(chats, 60)
        assert (await api.ticket()).status == 201


async def test_restarted_cache_is_survived(serve: Serve, valkey: Valkey) -> None:
    """A cache that is killed and comes back empty costs no message, no socket and no log-in."""
    api = await serve(SANCTUM_SWEEP_INTERVAL_S=NEVER_S)
    async with AsyncExitStack() as stack:
        chats = await _open_chats(api, stack)
        await _say_all(chats, "before")
        valkey.kill()
        await _say_all(chats, "during")
        await _assert_degraded(api)
        valkey.start()
        await api.wait_ready()
        await _say_all(chats, "after")
        await _all_received(chats, 45)
        assert (await api.ticket()).status == 201


async def test_socket_is_refused_while_the_cache_is_away(serve: Serve, valkey: Valkey) -> None:
    """A handshake whose ticket cannot be checked is answered 503 with a clear body."""
    api = await serve()
    ticket = (await api.ticket()).body["ticket"]
    valkey.pause()
    try:
        with pytest.raises(InvalidStatus) as refused:
            await connect(api.socket_url(1, ticket))
    finally:
        valkey.resume()
    assert refused.value.response.status_code == 503
    assert b"cache_unavailable" in (refused.value.response.body or b"")


async def test_failing_operation_shows_in_health_at_once(serve: Serve, valkey: Valkey) -> None:
    """The answer that refuses a ticket is never followed by a ready one while the cache is away."""
    api = await serve(SANCTUM_HEALTH_INTERVAL_S="0.5")
    await api.token()
    valkey.kill()
    assert (await api.ticket()).status == 503
    assert not await api.ready()


async def test_ready_means_that_tickets_work(serve: Serve, valkey: Valkey) -> None:
    """From the first ready answer after an outage on, tickets are issued and open sockets."""
    api = await serve()
    for _ in range(3):
        valkey.kill()
        await api.wait_ready(ready=False)
        valkey.start()
        await api.wait_ready()
        async with asyncio.TaskGroup() as tickets:
            issued = [tickets.create_task(api.ticket()) for _ in range(20)]
        assert [task.result().status for task in issued] == [201] * 20
        async with await api.chat() as chat:
            await chat.say("hello")


@pytest.mark.parametrize("sweeping", [True, False])
async def test_publications_missed_by_one_process_reach_it(
    serve: Serve, valkey: Valkey, open_link: OpenLink, sweeping: bool
) -> None:
    """A process not told of messages finds them by its sweep, or once it is subscribed again."""
    link = await open_link(valkey.port)
    url = f"valkey://{LOOPBACK}:{link.port}/0"
    interval = "0.5" if sweeping else NEVER_S
    cut_off = await serve(SANCTUM_CACHE_URL=url, SANCTUM_SWEEP_INTERVAL_S=interval)
    other = await serve()
    here, there = await cut_off.chat(user=1), await other.chat(user=1 + CHANNELS)
    link.hold()
    await cut_off.wait_ready(ready=False)
    await until_lost(cut_off)
    for i in range(5):
        await there.say(f"there-{i}")
    if not sweeping:
        link.release()
    await here.received(5)
    link.release()
    await here.say("here")
    await there.received(6)
    for chat in (here, there):
        assert chat.numbers == [1, 2, 3, 4, 5, 6]
        await chat.close()


async def test_foreign_publication_is_ignored(serve: Serve, valkey: Valkey) -> None:
    """What somebody else publishes under the service's topic does not stop the fan-out."""
    api = await serve()
    async with await api.chat() as chat, Client.from_url(valkey.url) as foreign:
        for payload in (
            b"no json",
            b"{}",
            b'{"channel":1}',
            b'{"channel":1,"number":"x"}',
            b"\xff",
        ):
            await foreign.publish(TOPIC, payload)
        await chat.say("hello")
        await chat.received(1)
        assert await api.ready()


async def _until_health(api: Api, accept: Callable[[int, str], bool]) -> None:
    end = monotonic() + DEADLINE_S
    while True:
        answer = await api.call("GET", "/health")
        if accept(answer.status, answer.body["status"]):
            return
        assert monotonic() < end, answer
        await asyncio.sleep(0.02)


async def test_held_database_is_down_and_comes_back(
    serve: Serve, database: str, postgres: Postgres, open_link: OpenLink
) -> None:
    """Without its database the service says DOWN and refuses; sockets stay, and all comes back."""
    link = await open_link(postgres.port)
    url = postgres.url(database, ROLE, ROLE_PASSWORD).replace(str(postgres.port), str(link.port))
    api = await serve(SANCTUM_DATABASE_URL=url, SANCTUM_DATABASE_COMMAND_TIMEOUT_S="0.5")
    token = await api.token()
    async with await api.chat() as chat:
        await chat.say("before")
        link.hold()
        await _until_health(api, lambda status, text: (status, text) == (503, "DOWN"))
        assert (await api.call("GET", "/health/live")).status == 200
        assert (await api.call("GET", "/health/ready")).body["causes"] == ["database"]
        feed = await api.call("GET", "/api/feed", token=token)
        assert (feed.status, feed.body["error"]) == (503, "database_unavailable")
        await chat.send("during")
        await until(lambda: bool(chat.of("error")), "the send is refused")
        assert chat.of("error")[0]["error"] == "database_unavailable"
        link.release()
        await _until_health(api, lambda status, text: (status, text) == (200, "UP"))
        assert (await api.call("GET", "/api/feed", token=token)).status == 200
        number = await chat.say("after")
        await chat.received(number)
        assert chat.numbers == list(range(1, number + 1))


async def test_read_only_database_is_down(serve: Serve, postgres: Postgres) -> None:
    """A database that takes no writes, as one that lost its place to another, is told as away: 503
    and not ready, until it takes them again."""
    api = await serve()
    token = await api.token()
    sessions = f"FROM pg_stat_activity WHERE usename = '{ROLE}'"
    end_sessions = f"SELECT pg_terminate_backend(pid) {sessions}"
    setting = f"ALTER DATABASE {DATABASE} SET default_transaction_read_only"
    await postgres.execute(f"{setting} = on", end_sessions)
    try:
        await api.wait_ready(ready=False)
        assert (await api.call("POST", "/api/posts", {"text": "refused"}, token)).status == 503
    finally:
        await postgres.execute(f"{setting} = off", end_sessions)
    await api.wait_ready()
    assert (await api.call("POST", "/api/posts", {"text": "stored"}, token)).status == 201


async def test_both_away_is_told_and_survived(
    serve: Serve, database: str, postgres: Postgres, valkey: Valkey, open_link: OpenLink
) -> None:
    """Database, then cache, then both away: each is told apart, and all is served again after."""
    link = await open_link(postgres.port)
    url = postgres.url(database, ROLE, ROLE_PASSWORD).replace(str(postgres.port), str(link.port))
    api = await serve(SANCTUM_DATABASE_URL=url)
    token = await api.token()
    for without_database, without_cache in ((True, False), (True, True), (False, True)):
        away = ["database"] * without_database + ["cache"] * without_cache
        link.hold() if without_database else link.release()
        valkey.pause() if without_cache else valkey.resume()
        await _until_causes(api, away)
        feed = await api.call("GET", "/api/feed", token=token)
        assert feed.status == (503 if without_database else 200)
        assert (await api.ticket()).status == 503
        health = await api.call("GET", "/health")
        expected = (503, "DOWN") if without_database else (200, "DEGRADED")
        assert (health.status, health.body["status"]) == expected
        assert (await api.call("GET", "/health/live")).status == 200
    valkey.resume()
    await api.wait_ready()
    assert (await api.call("GET", "/api/feed", token=token)).status == 200
    assert (await api.ticket()).status == 201


async def _until_causes(api: Api, away: list[str]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while (await api.call("GET", "/health/ready")).body.get("causes") != away:
            await asyncio.sleep(0.02)


async def test_service_starts_without_its_dependencies(
    serve: Serve, valkey: Valkey, postgres: Postgres, open_link: OpenLink, database: str
) -> None:
    """Started before database and cache are there, it lives, is not ready, and becomes so."""
    link = await open_link(postgres.port)
    link.hold()
    valkey.kill()
    url = postgres.url(database, ROLE, ROLE_PASSWORD).replace(str(postgres.port), str(link.port))
    api = await serve(ready=False, SANCTUM_DATABASE_URL=url)
    assert (await api.call("GET", "/health/live")).status == 200
    ready = await api.call("GET", "/health/ready")
    assert (ready.status, ready.body["causes"]) == (503, ["database", "cache"])
    link.release()
    valkey.start()
    await api.wait_ready()


async def test_unmigrated_database_is_not_ready(serve: Serve, postgres: Postgres) -> None:
    """A database without the schema answers, yet the service does not call itself ready."""
    await postgres.execute("CREATE DATABASE empty")
    url = postgres.url("empty", ROLE, ROLE_PASSWORD)
    api = await serve(ready=False, SANCTUM_DATABASE_URL=url)
    assert (await api.call("GET", "/health")).status == 503
    metric = 'storage_errors_total{type="UndefinedTableError"}'
    async with asyncio.timeout(DEADLINE_S):
        while not await api.metric(metric):
            await asyncio.sleep(0.02)
    assert not await api.ready()


def test_default_bounds_keep_health_honest(settings: Settings) -> None:
    """With the defaults a silent dependency is known as such within 1.5 s of any first failure."""
    assert settings.cache_timeout_s <= 0.5
    assert settings.health_interval_s + settings.health_deadline_s <= 1.0
    assert settings.health_interval_s + settings.cache_timeout_s <= 1.0
