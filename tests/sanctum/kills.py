"""Kill Sanctum's processes at random instants under load, and check every count.

Clients post over HTTP and repeat under the same idempotency key until they are answered; each
user's inbox is followed over a socket that is opened anew after the last entry it was sent. At the
end the database, the stream and what the clients hold must agree on every message.

Run by hand, from the top of the repository, as often as wanted; every process is killed so often:

    python -m tests.sanctum.kills --kills 20 --seed 7
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from typing import Any

from tests.sanctum.clients import Api
from tests.sanctum.pipelines import Talks
from tests.sanctum.processes import Worker
from tests.sanctum.servers import ROLE, ROLE_PASSWORD, Postgres, Valkey, until
from valkey.asyncio import Valkey as Client
from websockets.exceptions import WebSocketException

from sanctum.migrations.runner import migrate
from sanctum.pipeline.stream import GROUP, STREAM
from sanctum.seeding import SeedSize, seed

ROLES = ("api", "dispatcher", "consumer")
USERS = (1, 2, 3)
CONVERSATIONS = 5
PAUSE_S = 0.01
RETRY_S = 0.02
PATIENCE_S = 60
# Told again later: an answer that says nothing of whether the message was stored.
UNDECIDED = (429, 503)
_STORED = "SELECT conversation_id, number, client_id FROM conversation_messages"
_INBOX = "SELECT number, body FROM inbox_entries WHERE user_id = $1 ORDER BY number"


class Load:
    """Say something in every conversation, one message after the other, until told to stop.

    Attributes:
        said: what was acknowledged: conversation, number and idempotency key of each message.
        repeated: how many were acknowledged as stored by an earlier request.
        over: stops the load.
    """

    def __init__(self, api: Api, conversations: list[int]) -> None:
        self._api = api
        self._conversations = conversations
        self.said: list[tuple[int, int, str]] = []
        self.repeated = 0
        self.over = False

    async def run(self) -> None:
        """Speak in all conversations at once."""
        await asyncio.gather(*(self._speak(one) for one in self._conversations))

    async def reached(self, count: int) -> None:
        """Wait until that many messages are acknowledged."""
        await until(
            lambda: len(self.said) >= count, f"{count} messages are acknowledged", PATIENCE_S
        )

    async def _speak(self, conversation: int) -> None:
        author, count = USERS[conversation % len(USERS)], 0
        while not self.over:
            count += 1
            number = await self._say(conversation, author, f"{conversation}-{count}")
            self.said.append((conversation, number, f"{conversation}-{count}"))
            await asyncio.sleep(PAUSE_S)

    async def _say(self, conversation: int, author: int, key: str) -> int:
        """Post a message until it is acknowledged; return its number."""
        body = {"conversation": conversation, "id": key, "payload": f"says {key}"}
        while True:
            try:
                token = await self._api.token(author)
                answer = await self._api.call("POST", "/v1/messages", body, token)
            except OSError:
                await asyncio.sleep(RETRY_S)
                continue
            if answer.status not in UNDECIDED:
                assert answer.status in (200, 201), answer
                assert answer.body["id"] == key
                self.repeated += answer.status == 200
                number: int = answer.body["number"]
                return number
            await asyncio.sleep(RETRY_S)


class Listener:
    """Follow a user's inbox over one socket after the other, each from where the last one ended.

    Attributes:
        entries: what came, in the order of coming.
        sockets: how many were opened.
    """

    def __init__(self, api: Api, user: int) -> None:
        self._api = api
        self.user = user
        self.entries: list[dict[str, Any]] = []
        self.sockets = 0

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._follow()
            except (OSError, EOFError, AssertionError, WebSocketException):
                await asyncio.sleep(RETRY_S)  # nobody is there, or not yet able to admit anybody

    async def received(self, count: int) -> None:
        """Wait until that many entries came."""
        await until(
            lambda: len(self.entries) >= count, f"{count} entries of user {self.user}", PATIENCE_S
        )

    async def _follow(self) -> None:
        last = self.entries[-1]["number"] if self.entries else 0
        async with await self._api.inbox(self.user, after=last) as inbox:
            self.sockets += 1
            inbox.entries = self.entries  # before its reader has had a turn
            await inbox.ended()


async def kill_again_and_again(workers: list[Worker], load: Load, kills: int, seed: int) -> None:
    """Kill each worker so often, in a random order, and start it again.

    Each kill comes some messages and an instant after the one before it.
    """
    chance = random.Random(seed)  # noqa: S311 - instants, no secrets
    victims = workers * kills
    chance.shuffle(victims)
    for victim in victims:
        target = len(load.said) + chance.randrange(20, 120)
        await load.reached(target)
        await asyncio.sleep(chance.random() * PAUSE_S)
        victim.kill()
        await victim.start()


async def run_kills(
    talks: Talks, postgres: Postgres, database: str, valkey: Valkey, kills: int, seed: int
) -> str:
    """Do all of it and check every count; say what was counted."""
    workers = [Worker(role, postgres, database, valkey) for role in ROLES]
    api = workers[0].api
    load = Load(api, [await talks.make(*USERS) for _ in range(CONVERSATIONS)])
    listeners = [Listener(api, user) for user in USERS]
    try:
        await asyncio.gather(*(worker.start() for worker in workers))
        async with asyncio.TaskGroup() as tasks:
            listening = [tasks.create_task(listener.run()) for listener in listeners]
            speaking = tasks.create_task(load.run())
            await kill_again_and_again(workers, load, kills, seed)
            load.over = True
            await speaking
            await talks.all_delivered(PATIENCE_S)
            await _reconcile(talks, load, listeners)
            await _nothing_left(valkey)
            for one in listening:
                one.cancel()
    finally:
        for worker in workers:
            worker.kill()
    return (
        f"{len(load.said)} messages acknowledged, {load.repeated} of them to a repeated request;"
        f" {sum(len(one.entries) for one in listeners)} inbox entries received over"
        f" {sum(one.sockets for one in listeners)} sockets"
    )


async def _reconcile(talks: Talks, load: Load, listeners: list[Listener]) -> None:
    stored = [tuple(row) for row in await talks.pool.fetch(_STORED)]
    assert sorted(stored) == sorted(load.said), "what is stored is not what was acknowledged"
    assert await talks.reconcile() == len(load.said) * len(USERS)
    for listener in listeners:
        held = [
            {"user": listener.user, "number": number, **json.loads(body)}
            for number, body in await talks.pool.fetch(_INBOX, listener.user)
        ]
        await listener.received(len(held))
        assert listener.entries == held, f"user {listener.user} was sent something else"


async def _nothing_left(valkey: Valkey) -> None:
    async with Client.from_url(valkey.url) as client, asyncio.timeout(PATIENCE_S):
        while (await client.xpending(STREAM, GROUP))["pending"]:
            await asyncio.sleep(0.05)
        assert await client.xlen(STREAM) == 0


def main() -> None:
    """Kill as often as asked on servers of its own; say what was counted."""
    options = argparse.ArgumentParser(description="Kill Sanctum's processes under load.")
    options.add_argument("--kills", type=int, default=20, help="of each process")
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    postgres, valkey, database = Postgres(), Valkey(), "kills"
    try:
        postgres.start()
        asyncio.run(postgres.execute(f"CREATE DATABASE {database}"))
        migrate(postgres.url(database), postgres.url(database, ROLE, ROLE_PASSWORD))
        size = SeedSize(users=5, channels=1, posts=1)
        seed(postgres.url(database), size, "sanctum-demo-password")
        valkey.start()
        counted = asyncio.run(_run_alone(postgres, database, valkey, asked.kills, asked.seed))
    finally:
        valkey.kill()
        postgres.stop()
    sys.stdout.write(
        f"{asked.kills} kills of each of {', '.join(ROLES)} (seed {asked.seed}): {counted}; each"
        " once and in order; outbox, dead letters and stream are empty\n"
    )


async def _run_alone(
    postgres: Postgres, database: str, valkey: Valkey, kills: int, seed_of_kills: int
) -> str:
    async with Talks(postgres, database) as talks:
        return await run_kills(talks, postgres, database, valkey, kills, seed_of_kills)


if __name__ == "__main__":
    main()
