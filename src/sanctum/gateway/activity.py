"""Who was active of late: the users whose requests this process has let pass."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection

from starlette.requests import Request

from sanctum.gateway.identity import Gate, Identity, Role
from sanctum.telemetry.metrics import Metrics

ACTIVE_S = 300.0
USERS_MAX = 100_000  # beyond it the one that was seen longest ago is forgotten first


class ActiveUsers:
    """Remember when each user was seen last, in the order of that."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._seen: OrderedDict[int, float] = OrderedDict()

    def note(self, user_id: int) -> None:
        """Note that a user is here."""
        self._seen[user_id] = self._now()
        self._seen.move_to_end(user_id)
        if len(self._seen) > USERS_MAX:
            self._seen.popitem(last=False)

    def count(self) -> int:
        """Count the users seen within `ACTIVE_S`; the others are forgotten."""
        since = self._now() - ACTIVE_S
        while self._seen and next(iter(self._seen.values())) < since:
            self._seen.popitem(last=False)
        return len(self._seen)


class NotingGate:
    """Let pass whom another gate lets pass, and note who it was."""

    def __init__(self, gate: Gate, metrics: Metrics) -> None:
        self._gate = gate
        self._users = ActiveUsers()
        metrics.gauge(
            "business_active_users",
            "Users whose requests this process served within five minutes",
            self._users.count,
        )

    async def identify(self, request: Request) -> Identity:
        """Return the identity behind a request; raises as the other gate does."""
        who = await self._gate.identify(request)
        self._users.note(who.user_id)
        return who

    async def require(self, request: Request, role: Role) -> Identity:
        """Return an identity whose role covers the one needed; raises as the other gate does."""
        who = await self._gate.require(request, role)
        self._users.note(who.user_id)
        return who

    def has_ended(self, identity: Identity) -> bool:
        """Tell whether the session that proved an identity has ended since."""
        return self._gate.has_ended(identity)

    async def ended_keys(self, keys: Collection[int]) -> Collection[int]:
        """List those API keys that are valid no more; raises as the other gate does."""
        return await self._gate.ended_keys(keys)
