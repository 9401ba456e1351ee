"""Soak: feed, notifications, log-ins and chat at a moderate, even load for hours (A6).

What it proves: what holds in the first minutes still holds after hours: errors do not rise, nothing
gets slower, and of all messages and notifications none was lost on the way.
Why it matters: leaks, growing tables and forgotten connections show only with time.
Journeys: visitors, arrivals, people who chat in held WebSockets, and people who post while somebody
of their channel looks whether they were told.
Limits: a rising trend shows when one of the ten-minute stretches breaks the bar. Memory, processor
and connections of the service are not watched, so a leak that has not yet slowed it is not seen.
"""

from __future__ import annotations

from sanctum_journeys import DELIVERED, MISSED, READY, arrive, talk, tell, visit
from stormproof import Floors, Trial

__all__ = ["MISSED", "TRIAL", "arrive", "talk", "tell", "visit"]

TRIAL = Trial(
    name="soak",
    title="Feed, notifications, log-ins and chat hold for hours",
    stack="embedded",
    scenarios={"visit": "visit", "arrive": "arrive", "chat": "talk", "tell": "tell"},
    probes={"ready": READY},
    checkers=("delivery",),
    objectives={**DELIVERED, "notification_missed": ("count==0",)},
    floors=Floors(
        duration="2m", rates={"arrive": 1}, vus={"visit": 20, "arrive": 8, "chat": 30, "tell": 20}
    ),
)
