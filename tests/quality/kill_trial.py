"""Feed and chat under every fault; `kills.py` fills in which."""

from __future__ import annotations

from sanctum_journeys import CANARY, DELIVERED, LOGIN, PAGE, READY, SURVIVED, sign_in, talk
from stormproof import Floors, Trial, TrialFault, User, check, journey

__all__ = ["TRIAL", "TrialFault", "read", "talk"]

TRIAL = Trial(
    name="kill_trial",
    title="Everything breaks, and somebody kills the controller",
    stack="embedded",
    scenarios={"feed": "read", "chat": "talk"},
    faults={},
    probes={"ready": READY, "canary": CANARY},
    checkers=("delivery",),
    objectives={**DELIVERED, **SURVIVED},
    floors=Floors(duration="5s", rates={"feed": 1}, vus={"chat": 1}, fault="1s"),
)


@journey(prepare=sign_in)
async def read(user: User) -> None:
    """Read the feed."""
    feed = await user.http.get("/api/feed", query=PAGE, auth=await LOGIN.token(user))
    check(feed, "feed served", feed.status == 200)
