"""Storage mix: database, stream and cache are used at once, and none makes the others wait (C7).

What it proves: while people write posts, send messages and read what is kept at hand, the cache
answers what it should, no breaker opens, hardly anything has to be tried again, and what was sent
arrives.
Why it matters: pools and breakers are shared. One store that is busy must not make the service give
up on another.
Journeys: people who post, pairs who send each other messages, and people who look into their
conversation.
Faults: none.
"""

from __future__ import annotations

from sanctum_journeys import DELIVERED, HEALTH, LOGIN, READY, post, sign_in
from sanctum_messaging import exchange, gather, look_in
from stormproof import Floors, Trial, User, check, journey

__all__ = ["TRIAL", "exchange", "gather", "look_in", "write"]

TRIAL = Trial(
    name="storage_mix",
    title="Database, stream and cache are used at once, and none makes the others wait",
    stack="embedded",
    scenarios={"write": "write", "publish": "exchange", "look": "look_in"},
    probes={"ready": READY, "health": HEALTH},
    checkers=("delivery",),
    objectives=DELIVERED,
    floors=Floors(
        duration="60s",
        rates={"write": 8, "publish": 6, "look": 6},
        vus={"write": 5, "publish": 20, "look": 5},
    ),
)


@journey(prepare=sign_in)
async def write(user: User) -> None:
    """Write a post."""
    created = await post(user, await LOGIN.token(user))
    check(created, "post created", created.status == 201)
