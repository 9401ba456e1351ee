"""The pipeline without its cache, its database, or both: it says so, and nothing is lost."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest
from tests.sanctum.clients import Api
from tests.sanctum.conftest import OpenLink, Serve
from tests.sanctum.pipelines import DEAD, DELIVERED, PEL, QUICK, RECLAIMED, Talks, until_metric
from tests.sanctum.servers import LOOPBACK, ROLE, ROLE_PASSWORD, Postgres, Valkey
from valkey.asyncio import Valkey as Client

from sanctum.cli import main
from sanctum.pipeline.stream import GROUP, STREAM

LAG = "messaging_dispatch_lag_seconds"
PUBLISHED = "messaging_dispatch_published_total"
ALL_DEAD = "messaging_outbox_dead_total"


async def _serve_both(serve: Serve, **overrides: str) -> tuple[Api, Api]:
    environ = {**QUICK, **overrides}
    return await serve(role="dispatcher", **environ), await serve(role="consumer", **environ)


async def test_cache_that_comes_back_empty_loses_nothing(
    serve: Serve, talks: Talks, valkey: Valkey
) -> None:
    """What was relayed and not consumed is relayed again, before anything newer."""
    dispatcher = await serve(role="dispatcher", **QUICK)
    conversation, other = await talks.make(1, 2), await talks.make(2, 3)
    await talks.say_many(conversation, 1, 30)
    await until_metric(dispatcher, PUBLISHED, lambda count: count == 30)
    valkey.kill()
    await talks.say_many(conversation, 2, 5)
    valkey.start()
    await talks.say_many(other, 3, 5)
    consumer = await serve(role="consumer", **QUICK)
    await talks.all_delivered()
    assert await talks.reconcile() == 40 * 2
    await until_metric(consumer, DELIVERED, lambda count: count == 40)
    # Also where nothing new is said that would show it.
    await talks.say(conversation, 1)
    await talks.all_delivered()
    valkey.kill()
    valkey.start()
    await talks.say(conversation, 1)
    await talks.all_delivered()
    assert await talks.reconcile() == 42 * 2


async def test_vanished_entries_are_found_without_anything_new(
    serve: Serve, talks: Talks, valkey: Valkey
) -> None:
    """Entries that somebody took out of the stream are missed, though nobody says a word."""
    dispatcher = await serve(role="dispatcher", **QUICK)
    conversation = await talks.make(1, 2)
    await talks.say_many(conversation, 1, 10)
    await until_metric(dispatcher, PUBLISHED, lambda count: count == 10)
    async with Client.from_url(valkey.url) as client:
        await client.xtrim(STREAM, maxlen=4, approximate=False)
    await until_metric(dispatcher, PUBLISHED, lambda count: count == 16)
    await serve(role="consumer", **QUICK)
    await talks.all_delivered()
    assert await talks.reconcile() == 10 * 2


async def _assert_dead_letters(dispatcher: Api, count: int) -> None:
    await until_metric(dispatcher, DEAD, lambda dead: dead == count)
    assert await dispatcher.metric(ALL_DEAD) == count
    first = await until_metric(dispatcher, LAG, lambda lag: lag > 0)
    await until_metric(dispatcher, LAG, lambda lag: lag > first)


async def test_absent_cache_makes_dead_letters_that_replay_by_themselves(
    serve: Serve, talks: Talks, valkey: Valkey
) -> None:
    """Without a cache rows are set aside and counted; with it they come before what is newer."""
    dispatcher, consumer = await _serve_both(serve)
    conversation = await talks.make(1, 2)
    await talks.say_many(conversation, 1, 3)
    await talks.all_delivered()
    valkey.kill()
    await talks.say_many(conversation, 1, 20)
    await _assert_dead_letters(dispatcher, 20)
    assert await talks.pool.fetchval("SELECT count(*) FROM outbox_dead WHERE sink = 'redis'") == 20
    valkey.start()
    await talks.say_many(conversation, 2, 5)
    await talks.all_delivered()
    assert await talks.reconcile() == 28 * 2
    await until_metric(dispatcher, LAG, lambda lag: lag == 0)
    await until_metric(consumer, DELIVERED, lambda count: count == 28)
    assert await dispatcher.metric("messaging_dispatch_replayed_total") == 20


async def test_held_link_to_the_cache_loses_and_repeats_nothing(
    serve: Serve, talks: Talks, valkey: Valkey, open_link: OpenLink
) -> None:
    """Bytes that are held and passed on late change neither what arrives nor its order."""
    link = await open_link(valkey.port)
    dispatcher, _ = await _serve_both(serve, SANCTUM_CACHE_URL=f"valkey://{LOOPBACK}:{link.port}/0")
    conversation, other = await talks.make(1, 2), await talks.make(1, 2, 3)
    said, dead = 0, 0.0
    for _ in range(2):
        saying = asyncio.gather(talks.say_many(conversation, 1, 40), talks.say_many(other, 2, 40))
        link.hold()
        await saying
        said += 40
        dead = await until_metric(dispatcher, DEAD, lambda count, seen=dead: count > seen)  # type: ignore[misc]
        link.release()
        await talks.say_many(conversation, 2, 5)
        await talks.all_delivered()
    assert await talks.reconcile() == (said + 10) * 2 + said * 3


async def test_dead_letters_are_replayed_by_hand(
    serve: Serve,
    talks: Talks,
    valkey: Valkey,
    postgres: Postgres,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The command puts every dead letter back, and says how many; bad calls exit as always."""
    conversation = await talks.make(1, 2)
    await talks.say_many(conversation, 1, 3)
    await talks.pool.execute(
        "WITH dead AS (DELETE FROM outbox WHERE number < 3 RETURNING *) INSERT INTO outbox_dead"
        " SELECT id, conversation_id, number, author_id, client_id, payload, created_at, 'redis',"
        " 'test' FROM dead"
    )
    url = postgres.url(database, ROLE, ROLE_PASSWORD)
    monkeypatch.setattr(sys, "argv", ["sanctum", "replay"])
    monkeypatch.setattr(os, "environ", {"SANCTUM_DATABASE_URL": url})
    await asyncio.to_thread(main)
    assert capsys.readouterr().out == "replayed 2 messages\n"
    assert await talks.pool.fetchval("SELECT count(*) FROM outbox") == 3
    await _serve_both(serve)
    await talks.all_delivered()
    assert await talks.reconcile() == 3 * 2
    nowhere = {"SANCTUM_DATABASE_URL": f"postgresql://o@{LOOPBACK}:1/x"}
    monkeypatch.setattr(os, "environ", nowhere)
    with pytest.raises(SystemExit) as end:
        await asyncio.to_thread(main)
    assert end.value.code == 69


async def test_entries_of_a_dead_consumer_are_taken_over(
    serve: Serve, talks: Talks, valkey: Valkey
) -> None:
    """What a consumer held when it died is pending, then reclaimed, each entry counted once."""
    dispatcher = await serve(role="dispatcher", **QUICK)
    conversation = await talks.make(1, 2)
    await talks.say_many(conversation, 1, 20)
    await until_metric(dispatcher, PUBLISHED, lambda count: count == 20)
    async with Client.from_url(valkey.url) as client:
        held = await client.xreadgroup(GROUP, "dead", {STREAM: ">"}, count=12)
        assert len(held[0][1]) == 12
        consumer = await serve(role="consumer", **{**QUICK, "SANCTUM_RECLAIM_IDLE_S": "1"})
        await until_metric(consumer, PEL, lambda size: size == 20)
        await talks.say_many(conversation, 1, 5)
        await talks.all_delivered()
        await until_metric(consumer, PEL, lambda size: size == 0)
    assert await consumer.metric(RECLAIMED) == 12
    assert await talks.reconcile() == 25 * 2


async def test_held_database_keeps_entries_pending(
    serve: Serve,
    talks: Talks,
    valkey: Valkey,
    postgres: Postgres,
    database: str,
    open_link: OpenLink,
) -> None:
    """Without its database a consumer keeps what it read, says DOWN, and goes on by itself."""
    link = await open_link(postgres.port)
    url = postgres.url(database, ROLE, ROLE_PASSWORD).replace(str(postgres.port), str(link.port))
    await serve(role="dispatcher", **QUICK)
    consumer = await serve(
        role="consumer",
        SANCTUM_DATABASE_URL=url,
        SANCTUM_DATABASE_COMMAND_TIMEOUT_S="0.5",
        **QUICK,
    )
    conversation = await talks.make(1, 2)
    await talks.say(conversation, 1)
    await talks.all_delivered()
    link.hold()
    await talks.say_many(conversation, 1, 10)
    await until_metric(consumer, PEL, lambda size: size > 0)
    await until_metric(consumer, "messaging_consumer_lag_seconds", lambda lag: lag > 1)
    assert (await consumer.call("GET", "/health")).body["status"] == "DOWN"
    link.release()
    await talks.all_delivered()
    await until_metric(consumer, PEL, lambda size: size == 0)
    assert await talks.reconcile() == 11 * 2
    await consumer.wait_ready()


async def test_both_away_is_survived(
    serve: Serve,
    talks: Talks,
    valkey: Valkey,
    postgres: Postgres,
    database: str,
    open_link: OpenLink,
) -> None:
    """With database and cache away the workers live, and deliver all once both are back."""
    link = await open_link(postgres.port)
    url = postgres.url(database, ROLE, ROLE_PASSWORD).replace(str(postgres.port), str(link.port))
    bounds = {"SANCTUM_DATABASE_URL": url, "SANCTUM_DATABASE_COMMAND_TIMEOUT_S": "0.5"}
    workers = await _serve_both(serve, **bounds)
    conversation = await talks.make(1, 2)
    await talks.say_many(conversation, 1, 5)
    link.hold()
    valkey.kill()
    await talks.say_many(conversation, 2, 15)
    for worker in workers:
        await worker.wait_ready(ready=False)
        assert (await worker.call("GET", "/health/live")).status == 200
        await until_metric(worker, "process_open_fds", lambda count: count > 0)
    valkey.start()
    link.release()
    await talks.all_delivered()
    assert await talks.reconcile() == 20 * 2
    for worker in workers:
        await worker.wait_ready()
