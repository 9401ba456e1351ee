"""Which sessions ended, as one process knows it: asked of memory with every request.

Every process reads what ended since it last looked, once a second. So an access token outlives its
session by no more than that, in the process that ended it not at all, and no request waits for the
database. Ends are read again over an overlap: an instant is taken before its transaction commits.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sanctum.auth.sessions import End, SessionStorage
from sanctum.auth.tokens import Proof
from sanctum.backing.errors import DatabaseUnavailable
from sanctum.gateway.identity import Identity

logger = logging.getLogger(__name__)

PAGE_MAX = 5000
PURGE_EVERY_LOOKS = 60
REMEMBERED_MAX = 200_000
ID_MAX = 2**63 - 1


class Ends:
    """Remember the sessions that ended as long as their access tokens could be valid."""

    def __init__(
        self,
        sessions: SessionStorage,
        *,
        token_ttl_s: int,
        interval_s: float,
        overlap_s: float,
        remembered_max: int = REMEMBERED_MAX,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Remember ends.

        Args:
            sessions: where ends are read.
            token_ttl_s: seconds that an access token is valid.
            interval_s: seconds between two looks.
            overlap_s: seconds that a transaction takes at most.
            remembered_max: ends kept in memory; of more, the oldest are forgotten and all tokens
                of their time are refused instead, which their holders can renew.
            now: seconds that never go back.
        """
        self._sessions = sessions
        self._kept_s = token_ttl_s + overlap_s
        self._interval_s = interval_s
        self._overlap = timedelta(seconds=overlap_s)
        self._remembered_max = remembered_max
        self._now = now
        self._read_up_to: datetime | None = None
        self._first_look = asyncio.Lock()
        self._ended: OrderedDict[tuple[str, int], tuple[End, float]] = OrderedDict()
        self._issued_after = 0.0

    async def refuses(self, proof: Proof) -> bool:
        """Tell whether the session behind a token has ended.

        Raises:
            DatabaseUnavailable: when this process has not yet been able to read what ended.
        """
        if self._read_up_to is None:
            async with self._first_look:  # a crowd at the start needs one look, not many
                if self._read_up_to is None:
                    await self.look()
        return proof.issued_at < self._issued_after or self.include(proof.identity)

    def include(self, identity: Identity) -> bool:
        """Tell whether an identity's session is among those remembered."""
        if ("session", identity.session) in self._ended:
            return True
        everything, _ = self._ended.get(("user", identity.user_id), (None, 0.0))
        return everything is not None and identity.epoch < (everything.epoch or 0)

    def note(self, end: End) -> None:
        """Remember an end, and forget those that no token can belong to any more."""
        key = ("user", end.user_id) if end.session is None else ("session", end.session)
        known, _ = self._ended.get(key, (None, 0.0))
        if known is None or (known.epoch or 0) < (end.epoch or 0):
            self._ended[key] = (end, self._now() + self._kept_s)
            self._ended.move_to_end(key)
        while self._ended and self._oldest_until <= self._now():
            self._ended.popitem(last=False)
        while len(self._ended) > self._remembered_max:
            _, (forgotten, _) = self._ended.popitem(last=False)
            # A token tells whole seconds: one of this very second may be of before the end.
            self._issued_after = max(self._issued_after, forgotten.ended_at.timestamp() + 1)

    @property
    def _oldest_until(self) -> float:
        _, until = next(iter(self._ended.values()))
        return until

    async def look(self) -> None:
        """Read what ended since the last look; raises DatabaseUnavailable."""
        since = self._read_up_to
        known_s = timedelta(seconds=self._kept_s) + self._overlap
        start = datetime.now(UTC) - known_s if since is None else since - self._overlap
        instant, end_id = start, 0
        while True:
            page = await self._sessions.ended_after(instant, end_id, PAGE_MAX)
            for end in page:
                self.note(end)
            if page:
                instant, end_id = page[-1].ended_at, page[-1].id
            if len(page) < PAGE_MAX:
                break
        self._read_up_to = max(instant, since or instant)

    async def watch(self) -> None:
        """Look until cancelled, and purge the tables now and then."""
        looks = 0
        while True:
            try:
                await self.look()
                if looks % PURGE_EVERY_LOOKS == 0:
                    await self._sessions.purge(self._kept_s + self._overlap.total_seconds())
            except DatabaseUnavailable as error:
                logger.debug("ends are not read", extra={"fields": {"reason": str(error)}})
            looks += 1
            await asyncio.sleep(self._interval_s)
