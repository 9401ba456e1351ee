"""Changes of participants: who comes in is in at once, who was removed is out, and stays out (C3).

What it proves: of people who are let into conversations and removed again at a steady rate, every
change is seen within a tenth of a second, and nobody who was removed is let in once more.
Why it matters: who takes part is kept at hand in several places. One that is not told of a change
lets a removed participant read on, which no log shows.
Journeys: people who let somebody into a conversation of theirs and remove them again, and look as
that somebody whether it holds.
Faults: none.
"""

from __future__ import annotations

from sanctum_conversations import PROPAGATION, STALE, come_and_leave
from sanctum_journeys import HEALTH, READY
from stormproof import Floors, Trial

__all__ = ["PROPAGATION", "STALE", "TRIAL", "come_and_leave"]

TRIAL = Trial(
    name="participant_changes",
    title="Changes of participants are seen at once, and hold",
    stack="embedded",
    scenarios={"change": "come_and_leave"},
    probes={"ready": READY, "health": HEALTH},
    objectives={"participants_stale": ("count==0",)},
    floors=Floors(duration="60s", rates={"change": 10}, vus={"change": 10}),
)
