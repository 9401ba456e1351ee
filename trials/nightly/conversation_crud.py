"""Conversations: created, listed, renamed and deleted at once, by those who may and no others (C2).

What it proves: conversations keep their rules under load: outsiders are refused by the database
itself, of two who rename the same version one is told so, what was created is listed and what was
deleted is gone; and who takes part is nearly always known without asking the database.
Why it matters: access rules and versions are checked on every path; one that forgets is enough.
Journeys: people who make conversations with their neighbour, list theirs, rename them (now and then
from a version that has passed), delete them, and try the door of a conversation of others.
Faults: none.
"""

from __future__ import annotations

from sanctum_conversations import CONFLICTS, DENIALS, manage
from sanctum_journeys import HEALTH, READY
from stormproof import Floors, Trial

__all__ = ["CONFLICTS", "DENIALS", "TRIAL", "manage"]

TRIAL = Trial(
    name="conversation_crud",
    title="Conversations keep their rules while many change at once",
    stack="embedded",
    scenarios={"manage": "manage"},
    probes={"ready": READY, "health": HEALTH},
    floors=Floors(duration="60s", rates={"manage": 20}, vus={"manage": 10}),
)
