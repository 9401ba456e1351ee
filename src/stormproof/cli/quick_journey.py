"""One URL, asked again and again: the journey behind `stormproof quick`.

Copy it, name your own requests, and run it by `stormproof run`. Settings: `path` (with its query)
and `pace_s`, the seconds between two requests of a user, about; 0 where a schedule says when.
"""

from __future__ import annotations

from stormproof import User, check, journey

TOO_MANY = 429


@journey
async def visit(user: User) -> None:
    """Ask for the page, then pause; the crowd spreads out before it begins."""
    pace_s = float(user.env["pace_s"])
    if pace_s and not hasattr(user.state, "has_come"):
        user.state.has_come = True
        await user.think(pace_s * user.random.random())
    answer = await user.http.get(user.env["path"], expected=(TOO_MANY,))
    check(answer, "served", 200 <= answer.status < 400)
    if pace_s:
        await user.think(pace_s * (0.5 + user.random.random()))
