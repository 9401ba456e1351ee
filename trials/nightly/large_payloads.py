"""Large payloads: messages of 64 KiB arrive byte for byte, and cost no memory that stays (C5).

What it proves: of messages as large as the service allows none is refused, cut, altered or lost on
the way from HTTP through database and stream into open WebSockets, and no queue runs over.
Why it matters: limits differ from hop to hop; a payload that fits the first and not the third is
lost silently, and buffers of this size are what memory leaks are made of.
Journeys: pairs of people, each with an open inbox, send each other the largest messages there are.
Faults: none.
"""

from __future__ import annotations

from sanctum_journeys import DELIVERED, HEALTH, READY
from sanctum_messaging import exchange, gather
from stormproof import Floors, Trial

__all__ = ["TRIAL", "exchange", "gather"]

TRIAL = Trial(
    name="large_payloads",
    title="The largest messages arrive byte for byte",
    stack="embedded",
    scenarios={"exchange": "exchange"},
    probes={"ready": READY, "health": HEALTH},
    checkers=("delivery",),
    objectives=DELIVERED,
    floors=Floors(duration="60s", rates={"exchange": 10}, vus={"exchange": 20}),
)
