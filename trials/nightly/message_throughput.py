"""Message throughput: what was accepted arrives in every inbox, once, in order and soon (C1, C4).

What it proves: messages posted over HTTP at a steady rate are accepted fast, relayed through
outbox, stream and consumer, and delivered over open WebSockets to everybody who takes part; none is
lost, doubled, altered, reordered or shown to anybody else.
Why it matters: an accepted message that never arrives is what people forgive least, and each of
four processes on its way can lose it.
Journeys: people in groups, each with an open inbox, post to the conversation of their group.
Faults: none; delivery under faults is judged elsewhere.
"""

from __future__ import annotations

from sanctum_journeys import DELIVERED, HEALTH, READY
from sanctum_messaging import exchange, gather
from stormproof import Floors, Trial

__all__ = ["TRIAL", "exchange", "gather"]

TRIAL = Trial(
    name="message_throughput",
    title="Accepted messages arrive in every inbox, once, in order and soon",
    stack="embedded",
    scenarios={"exchange": "exchange"},
    probes={"ready": READY, "health": HEALTH},
    checkers=("delivery",),
    objectives=DELIVERED,
    floors=Floors(duration="60s", rates={"exchange": 50}, vus={"exchange": 20}),
)
