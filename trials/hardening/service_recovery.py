"""Service recovery: drills while people chat, are notified, post and hold sessions (B8, B11).

What it proves: while cache, service or database are away readiness says no; afterwards errors are
where they were, every session goes on, nobody has to mend anything in the database by hand.
Why it matters: what is restarted comes back to everybody at once. Clients that try again for ever,
and sessions that are open and dead, are what is left of an outage that was over long ago.
Journeys: people who chat in held WebSockets; people who post and look whether their channel was
told; people in groups who post messages with their inbox open.
Faults: the cache is restarted during chat and notifications; the service during active sessions;
then the database cannot be reached for a short while.
Checkers: delivery; readiness held against operations; what outbox, dead letters, inboxes and stream
hold at the end.
Evidence: readiness was seen to say no during the faults.
Limits: one service process; a rolling restart of several is no part of it.
"""

from __future__ import annotations

from sanctum_journeys import CANARY, DELIVERED, HEALTH, MISSED, READY, SURVIVED, talk, tell
from sanctum_messaging import PIPELINE_EMPTY, exchange, gather
from stormproof import Floors, Trial, TrialFault

__all__ = ["MISSED", "TRIAL", "exchange", "gather", "talk", "tell"]

TRIAL = Trial(
    name="service_recovery",
    title="Chat, notifications and sessions go on after restarts and outages",
    stack="embedded",
    scenarios={"chat": "talk", "tell": "tell", "exchange": "exchange"},
    faults={
        "cache-restart": TrialFault(kind="process-restart", part="cache"),
        "app-restart": TrialFault(kind="process-restart", part="api"),
        "database-away": TrialFault(kind="link-partition", part="database-link"),
    },
    probes={"ready": READY, "health": HEALTH, "canary": CANARY},
    final_reads=PIPELINE_EMPTY,
    checkers=("delivery",),
    objectives={
        **DELIVERED,
        **SURVIVED,
        "orphaned": ("count==0",),
        "notification_missed": ("count==0",),
    },
    floors=Floors(
        duration="150s",
        rates={"exchange": 5},
        vus={"chat": 10, "tell": 5, "exchange": 10},
        fault="4s",
    ),
)
