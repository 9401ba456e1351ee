"""Dispatcher and consumer killed at random instants under load; `kills.py` does it more often."""

from __future__ import annotations

from tests.sanctum.kills import run_kills
from tests.sanctum.pipelines import Talks
from tests.sanctum.servers import Postgres, Valkey

KILLS = 6
SEED = 20_260


async def test_killed_workers_lose_and_repeat_nothing(
    talks: Talks, postgres: Postgres, database: str, valkey: Valkey
) -> None:
    """After kills at seeded instants, database, stream and inboxes agree on every message."""
    assert await run_kills(talks, postgres, database, valkey, KILLS, SEED) > KILLS * 20
