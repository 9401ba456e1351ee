"""Many conversations: each is heard on all devices of its people, by nobody else (C12).

What it proves: of many conversations at once every message reaches all who take part, over a held
WebSocket each, and none reaches anybody else; whoever tries the door of others is refused.
Why it matters: a service that mixes up two conversations once has lost its users. It shows only
where many are busy at the same time.
Journeys: people in groups who post to their conversation with their inbox open, and people who try
to read and write where they take no part.
Faults: none.
"""

from __future__ import annotations

from sanctum_journeys import DELIVERED, HEALTH, READY
from sanctum_messaging import DENIALS, LEAKS, exchange, gather, trespass
from stormproof import Floors, Trial

__all__ = ["DENIALS", "LEAKS", "TRIAL", "exchange", "gather", "trespass"]

TRIAL = Trial(
    name="many_conversations",
    title="Each conversation is heard by its own people, and by nobody else",
    stack="embedded",
    scenarios={"converse": "exchange", "trespass": "trespass"},
    probes={"ready": READY, "health": HEALTH},
    checkers=("delivery",),
    objectives={**DELIVERED, "denials_missed": ("count==0",)},
    floors=Floors(duration="60s", rates={"converse": 5}, vus={"converse": 100, "trespass": 5}),
)
