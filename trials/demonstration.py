"""The demonstration: feed and chat keep their promises while the cache is cut and restarted.

What it proves: reading and posting stay fast and right while the cache is away, no acknowledged
chat message is lost, doubled, leaked or altered, and the service says truthfully when it is ready.
Why it matters: the cache is the part that most services believe they can lose.
Journeys: people who read the feed and now and then post; people who chat in held WebSockets.
Faults: the link to the cache goes silent; later the cache restarts.
"""

from __future__ import annotations

from sanctum_journeys import (
    CANARY,
    DELIVERED,
    HEALTH,
    LOGIN,
    PAGE,
    READY,
    SURVIVED,
    sign_in,
    talk,
    write_post,
)
from stormproof import Floors, Trial, TrialFault, User, check, journey

__all__ = ["TRIAL", "read_and_post", "talk"]

TRIAL = Trial(
    name="demonstration",
    title="Feed and chat survive the loss of the cache",
    stack="embedded",
    scenarios={"feed": "read_and_post", "chat": "talk"},
    faults={
        "cache-cut": TrialFault(kind="link-partition", part="cache-link"),
        "cache-restart": TrialFault(kind="process-restart", part="cache"),
    },
    probes={"ready": READY, "health": HEALTH, "canary": CANARY},
    checkers=("delivery",),
    objectives={**DELIVERED, **SURVIVED},
    floors=Floors(duration="60s", rates={"feed": 30}, vus={"chat": 48}, fault="4s"),
)


@journey(prepare=sign_in)
async def read_and_post(user: User) -> None:
    """Read the feed; one visit in five writes a post and looks at it."""
    token = await LOGIN.token(user)
    feed = await user.http.get("/api/feed", query=PAGE, auth=token)
    check(feed, "feed served", feed.status == 200)
    if user.random.random() < 0.2:
        await write_post(user, token)
