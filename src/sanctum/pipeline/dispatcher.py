"""The dispatcher: relay the outbox to the stream, in the order of its rows."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from sanctum.backing.cache import Cache
from sanctum.backing.errors import CacheUnavailable, DatabaseUnavailable
from sanctum.defects import Defects
from sanctum.pipeline.metrics import DispatchMetrics
from sanctum.pipeline.outbox import Outbox, Turn
from sanctum.pipeline.stream import GroupMissing, Stream, place_of

logger = logging.getLogger(__name__)

BATCH_ROWS_MAX = 500
STANDBY_S = 0.5
MEND_INTERVAL_S = 1.0
AT_ONCE_S = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchLimits:
    """Bound the dispatcher's work.

    Attributes:
        interval_s: how long it waits when nothing is to be relayed.
        retry_s: how long it waits after a vain attempt.
        attempts_max: how often a row is tried before it is set aside as a dead letter.
        stream_entries_max: how many entries the stream may hold; more wait in the outbox.
        vanished_after_s: how old a relayed row must be for its entry to be looked for.
    """

    interval_s: float
    retry_s: float
    attempts_max: int
    stream_entries_max: int
    vanished_after_s: float


class Dispatcher:
    """Relay rows until cancelled, one turn after the other."""

    def __init__(
        self,
        outbox: Outbox,
        stream: Stream,
        cache: Cache,
        limits: DispatchLimits,
        defects: Defects,
        metrics: DispatchMetrics,
    ) -> None:
        self._outbox = outbox
        self._stream = stream
        self._cache = cache
        self._limits = limits
        self._defects = defects
        self._metrics = metrics
        self._stream_length = 0
        self._mended_at = 0.0
        self._begun = False
        self._uncounted: list[Callable[[], None]] = []

    async def run(self) -> None:
        """Take turns."""
        while True:
            try:
                pause_s = await self._take_turn()
            except DatabaseUnavailable as error:
                logger.debug("no turn", extra={"fields": {"reason": str(error)}})
                pause_s = self._limits.retry_s
            await asyncio.sleep(pause_s)

    async def _take_turn(self) -> float:
        """Do one turn; return the seconds until the next one."""
        if not self._mending_is_due and not await self._outbox.waits():
            return self._limits.interval_s
        self._uncounted.clear()
        async with self._outbox.turn() as turn:
            if turn is None:
                return STANDBY_S
            await self._begin(turn)
            try:
                pause_s = await self._work(turn)
            except CacheUnavailable as error:
                await self._fail(turn, str(error))
                pause_s = self._limits.retry_s
        # Only what is committed counts: all else is done again.
        for count in self._uncounted:
            count()
        return pause_s

    async def _begin(self, turn: Turn) -> None:
        if not self._begun and self._defects.skips_what_waited():
            await turn.drop_waiting()
        self._begun = True

    async def _work(self, turn: Turn) -> float:
        if not self._cache.healthy:
            raise CacheUnavailable("the cache is unavailable")
        try:
            await self._replay(turn)
            await self._mend(turn)
            return await self._relay(turn)
        except GroupMissing:
            await self._begin_stream(turn)
            return AT_ONCE_S

    async def _relay(self, turn: Turn) -> float:
        found = await turn.waiting(BATCH_ROWS_MAX)
        rows = [row for row in found if not self._defects.holds_back(row.id, row.age_s)]
        if not rows:
            return self._limits.interval_s
        if self._stream_length >= self._limits.stream_entries_max:
            _, self._stream_length = await self._stream.append([])
            return self._limits.interval_s
        entries, self._stream_length = await self._stream.append(row.message for row in rows)
        await turn.mark([row.id for row in rows], entries)
        self._uncounted.append(lambda: self._metrics.published.inc(len(rows)))
        return AT_ONCE_S if len(rows) == BATCH_ROWS_MAX else self._limits.interval_s

    async def _fail(self, turn: Turn, reason: str) -> None:
        dead = await turn.fail(reason, self._limits.attempts_max)
        if dead:
            self._uncounted.append(lambda: self._count_dead(dead, reason))

    def _count_dead(self, dead: int, reason: str) -> None:
        self._metrics.set_aside.inc(dead)
        if not self._defects.forgets_to_count_dead_letters():
            self._metrics.dead.inc(dead)
        logger.warning("set aside", extra={"fields": {"messages": dead, "reason": reason}})

    async def _replay(self, turn: Turn) -> None:
        """Put dead letters back: with their old ids they are relayed before anything newer."""
        if self._defects.drops_dead_letters():
            await turn.drop_dead()
            return
        revived = await turn.replay()
        if revived:
            self._uncounted.append(lambda: self._count_replayed(revived))

    def _count_replayed(self, revived: int) -> None:
        self._metrics.replayed.inc(revived)
        logger.info("replayed", extra={"fields": {"messages": revived}})

    @property
    def _mending_is_due(self) -> bool:
        return time.monotonic() - self._mended_at >= MEND_INTERVAL_S

    async def _mend(self, turn: Turn) -> None:
        """Let rows be relayed again whose entries are older than all that the stream holds."""
        if not self._mending_is_due:
            return
        if not await self._stream.exists():
            raise GroupMissing
        rows = await turn.dispatched(self._limits.vanished_after_s, BATCH_ROWS_MAX)
        if rows:
            oldest = await self._stream.oldest()
            vanished = [
                row_id
                for row_id, entry in rows
                if oldest is None or place_of(entry) < place_of(oldest)
            ]
            if vanished:
                repeated = await turn.unmark(vanished)
                self._uncounted.append(lambda: self._count_repeated(repeated))
        self._mended_at = time.monotonic()

    async def _begin_stream(self, turn: Turn) -> None:
        """Begin a stream where there is none: whatever the former one held is relayed again."""
        lost = await turn.unmark_all()
        await self._stream.make()
        self._stream_length = 0
        self._uncounted.append(lambda: self._count_repeated(lost))
        logger.info("the stream was made", extra={"fields": {"lost": lost}})

    def _count_repeated(self, count: int) -> None:
        if count:
            self._metrics.repeated.inc(count)
            logger.warning("relayed again", extra={"fields": {"messages": count}})
