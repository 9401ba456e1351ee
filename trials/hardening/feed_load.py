"""The feed under load: the normal run (E1, E4) and the burst (E2), on a stack of its own.

What it proves: at a normal rate everybody is served; in a burst beyond what the service can do it
serves those whom it let in, tells the others at once when to come back, and nothing crashes.
Why it matters: a service that queues what it cannot serve makes everybody wait, then fails.
Journey: log in once, then read the feed. With `limited: expected` in the scenario's `env` an answer
of 429 is what was asked for, and no failure.
Limits: `stormproof quick` asks the same of any address, without a script; here the stack is the
embedded one, and its readiness is watched.
"""

from __future__ import annotations

from sanctum_journeys import LOGIN, PACE_S, PAGE, READY, pause, sign_in
from stormproof import Floors, Trial, User, check, journey

LIMITED = "limited"  # "expected" where 429 is a right answer
TRIAL = Trial(
    name="feed_load",
    title="The feed serves whom it can and tells the others at once",
    stack="embedded",
    scenarios={"read": "read"},
    probes={"ready": READY},
    floors=Floors(duration="45s", vus={"read": 10}),
)


@journey(prepare=sign_in)
async def read(user: User) -> None:
    """Read the feed once."""
    expected = (429,) if user.env.get(LIMITED) == "expected" else ()
    feed = await user.http.get(
        "/api/feed", query=PAGE, auth=await LOGIN.token(user), expected=expected
    )
    check(feed, "served", feed.status == 200)
    if feed.status == 429:
        check(feed, "told when to come back", feed.headers.get("retry-after", "").isdecimal())
    if PACE_S.name in user.env:
        await pause(user)
