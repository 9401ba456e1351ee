"""The consumer: turn stream entries into inbox entries, each message once and in order."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

from sanctum.backing.errors import CacheUnavailable, DatabaseUnavailable
from sanctum.defects import Defects
from sanctum.inbox.frames import entry_frame
from sanctum.pipeline.inboxes import Inboxes, Key, Outcome, encode_body
from sanctum.pipeline.metrics import ConsumeMetrics
from sanctum.pipeline.stream import Entry, GroupMissing, Message, Stream

logger = logging.getLogger(__name__)

BATCH_ENTRIES_MAX = 100
BATCH_BYTES_MAX = 2 << 20
RETRY_FIRST_S = 0.05
RETRY_LAST_S = 1.0
FROM_THE_FIRST = b"0"
FORGOTTEN_AFTER_S = 300.0

Bodies = dict[Key, tuple[int, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumeLimits:
    """Bound the consumer's work, in seconds.

    Attributes:
        block_s: how long it waits for an entry before it looks at anything else.
        reclaim_interval_s: how often it looks for entries of dead consumers.
        reclaim_idle_s: how long nobody worked on an entry before its consumer counts as dead.
    """

    block_s: float
    reclaim_interval_s: float
    reclaim_idle_s: float


class Consumer:
    """Deliver entries until cancelled: its own left ones, then those of the dead, then new ones.

    Entries that have to wait stay pending under this consumer's name and are read again from there,
    so that nothing is kept in memory, however many wait.
    """

    def __init__(
        self,
        stream: Stream,
        inboxes: Inboxes,
        limits: ConsumeLimits,
        defects: Defects,
        metrics: ConsumeMetrics,
    ) -> None:
        self._stream = stream
        self._inboxes = inboxes
        self._limits = limits
        self._defects = defects
        self._metrics = metrics
        self._own_after: bytes | None = FROM_THE_FIRST
        self._look_again_at: float | None = None
        self._retry_s = RETRY_FIRST_S
        self._reclaim_at = 0.0
        self._reclaim_from = FROM_THE_FIRST
        self._part_entries_max = BATCH_ENTRIES_MAX

    async def run(self) -> None:
        """Deliver what comes."""
        while True:
            try:
                await self._take_batch()
                continue
            except GroupMissing:
                logger.debug("no stream yet")
                self._retry_s = RETRY_FIRST_S  # the dispatcher is about to make it
            except (CacheUnavailable, DatabaseUnavailable) as error:
                logger.debug("not delivered", extra={"fields": {"reason": str(error)}})
                if isinstance(error, DatabaseUnavailable):
                    # Perhaps it was too much to write in time: large messages of large groups.
                    self._part_entries_max = 1
            # What was read and not delivered is pending under this name.
            self._own_after = FROM_THE_FIRST
            await asyncio.sleep(self._back_off())

    async def _take_batch(self) -> None:
        now = time.monotonic()
        if self._look_again_at is not None and now >= self._look_again_at:
            self._own_after, self._look_again_at = FROM_THE_FIRST, None
        if self._own_after is not None:
            await self._take_own(self._own_after)
        elif now >= self._reclaim_at:
            await self._take_abandoned()
        else:
            await self._deliver(await self._stream.fresh(BATCH_ENTRIES_MAX, self._block_ms()))

    async def _take_own(self, after: bytes) -> None:
        entries = await self._stream.pending(after, BATCH_ENTRIES_MAX)
        self._own_after = entries[-1].id if entries else None
        await self._deliver(entries)

    async def _take_abandoned(self) -> None:
        idle_ms = round(self._limits.reclaim_idle_s * 1000)
        entries, following = await self._stream.reclaim(
            idle_ms, BATCH_ENTRIES_MAX, self._reclaim_from
        )
        self._reclaim_from = following or FROM_THE_FIRST
        if following is None:
            self._reclaim_at = time.monotonic() + self._limits.reclaim_interval_s
            await self._stream.forget_idle(round(FORGOTTEN_AFTER_S * 1000))
        if entries:
            self._metrics.reclaimed.inc(len(entries))
            logger.info("reclaimed", extra={"fields": {"entries": len(entries)}})
        delivered = await self._deliver(entries)
        if delivered and self._defects.repeats_reclaimed():
            await self._inboxes.repeat(delivered)

    async def _deliver(self, entries: list[Entry]) -> list[Key]:
        """Deliver entries and acknowledge them; return the messages that were delivered now."""
        delivered: list[Key] = []
        left = entries
        while left:
            part = _part_of(left, self._part_entries_max)
            left = left[len(part) :]
            delivered += await self._deliver_part(part)
            self._part_entries_max = min(self._part_entries_max * 2, BATCH_ENTRIES_MAX)
        return delivered

    async def _deliver_part(self, entries: list[Entry]) -> frozenset[Key]:
        messages = [entry.message for entry in entries if entry.message is not None]
        bodies = {key_of(message): (message.author, encode_body(message)) for message in messages}
        outcome = await self._write(bodies, [entry.id for entry in entries])
        # Counted before the cache is asked for anything: they are delivered without it as well.
        self._metrics.delivered.inc(len(outcome.delivered))
        self._note_delays(entries, outcome)
        await self._stream.publish(
            entry_frame(arrival.user, arrival.number, bodies[arrival.message][1])
            for arrival in outcome.arrivals
        )
        settled = [
            entry.id
            for entry in entries
            if entry.message is None or key_of(entry.message) not in outcome.early
        ]
        await self._stream.settle(settled)
        self._note(entries, outcome)
        return outcome.delivered

    async def _write(self, bodies: Bodies, ids: list[bytes]) -> Outcome:
        in_order = not self._defects.forgets_order()
        if not self._defects.acknowledges_first():
            return await self._inboxes.deliver(bodies, in_order=in_order)
        await self._inboxes.take(list(bodies))
        await self._stream.settle(ids)
        await self._defects.hold_what_was_acknowledged()
        return await self._inboxes.deliver(bodies, in_order=in_order, taken=True)

    def _note(self, entries: list[Entry], outcome: Outcome) -> None:
        unreadable = sum(entry.message is None for entry in entries)
        if unreadable:
            logger.warning("foreign entries", extra={"fields": {"entries": unreadable}})
            self._metrics.unreadable.inc(unreadable)
        early = sum(
            entry.message is not None and key_of(entry.message) in outcome.early
            for entry in entries
        )
        self._metrics.repeated.inc(len(entries) - unreadable - early - len(outcome.delivered))
        if outcome.delivered:
            self._retry_s = RETRY_FIRST_S
        if early and self._look_again_at is None:
            self._look_again_at = time.monotonic() + self._back_off()

    def _note_delays(self, entries: list[Entry], outcome: Outcome) -> None:
        now = time.time()
        created = {key_of(one.message): one.message.created for one in entries if one.message}
        for key in outcome.delivered:
            self._metrics.delay.observe(max(0.0, now - created[key]))

    def _back_off(self) -> float:
        pause_s, self._retry_s = self._retry_s, min(self._retry_s * 2, RETRY_LAST_S)
        return pause_s

    def _block_ms(self) -> int:
        """Give how long to wait for new entries: not beyond the moment to look at old ones."""
        look_at = min(self._reclaim_at, self._look_again_at or self._reclaim_at)
        left_s = min(self._limits.block_s, look_at - time.monotonic())
        return max(1, round(left_s * 1000))


def key_of(message: Message) -> Key:
    """Name a message."""
    return message.conversation, message.number


def _part_of(entries: list[Entry], entries_max: int) -> list[Entry]:
    """Return the first entries, as many as one transaction writes: some megabytes at most."""
    size = 0
    for count, entry in enumerate(entries[:entries_max], 1):
        size += len(entry.message.payload) if entry.message is not None else 0
        if size >= BATCH_BYTES_MAX:
            return entries[:count]
    return entries[:entries_max]
