"""Fault drills: cache restarted, service restarted, database paused (A7).

What it proves: after each of these the service is UP and ready within half a minute, by itself;
sessions that were open work again, and what the cache held is there again.
Why it matters: these three happen to every service every month, planned or not.
Journeys: visitors who read the feed and the notifications and post; people who chat in held
WebSockets.
Faults: the cache is restarted, then the service itself, then the whole database stands still.
Checkers: delivery of chat messages; readiness held against operations.
Evidence: each fault was seen to bite, and readiness was asked all through.
Limits: one fault at a time, under a light load; `service_recovery` asks more of users.
"""

from __future__ import annotations

from sanctum_journeys import CANARY, DELIVERED, HEALTH, READY, SURVIVED, talk, visit
from stormproof import Floors, Trial, TrialFault

__all__ = ["TRIAL", "talk", "visit"]

TRIAL = Trial(
    name="fault_drills",
    title="Cache restart, service restart and a paused database are survived",
    stack="embedded",
    scenarios={"visit": "visit", "chat": "talk"},
    faults={
        "cache-restart": TrialFault(kind="process-restart", part="cache"),
        "app-restart": TrialFault(kind="process-restart", part="api"),
        "database-pause": TrialFault(kind="process-pause", part="postgres"),
    },
    probes={"ready": READY, "health": HEALTH, "canary": CANARY},
    checkers=("delivery",),
    objectives={**DELIVERED, **SURVIVED},
    floors=Floors(duration="150s", vus={"visit": 10, "chat": 10}, fault="4s"),
)
