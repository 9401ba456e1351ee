"""Dispatcher and consumer killed at random instants under load: every count reconciles."""

from __future__ import annotations

import asyncio
import random

from tests.sanctum.pipelines import Talks
from tests.sanctum.processes import Worker
from tests.sanctum.servers import Postgres, Valkey
from valkey.asyncio import Valkey as Client

from sanctum.pipeline.stream import GROUP, STREAM

KILLS = 6
SEED = 20_260
CONVERSATIONS = 5
PAUSE_S = 0.01


class Load:
    """Say something in every conversation, one message after the other, until told to stop."""

    def __init__(self, talks: Talks, conversations: list[int]) -> None:
        self._talks = talks
        self._conversations = conversations
        self.said = 0
        self.over = False

    async def run(self) -> None:
        """Speak in all conversations at once."""
        await asyncio.gather(*(self._speak(one) for one in self._conversations))

    async def _speak(self, conversation: int) -> None:
        while not self.over:
            await self._talks.say(conversation, 1)
            self.said += 1
            await asyncio.sleep(PAUSE_S)


async def kill_again_and_again(workers: list[Worker], load: Load, kills: int, seed: int) -> None:
    """Kill one worker after the other, each after some messages more, and start it again."""
    chance = random.Random(seed)  # noqa: S311 - instants, no secrets
    for _ in range(kills):
        victim = chance.choice(workers)
        until = load.said + chance.randrange(20, 120)
        while load.said < until:
            await asyncio.sleep(0.001)
        victim.kill()
        await victim.start()


async def run_kills(
    talks: Talks, postgres: Postgres, database: str, valkey: Valkey, kills: int, seed: int
) -> int:
    """Do all of it and check every count; return how many messages there were."""
    workers = [Worker(role, postgres, database, valkey) for role in ("dispatcher", "consumer")]
    load = Load(talks, [await talks.make(1, 2, 3) for _ in range(CONVERSATIONS)])
    try:
        await asyncio.gather(*(worker.start() for worker in workers))
        speaking = asyncio.ensure_future(load.run())
        await kill_again_and_again(workers, load, kills, seed)
        load.over = True
        await speaking
        await talks.all_delivered()
        assert await talks.reconcile() == load.said * 3
        async with Client.from_url(valkey.url) as client, asyncio.timeout(20):
            while (await client.xpending(STREAM, GROUP))["pending"]:
                await asyncio.sleep(0.05)
            assert await client.xlen(STREAM) == 0
    finally:
        for worker in workers:
            worker.kill()
    return load.said


async def test_killed_workers_lose_and_repeat_nothing(
    talks: Talks, postgres: Postgres, database: str, valkey: Valkey
) -> None:
    """After kills at seeded instants, database, stream and inboxes agree on every message."""
    assert await run_kills(talks, postgres, database, valkey, KILLS, SEED) > KILLS * 20
