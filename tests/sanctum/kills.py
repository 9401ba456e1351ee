"""Kill dispatcher and consumer at random instants under load, and check every count.

Run by hand, from the top of the repository, as often as wanted:

    python -m tests.sanctum.kills --kills 20 --seed 7
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys

from tests.sanctum.pipelines import Talks
from tests.sanctum.processes import Worker
from tests.sanctum.servers import ROLE, ROLE_PASSWORD, Postgres, Valkey
from valkey.asyncio import Valkey as Client

from sanctum.migrations.runner import migrate
from sanctum.pipeline.stream import GROUP, STREAM
from sanctum.seeding import SeedSize, seed

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


def main() -> None:
    """Kill as often as asked on servers of its own; say what was counted."""
    options = argparse.ArgumentParser(description="Kill the pipeline's processes under load.")
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    postgres, valkey, database = Postgres(), Valkey(), "kills"
    try:
        postgres.start()
        asyncio.run(postgres.execute(f"CREATE DATABASE {database}"))
        migrate(postgres.url(database), postgres.url(database, ROLE, ROLE_PASSWORD))
        seed(postgres.url(database), SeedSize(users=5, channels=1, posts=1), "synthetic-password")
        valkey.start()
        said = asyncio.run(_run_alone(postgres, database, valkey, asked.kills, asked.seed))
    finally:
        valkey.kill()
        postgres.stop()
    sys.stdout.write(
        f"{asked.kills} kills (seed {asked.seed}): {said} messages, {said * 3} inbox entries, each"
        " once and in order; outbox, dead letters and stream are empty\n"
    )


async def _run_alone(
    postgres: Postgres, database: str, valkey: Valkey, kills: int, seed_of_kills: int
) -> int:
    async with Talks(postgres, database) as talks:
        return await run_kills(talks, postgres, database, valkey, kills, seed_of_kills)


if __name__ == "__main__":
    main()
