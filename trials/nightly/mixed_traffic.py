"""Mixed traffic: messages posted over HTTP arrive in held WebSockets, none of which breaks (C4).

What it proves: while messages are posted at a steady rate, every held WebSocket stays open, 95 % of
all deliveries arrive within half a second, and what was delivered is exactly what was sent.
Why it matters: posting and listening compete for the same processes; a service that is fast at each
alone can starve one of them when both are busy.
Journeys: pairs of people, each with an open inbox, post to each other.
Faults: none.
"""

from __future__ import annotations

from sanctum_journeys import DELIVERED, HEALTH, READY
from sanctum_messaging import exchange, gather
from stormproof import Floors, Trial

__all__ = ["TRIAL", "exchange", "gather"]

TRIAL = Trial(
    name="mixed_traffic",
    title="Posts over HTTP arrive in held WebSockets, and none of these breaks",
    stack="embedded",
    scenarios={"exchange": "exchange"},
    probes={"ready": READY, "health": HEALTH},
    checkers=("delivery",),
    objectives=DELIVERED,
    floors=Floors(duration="60s", rates={"exchange": 50}, vus={"exchange": 50}),
)
