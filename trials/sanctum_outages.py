"""What Sanctum's users meet while a dependency is away: refusals and a health that say so.

Trials that take dependencies away import what they need from here. An answer of 503 is right there;
anything else but success is not. What must have come about is told to the ledger.
"""

from __future__ import annotations

from sanctum_journeys import PASSWORD, name_of, pause
from stormproof import User, check, journey

REFUSED_LOG_IN = "a log-in refused with 503"
REFUSED_MESSAGE = "a message refused with 503"
AWAY = (503,)


@journey
async def log_in(user: User) -> None:
    """Log in; while the database is away be told so, at once and in order."""
    credentials = {"username": name_of(user.index), "password": PASSWORD}
    session = await user.http.post("/api/auth/login", json=credentials, expected=AWAY)
    if session.status == 503:
        user.ledger.seen(REFUSED_LOG_IN)
    check(session, "logged in or told why not", session.status in (200, *AWAY))


@journey
async def watch_health(user: User) -> None:
    """Ask how the service is, as an operator's screen does."""
    health = await user.http.get("/health", expected=AWAY)
    if check(health, "health told", health.status in (200, *AWAY)):
        user.ledger.seen(f"health {health.json()['status']}")
    await pause(user)
