"""Every process killed at random instants under load; `kills.py` does it more often."""

from __future__ import annotations

from tests.sanctum.kills import run_kills
from tests.sanctum.pipelines import Talks
from tests.sanctum.servers import Postgres, Valkey

KILLS = 2
SEED = 20_260


async def test_killed_processes_lose_and_repeat_nothing(
    talks: Talks, postgres: Postgres, database: str, valkey: Valkey
) -> None:
    """After kills of each process at seeded instants, the database, the stream, the inboxes and
    what clients posted and received agree on every message."""
    await run_kills(talks, postgres, database, valkey, KILLS, SEED)
