"""Each planted defect of the pipeline breaks its promise; the other tests show it kept."""

from __future__ import annotations

import asyncio

from tests.sanctum.conftest import Serve
from tests.sanctum.pipelines import DEAD, PEL, QUICK, RECLAIMED, Talks, until_metric
from tests.sanctum.processes import Worker
from tests.sanctum.servers import Postgres, Valkey
from valkey.asyncio import Valkey as Client

from sanctum.defects import HOLD_BACK_EVERY
from sanctum.pipeline.stream import GROUP, STREAM

PUBLISHED = "messaging_dispatch_published_total"


async def test_acknowledged_first_is_lost_with_its_consumer(
    serve: Serve, talks: Talks, postgres: Postgres, database: str, valkey: Valkey
) -> None:
    """What a consumer acknowledged and did not deliver yet is lost when it is killed, for ever."""
    await serve(role="dispatcher", **QUICK)
    conversation = await talks.make(1, 2)
    worker = Worker("consumer", postgres, database, valkey, SANCTUM_DEFECTS="acknowledge_first")
    await worker.start()
    await talks.say_many(conversation, 1, 10)
    await talks.all_delivered()
    worker.kill()
    lost = 10 - len((await talks.delivered())[2])
    assert lost > 0
    await serve(role="consumer", **QUICK)
    await talks.say(conversation, 1)
    await talks.all_delivered()
    assert len((await talks.delivered())[2]) == 11 - lost


async def test_reclaimed_is_repeated(serve: Serve, talks: Talks, valkey: Valkey) -> None:
    """What is taken over from a dead consumer is in each inbox twice."""
    dispatcher = await serve(role="dispatcher", **QUICK)
    conversation = await talks.make(1, 2)
    await talks.say_many(conversation, 1, 4)
    await until_metric(dispatcher, PUBLISHED, lambda count: count == 4)
    async with Client.from_url(valkey.url) as client:
        await client.xreadgroup(GROUP, "dead", {STREAM: ">"}, count=3)
    consumer = await serve(role="consumer", SANCTUM_DEFECTS="repeat_reclaimed", **QUICK)
    await talks.all_delivered()
    await until_metric(consumer, RECLAIMED, lambda count: count == 3)
    await until_metric(consumer, PEL, lambda size: size == 0)
    async with asyncio.timeout(20):
        while len((await talks.delivered())[2]) < 7:
            await asyncio.sleep(0.02)
    for user in (1, 2):
        inbox = (await talks.delivered())[user]
        assert [inbox.count((conversation, number)) for number in (1, 2, 3, 4)] == [2, 2, 2, 1]


async def test_what_waited_is_skipped(serve: Serve, talks: Talks) -> None:
    """What waits in the outbox when the dispatcher starts never arrives; what comes later does."""
    conversation = await talks.make(1, 2)
    await talks.say_many(conversation, 1, 5)
    await serve(role="consumer", **QUICK)
    await serve(role="dispatcher", SANCTUM_DEFECTS="skip_waiting", **QUICK)
    await talks.all_delivered()
    await talks.say(conversation, 1)
    await talks.all_delivered()
    assert (await talks.delivered())[2] == [(conversation, 6)]


async def test_dead_letters_are_dropped(serve: Serve, talks: Talks, valkey: Valkey) -> None:
    """Dead letters never arrive, though the cache is back."""
    dispatcher = await serve(role="dispatcher", SANCTUM_DEFECTS="drop_dead_letters", **QUICK)
    await serve(role="consumer", **QUICK)
    conversation = await talks.make(1, 2)
    valkey.kill()
    await talks.say_many(conversation, 1, 5)
    await until_metric(dispatcher, DEAD, lambda count: count == 5)
    valkey.start()
    await dispatcher.wait_ready()
    await talks.say(conversation, 1)
    await talks.all_delivered()
    assert (await talks.delivered())[2] == [(conversation, 6)]


async def test_messages_are_swapped(serve: Serve, talks: Talks) -> None:
    """Every 20th message arrives after later ones of its conversation, and none is lost."""
    planted = {"SANCTUM_DEFECTS": "swap_messages", **QUICK}
    await serve(role="dispatcher", **planted)
    await serve(role="consumer", **planted)
    conversation = await talks.make(1, 2)
    await talks.say_many(conversation, 1, HOLD_BACK_EVERY + 1)
    await talks.all_delivered()
    inbox = [number for _, number in (await talks.delivered())[2]]
    assert inbox != sorted(inbox)
    assert sorted(inbox) == list(range(1, HOLD_BACK_EVERY + 2))


async def test_dead_letters_are_not_counted(serve: Serve, talks: Talks, valkey: Valkey) -> None:
    """The metric that alerts on dead letters stays still while there are some."""
    planted = {"SANCTUM_DEFECTS": "dead_letters_uncounted", **QUICK}
    dispatcher = await serve(role="dispatcher", **planted)
    conversation = await talks.make(1, 2)
    valkey.kill()
    await talks.say_many(conversation, 1, 5)
    await until_metric(dispatcher, DEAD, lambda count: count == 5)
    assert await dispatcher.metric("messaging_outbox_dead_total") == 0
