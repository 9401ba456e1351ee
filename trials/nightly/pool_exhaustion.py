"""Pool exhaustion: every connection to the database is taken by statements that wait (C10).

What it proves: when a table is locked and the pool of connections runs dry, those who wait are
counted and bounded, what takes too long is refused and counted, the breaker opens instead of
queueing more, nothing crashes; once the lock is gone the breaker closes and all is quick again.
Why it matters: one statement of a deployment can take every connection of a service. Without bounds
that is an outage of everything, and one that outlives its cause.
Journeys: people who read the feed, whose table is locked; people who log in, which needs another.
Faults: the table of posts is locked against reading and writing.
Evidence: operations waited for a connection, statements were given up, the breaker was seen open.
Limits: the pool of the embedded stack holds ten connections a process; SANCTUM_DATABASE_POOL_MAX=20
in the environment makes it twenty.
"""

from __future__ import annotations

from sanctum_journeys import CANARY, HEALTH, LOGIN, PAGE, READY, SURVIVED, sign_in
from sanctum_outages import AWAY, log_in
from stormproof import Floors, Trial, TrialFault, User, check, journey

__all__ = ["TRIAL", "log_in", "read"]

TRIAL = Trial(
    name="pool_exhaustion",
    title="A pool that runs dry is bounded, told and filled again",
    stack="embedded",
    scenarios={"read": "read", "log_in": "log_in"},
    faults={
        "posts-lock": TrialFault(
            kind="database-lock",
            part="postgres",
            settings={"table": "posts", "mode": "access-exclusive"},
        )
    },
    probes={"ready": READY, "health": HEALTH, "canary": CANARY},
    objectives=SURVIVED,
    floors=Floors(
        duration="60s",
        rates={"read": 20, "log_in": 2},
        vus={"read": 80, "log_in": 20},
        fault="10s",
    ),
)


@journey(prepare=sign_in)
async def read(user: User) -> None:
    """Read the feed; while its table cannot be read be told so."""
    feed = await user.http.get(
        "/api/feed", query=PAGE, auth=await LOGIN.token(user), expected=(*AWAY, 429)
    )
    check(feed, "feed served or refused", feed.status in (200, *AWAY, 429))
