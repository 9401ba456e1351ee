"""The feed under stress: 50, 100, 200 and 500 readers, one crowd after the other (E3).

What it proves: up to which crowd the service holds. Each has a bar of its own for errors, which
include answers of 429; the first one that breaks its bar is the breaking point.
Why it matters: a limit that is known can be planned with.
Journey: log in once, then read the feed, about once a second each.
Limits: pools are not watched from outside; that nothing crashed shows in the readiness.
"""

from __future__ import annotations

from sanctum_journeys import LOGIN, PACE_S, PAGE, READY, pause, sign_in
from stormproof import Floors, Trial, User, check, journey

CROWDS = ("users-50", "users-100", "users-200", "users-500")
TRIAL = Trial(
    name="feed_stress",
    title="The feed holds for 50, 100, 200 and 500 readers",
    stack="embedded",
    scenarios=dict.fromkeys(CROWDS, "read"),
    probes={"ready": READY},
    floors=Floors(duration="2m", vus=dict.fromkeys(CROWDS, 50)),
)


@journey(prepare=sign_in, settings=(PACE_S,))
async def read(user: User) -> None:
    """Read the feed once, and pause."""
    feed = await user.http.get("/api/feed", query=PAGE, auth=await LOGIN.token(user))
    check(feed, "served", feed.status == 200)
    await pause(user)
