"""Sustained log-in: people keep logging in, and tokens are issued fast all the while (C6).

What it proves: at a steady rate of log-ins nearly all succeed, tokens are good at once, issuing one
stays fast, and neither memory nor the cache's connections grow with the number of log-ins.
Why it matters: checking a password is made to be expensive. A service that checks too many at once
starves everything else; one that keeps something of each log-in dies of the morning rush.
Journeys: people who were away log in and use their token once.
Faults: none.
"""

from __future__ import annotations

from sanctum_journeys import HEALTH, READY, arrive
from stormproof import Floors, Trial

__all__ = ["TRIAL", "arrive"]

TRIAL = Trial(
    name="sustained_login",
    title="People keep logging in, and tokens are issued fast all the while",
    stack="embedded",
    scenarios={"arrive": "arrive"},
    probes={"ready": READY, "health": HEALTH},
    floors=Floors(duration="60s", rates={"arrive": 5}, vus={"arrive": 10}),
)
