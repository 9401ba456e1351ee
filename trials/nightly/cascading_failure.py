"""Cascading failure: database away, cache away, both away, and back again (C11).

What it proves: without the database log-ins are refused with 503 and nothing else, without the
cache messages are set aside as dead letters, without both the processes stay up and say how they
are; when all is back everything is served within a minute, and nothing was lost or altered.
Why it matters: outages come in rows. What falls over at the second one, or needs a hand at the end
of the third, turns an evening of trouble into a night.
Journeys: people in groups post messages with their inbox open; people log in; an operator watches.
Faults: the links to database and cache go silent, one after the other, then both at once.
Checkers: delivery; readiness held against operations; what outbox, dead letters, inboxes and stream
hold at the end.
Evidence: a log-in was refused with 503, a message was set aside, health was seen DOWN and DEGRADED.
Limits: links that go silent, no servers that crash: those are the drills of faults and of service.
"""

from __future__ import annotations

from sanctum_journeys import CANARY, DELIVERED, HEALTH, READY, SURVIVED
from sanctum_messaging import PIPELINE_EMPTY, exchange, gather
from sanctum_outages import REFUSED_LOG_IN, log_in, watch_health
from stormproof import Floors, Trial, TrialFault

__all__ = ["TRIAL", "exchange", "gather", "log_in", "watch_health"]

DATABASE = TrialFault(kind="link-partition", part="database-link")
CACHE = TrialFault(kind="link-partition", part="cache-link")
TRIAL = Trial(
    name="cascading_failure",
    title="Without database, cache or both the service says so, stays up and comes back whole",
    stack="embedded",
    scenarios={"exchange": "exchange", "log_in": "log_in", "watch": "watch_health"},
    faults={
        "database-away": DATABASE,
        "cache-away": CACHE,
        "both-database": DATABASE,
        "both-cache": CACHE,
    },
    probes={"ready": READY, "health": HEALTH, "canary": CANARY},
    final_reads=PIPELINE_EMPTY,
    checkers=("delivery",),
    objectives={
        **DELIVERED,
        **SURVIVED,
        "orphaned": ("count==0",),
        f"seen{{what:{REFUSED_LOG_IN}}}": ("count>=1",),
        "seen{what:health DOWN}": ("count>=1",),
        "seen{what:health DEGRADED}": ("count>=1",),
    },
    floors=Floors(
        duration="120s",
        rates={"exchange": 10, "log_in": 4},
        vus={"exchange": 20, "log_in": 20, "watch": 2},
        fault="8s",
    ),
)
