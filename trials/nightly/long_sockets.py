"""Long-lived WebSockets: connections that are hardly used stay open and keep delivering (C14).

What it proves: sockets that carry a heartbeat now and then and a message a minute are never closed,
not even by the service's own watch over dead peers, and cost no memory that grows.
Why it matters: most sockets of a real service are idle. What ends idle connections by mistake, or
leaks a little for each beat, shows only after a long time.
Journeys: people who hold a seat in a channel, ping it, and say something now and then.
Faults: none.
"""

from __future__ import annotations

from sanctum_journeys import DELIVERED, HEALTH, READY, chat_and_hold
from stormproof import Floors, Trial

__all__ = ["TRIAL", "chat_and_hold"]

TRIAL = Trial(
    name="long_sockets",
    title="Connections that are hardly used stay open and keep delivering",
    stack="embedded",
    scenarios={"hold": "chat_and_hold"},
    probes={"ready": READY, "health": HEALTH},
    checkers=("delivery",),
    objectives=DELIVERED,
    floors=Floors(duration="2m", vus={"hold": 20}),
)
