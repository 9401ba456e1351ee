"""Soak: feed, notifications, log-ins and chat at a moderate, even load for hours (A6).

What it proves: what holds in the first minutes still holds after hours: errors do not rise, nothing
gets slower, and of all messages none was lost on the way.
Why it matters: leaks, growing tables and forgotten connections show only with time.
Journeys: visitors, arrivals, and people who chat in held WebSockets.
Limits: a rising trend shows when one of the ten-minute stretches breaks the bar. Memory, processor
and connections of the service are not watched, so a leak that has not yet slowed it is not seen.
"""

from __future__ import annotations

from sanctum_journeys import DELIVERED, READY, arrive, talk, visit
from stormproof import Floors, Trial

__all__ = ["TRIAL", "arrive", "talk", "visit"]

TRIAL = Trial(
    name="soak",
    title="Feed, notifications, log-ins and chat hold for hours",
    stack="embedded",
    scenarios={"visit": "visit", "arrive": "arrive", "chat": "talk"},
    probes={"ready": READY},
    checkers=("delivery",),
    objectives=DELIVERED,
    floors=Floors(duration="2m", rates={"arrive": 1}, vus={"visit": 20, "arrive": 8, "chat": 30}),
)
