"""The pipeline: what is stored arrives in every inbox, once and in order."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.sanctum.conftest import Serve
from tests.sanctum.pipelines import DELIVERED, PEL, QUICK, Talks, until_healthy, until_metric
from tests.sanctum.servers import Valkey
from valkey.asyncio import Valkey as Client

from sanctum.backing.cache import Cache
from sanctum.defects import Defects
from sanctum.pipeline.stream import GROUP, STREAM, TOPIC, Stream
from sanctum.telemetry.metrics import Metrics

REPEATED = "messaging_consumer_repeated_total"
PUBLISHED = "messaging_dispatch_published_total"


async def test_stored_messages_arrive_once_and_in_order(serve: Serve, talks: Talks) -> None:
    """Every participant gets every message, the author too, and the others count it as unread."""
    dispatcher, consumer = await serve(role="dispatcher"), await serve(role="consumer")
    both, all_three = await talks.make(1, 2), await talks.make(1, 2, 3)
    await asyncio.gather(talks.say_many(both, 2, 20), talks.say_many(all_three, 1, 20))
    await talks.all_delivered()
    assert await talks.reconcile() == 20 * 2 + 20 * 3
    await until_metric(dispatcher, PUBLISHED, lambda count: count == 40)
    await until_metric(consumer, DELIVERED, lambda delivered: delivered == 40)
    await until_metric(consumer, PEL, lambda size: size == 0)
    assert await dispatcher.metric("messaging_dispatch_lag_seconds") < 20
    await until_metric(dispatcher, "messaging_dispatch_lag_seconds", lambda lag: lag == 0)
    await until_metric(consumer, "messaging_consumer_lag_seconds", lambda lag: lag == 0)


async def test_frames_are_published_as_inboxes_keep_them(
    serve: Serve, talks: Talks, valkey: Valkey
) -> None:
    """Each arrival is published with whose it is and its number, a payload of 64 KiB as well."""
    await serve(role="dispatcher")
    await serve(role="consumer")
    payload = 'ü"\\\n' + "x" * 65_530
    frames: list[dict[str, Any]] = []
    async with Client.from_url(valkey.url) as client, client.pubsub() as subscription:
        await subscription.subscribe(TOPIC)
        conversation = await talks.make(1, 2)
        await talks.say(conversation, 1, payload)
        await talks.say(conversation, 2, "short")
        async with asyncio.timeout(20):
            while len(frames) < 4:
                told = await subscription.get_message(ignore_subscribe_messages=True, timeout=1)
                if told is not None:
                    frames.append(json.loads(told["data"]))
    first = next(frame for frame in frames if (frame["user"], frame["number"]) == (2, 1))
    assert 1.7e9 < first.pop("created") < 1e11
    assert first == {
        "user": 2,
        "number": 1,
        "kind": "message",
        "conversation": conversation,
        "message": 1,
        "id": "client-1",
        "from": 1,
        "payload": payload,
    }
    numbers = [frame["number"] for frame in frames if frame["user"] == 1]
    assert numbers == [1, 2]


async def test_repeated_and_foreign_entries_deliver_nothing(
    serve: Serve, talks: Talks, valkey: Valkey
) -> None:
    """An entry that comes again, or that is no message, is counted and thrown away."""
    dispatcher, consumer = await serve(role="dispatcher"), await serve(role="consumer")
    conversation = await talks.make(1, 2)
    await talks.say_many(conversation, 1, 3)
    await talks.all_delivered()
    async with Client.from_url(valkey.url) as client:
        for number in (3, 1, 2):
            await client.xadd(STREAM, talks.entry(conversation, number))
        good = talks.entry(conversation, 1)
        bad = [{"x": "y"}, {**good, "id": b"\xff"}, {**good, "created": "nan"}]
        bad += [{**good, "number": number} for number in ("one", "0", str(2**63), str(10**300))]
        for foreign in bad:
            await client.xadd(STREAM, foreign)
        await until_metric(consumer, REPEATED, lambda count: count == 3)
        await until_metric(consumer, "messaging_consumer_unreadable_total", lambda n: n == len(bad))
        await talks.say(conversation, 2)
        await talks.all_delivered()
        await until_metric(consumer, PEL, lambda size: size == 0)
        assert await client.xlen(STREAM) == 0
    assert await talks.reconcile() == 4 * 2
    assert await dispatcher.metric(PUBLISHED) == 4


async def test_message_waits_for_the_earlier_ones_of_its_conversation(
    serve: Serve, talks: Talks, valkey: Valkey
) -> None:
    """Entries in the wrong order are delivered in the right one; other conversations go ahead."""
    consumer = await serve(role="consumer")
    held, free = await talks.make(1, 2), await talks.make(1, 3)
    await talks.say_many(held, 1, 4)
    await talks.say(free, 1)
    async with Client.from_url(valkey.url) as client:
        await client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        for number in (4, 2, 3):
            await client.xadd(STREAM, talks.entry(held, number))
        await client.xadd(STREAM, talks.entry(free, 1))
        await until_metric(consumer, DELIVERED, lambda count: count == 1)
        await until_metric(consumer, PEL, lambda size: size == 3)
        assert await talks.delivered() == {1: [(free, 1)], 3: [(free, 1)]}
        await client.xadd(STREAM, talks.entry(held, 1))
        await talks.all_delivered()
    assert await talks.reconcile() == 5 * 2


async def test_who_joined_later_gets_later_messages_only(serve: Serve, talks: Talks) -> None:
    """A message does not arrive at those who joined after it, were removed, or lost it whole."""
    late, gone, deleted = await talks.make(1, 2), await talks.make(1, 2), await talks.make(1, 2)
    for conversation in (late, gone, deleted):
        await talks.say_many(conversation, 1, 2)
    await talks.pool.execute("INSERT INTO participants VALUES ($1, 3, 1)", late)
    await talks.pool.execute(
        "DELETE FROM participants WHERE conversation_id = $1 AND user_id = 2", gone
    )
    await talks.pool.execute("DELETE FROM conversations WHERE id = $1", deleted)
    await serve(role="dispatcher")
    await serve(role="consumer")
    await talks.all_delivered()
    await talks.reconcile()
    inboxes = await talks.delivered()
    assert inboxes[3] == [(late, 2)]
    assert (gone, 1) in inboxes[1]
    assert (gone, 1) not in inboxes[2]
    assert deleted not in {conversation for conversation, _ in inboxes[1]}


async def test_several_of_each_share_the_work(serve: Serve, talks: Talks) -> None:
    """Two dispatchers and three consumers at once deliver everything once and in order."""
    for role in ("dispatcher", "dispatcher", "consumer", "consumer", "consumer"):
        await serve(role=role, **QUICK)
    conversations = [await talks.make(1, 2, 3, 4) for _ in range(4)]
    await asyncio.gather(*(talks.say_many(one, 1 + one % 4, 50) for one in conversations))
    await talks.all_delivered()
    assert await talks.reconcile() == 4 * 50 * 4


async def test_a_full_stream_leaves_the_rest_in_the_outbox(
    serve: Serve, talks: Talks, valkey: Valkey
) -> None:
    """Without a consumer the stream grows to its bound and the lag tells what waits."""
    dispatcher = await serve(role="dispatcher", SANCTUM_STREAM_ENTRIES_MAX="100")
    conversation = await talks.make(1, 2)
    async with Client.from_url(valkey.url) as client:
        await talks.say_many(conversation, 1, 101)
        relayed = await until_metric(dispatcher, PUBLISHED, lambda count: count >= 100)
        await talks.say_many(conversation, 1, 50)
        await until_metric(dispatcher, "messaging_dispatch_lag_seconds", lambda lag: lag > 0.3)
        assert await client.xlen(STREAM) <= relayed + 1
    await serve(role="consumer")
    await talks.all_delivered()
    assert await talks.reconcile() == 151 * 2


async def test_workers_tell_operators_how_they_are(serve: Serve, valkey: Valkey) -> None:
    """Dispatcher and consumer answer health and metrics, and nothing of the api."""
    workers = [await serve(role=role) for role in ("dispatcher", "consumer")]
    for worker in workers:
        assert (await worker.call("GET", "/health")).body["status"] == "UP"
        assert (await worker.call("GET", "/health/live")).status == 200
        assert (await worker.call("GET", "/api/feed")).status == 404
    valkey.kill()
    for worker in workers:
        await worker.wait_ready(ready=False)
        assert (await worker.call("GET", "/health")).body["status"] == "DEGRADED"


async def test_consumers_that_hold_nothing_are_forgotten(valkey: Valkey) -> None:
    """Names of consumers that are gone do not pile up; one that left entries is kept."""
    cache = Cache(valkey.url, pool_max=2, timeout_s=0.5, defects=Defects(), metrics=Metrics())
    await until_healthy(cache)
    stream = Stream(cache)
    await stream.make()
    async with Client.from_url(valkey.url) as client:
        await client.xadd(STREAM, {"x": "y"})
        await client.xreadgroup(GROUP, "holds", {STREAM: ">"}, count=1)
        await client.xreadgroup(GROUP, "idle", {STREAM: ">"}, count=1)
        await stream.forget_idle(60_000)
        assert len(await client.xinfo_consumers(STREAM, GROUP)) == 2
        async with asyncio.timeout(20):
            while len(left := await client.xinfo_consumers(STREAM, GROUP)) == 2:
                await stream.forget_idle(1)
        assert [one["name"] for one in left] == [b"holds"]
    await cache.close()
