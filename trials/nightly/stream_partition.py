"""Stream partition: the cache is cut off while messages flow, and nothing is lost (C9).

What it proves: while the cache cannot be reached messages are accepted all the same; the dispatcher
sets them aside as dead letters, where operators see them, and relays them by itself once the cache
answers again, before anything newer.
Why it matters: the stream is in memory. A pipeline that throws away what it cannot hand on, or that
waits for somebody to replay it by hand, loses mail whenever a network hiccups.
Journeys: people in groups, each with an open inbox, post to the conversation of their group.
Faults: the link to the cache goes silent in both directions.
Checkers: delivery, and what outbox, dead letters, inboxes and stream hold at the end.
Evidence: dead letters were written and the counter of relayed messages went on after the cut.
Limits: one cut of one length; a cache that comes back empty is judged by the drills of service.
"""

from __future__ import annotations

from sanctum_journeys import DELIVERED, HEALTH, READY, SURVIVED
from sanctum_messaging import PIPELINE_EMPTY, exchange, gather
from stormproof import Floors, Trial, TrialFault

__all__ = ["TRIAL", "exchange", "gather"]

TRIAL = Trial(
    name="stream_partition",
    title="A cut-off cache delays messages and loses none",
    stack="embedded",
    scenarios={"exchange": "exchange"},
    faults={"cache-cut": TrialFault(kind="link-partition", part="cache-link")},
    probes={"ready": READY, "health": HEALTH},
    final_reads=PIPELINE_EMPTY,
    checkers=("delivery",),
    objectives={**DELIVERED, **SURVIVED, "orphaned": ("count==0",)},
    floors=Floors(duration="60s", rates={"exchange": 20}, vus={"exchange": 20}, fault="10s"),
)
