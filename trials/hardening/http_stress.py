"""HTTP stress: a growing crowd logs in, reads feed and notifications, and posts (A4).

What it proves: from a few people to a hundred and more, log-in, feed, notifications and posts stay
right and quick, and every token that was handed out is accepted.
Why it matters: these are what everybody does all day; a service that is slow here is slow.
Journeys: visitors who stay, each reading the feed and the notifications and writing a post now and
then; beside them people who arrive, which costs the service a password hash each.
Limits: it looks from outside only; memory and pools of the service are not watched.
"""

from __future__ import annotations

from sanctum_journeys import READY, arrive, visit
from stormproof import Floors, Trial

__all__ = ["TRIAL", "arrive", "visit"]

TRIAL = Trial(
    name="http_stress",
    title="Log-in, feed, notifications and posts hold under a growing crowd",
    stack="embedded",
    scenarios={"visit": "visit", "arrive": "arrive"},
    probes={"ready": READY},
    floors=Floors(duration="60s", rates={"arrive": 1}, vus={"visit": 20, "arrive": 8}),
)
