"""Retention: entries older than promised are deleted, a few inboxes at a time.

An inbox is pruned from its beginning, so the entries that are left still have no gaps. Nothing else
goes by old entries: what is unread is counted by messages, and a message is kept from being
delivered twice by its row of the outbox.
"""

from __future__ import annotations

import asyncio
import logging

from sanctum.backing.errors import DatabaseUnavailable
from sanctum.inbox.metrics import InboxMetrics
from sanctum.inbox.storage import InboxStorage

logger = logging.getLogger(__name__)

PAUSE_S = 1.0
NOBODY = 0


class Pruning:
    """Go round all inboxes, again and again."""

    def __init__(self, storage: InboxStorage, metrics: InboxMetrics, *, kept_s: int) -> None:
        self._storage = storage
        self._metrics = metrics
        self._kept_s = kept_s
        self._after_user = NOBODY

    async def run(self) -> None:
        """Prune until cancelled."""
        while True:
            await asyncio.sleep(PAUSE_S)
            try:
                await self.take_turn()
            except DatabaseUnavailable as error:
                logger.info("inboxes are not pruned", extra={"fields": {"reason": str(error)}})

    async def take_turn(self) -> None:
        """Look at the next few inboxes; raises DatabaseUnavailable."""
        last, deleted = await self._storage.prune(self._after_user, self._kept_s)
        self._metrics.pruned.inc(deleted)
        self._after_user = NOBODY if last is None else last
