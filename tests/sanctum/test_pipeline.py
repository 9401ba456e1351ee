"""The pipeline: what is stored arrives in every inbox, once, in order, whoever is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic

import pytest
from tests.sanctum.clients import Api
from tests.sanctum.conftest import Serve
from tests.sanctum.pipelines import Talks
from tests.sanctum.servers import DEADLINE_S, Postgres

DEAD = 'messaging_dispatch_dlq_total{sink="redis"}'
RECLAIMED = "messaging_consumer_pel_reclaimed_total"
DELIVERED = "messaging_consumer_delivered_total"
PEL = "messaging_consumer_pel_size"


@pytest.fixture
async def talks(postgres: Postgres, database: str) -> AsyncIterator[Talks]:
    """Give conversations in the database."""
    async with Talks(postgres, database) as made:
        yield made


async def _until(ask: Callable[[], Awaitable[float]], accept: Callable[[float], bool]) -> float:
    end = monotonic() + DEADLINE_S
    while not accept(value := await ask()):
        assert monotonic() < end, f"timed out at {value}"
        await asyncio.sleep(0.02)
    return value


async def _until_metric(api: Api, name: str, accept: Callable[[float], bool]) -> float:
    return await _until(lambda: api.metric(name), accept)


async def test_stored_messages_arrive_once_and_in_order(serve: Serve, talks: Talks) -> None:
    """Every participant gets every message, the author too, and the others count it as unread."""
    dispatcher, consumer = await serve(role="dispatcher"), await serve(role="consumer")
    both, all_three = await talks.make(1, 2), await talks.make(1, 2, 3)
    await asyncio.gather(talks.say_many(both, 2, 20), talks.say_many(all_three, 1, 20))
    await talks.all_delivered()
    assert await talks.reconcile() == 20 * 2 + 20 * 3
    assert await dispatcher.metric("messaging_dispatch_published_total") == 40
    await _until_metric(consumer, DELIVERED, lambda delivered: delivered == 40)
    await _until_metric(consumer, PEL, lambda size: size == 0)
