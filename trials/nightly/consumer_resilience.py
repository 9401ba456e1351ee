"""Consumer resilience: the consumer is killed with messages in its hands, and loses none (C8).

What it proves: what a consumer had read and not yet delivered when it was killed is taken over by
the one that is started in its place, every entry of it and no other, and all messages arrive, once
and in order.
Why it matters: processes are killed for memory, by deployments, with their machine. A consumer that
acknowledges before it delivers loses exactly what it was working on, and nobody is told.
Journeys: people in pairs, each with an open inbox, post 10,000 messages at 500/s, then fewer.
Faults: entries of inboxes cannot be written for a while, as under the lock of a migration, so that
messages queue; while the consumer catches up there is such a lock again, and the consumer, with a
whole batch in its hands, is killed under it and started again later.
Checkers: delivery; what outbox, dead letters, inboxes and stream hold at the end; whether what was
taken over is what was pending (`takeover_off`).
Evidence: entries were pending while no consumer was there; with none pending nothing is decided.
Limits: one consumer; a database or cache that dies with it is judged by the cascading failure.
"""

from __future__ import annotations

from sanctum_journeys import DELIVERED, HEALTH, READY, SURVIVED
from sanctum_messaging import PIPELINE_EMPTY, exchange, gather
from stormproof import Floors, Trial, TrialFault

__all__ = ["TRIAL", "exchange", "gather"]

INBOX_LOCK = TrialFault(
    kind="database-lock", part="postgres", settings={"table": "inbox_entries", "mode": "share"}
)
KILL = "consumer-kill"
PENDING = "valkey:stream_pending{stream:sanctum:messages,group:sanctum}"
RECLAIMED = "consumer:messaging_consumer_pel_reclaimed_total"
TRIAL = Trial(
    name="consumer_resilience",
    title="A consumer that is killed at work loses nothing",
    stack="embedded",
    scenarios={"exchange": "exchange"},
    faults={
        "inbox-lock": INBOX_LOCK,
        "inbox-lock-again": INBOX_LOCK,
        KILL: TrialFault(kind="process-kill", part="consumer", settings={"signal": "KILL"}),
    },
    probes={"ready": READY, "health": HEALTH},
    final_reads=PIPELINE_EMPTY,
    checkers=("delivery",),
    objectives={
        **DELIVERED,
        **SURVIVED,
        "orphaned": ("count==0",),
        f"takeover_off{{fault:{KILL},held:{PENDING},taken:{RECLAIMED}}}": ("count==0",),
    },
    floors=Floors(duration="60s", rates={"exchange": 10}, vus={"exchange": 20}, fault="5s"),
)
