"""What the consumer does where a transaction is too much for the database, with both played."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sanctum.backing.errors import CacheUnavailable, DatabaseUnavailable
from sanctum.defects import Defects
from sanctum.pipeline.consumer import BATCH_ENTRIES_MAX, ConsumeLimits, Consumer
from sanctum.pipeline.inboxes import Key, Outcome
from sanctum.pipeline.metrics import ConsumeMetrics
from sanctum.pipeline.stream import Entry, Message
from sanctum.telemetry.metrics import Metrics

DEADLINE_S = 20


class _Stream:
    """Hold entries as pending until they are settled."""

    def __init__(self, count: int) -> None:
        self.pending_entries = [_entry(number) for number in range(1, count + 1)]
        self.publishing_fails = 0
        self.empty = asyncio.Event()

    async def pending(self, after: bytes, count: int) -> list[Entry]:
        return [one for one in self.pending_entries if int(one.id) > int(after)][:count]

    async def reclaim(self, _idle_ms: int, _count: int) -> list[Entry]:
        return []

    async def forget_idle(self, _idle_ms: int) -> None:
        """Know of no other consumer."""

    async def fresh(self, _count: int, _block_ms: int) -> list[Entry]:
        await asyncio.Event().wait()
        return []

    async def publish(self, _frames: object) -> None:
        if self.publishing_fails:
            self.publishing_fails -= 1
            raise CacheUnavailable("away")

    async def settle(self, ids: Sequence[bytes]) -> None:
        self.pending_entries = [one for one in self.pending_entries if one.id not in ids]
        if not self.pending_entries:
            self.empty.set()


class _Inboxes:
    """Deliver each message once, and no more than so many together."""

    def __init__(self, at_once_max: int) -> None:
        self._at_once_max = at_once_max
        self.delivered: set[Key] = set()

    async def deliver(self, bodies: dict[Key, object], *, in_order: bool) -> Outcome:
        assert in_order
        if len(bodies) > self._at_once_max:
            raise DatabaseUnavailable("too much for its deadline")
        fresh = frozenset(bodies) - self.delivered
        self.delivered |= fresh
        return Outcome(arrivals=[], delivered=fresh, early=frozenset())


def _entry(number: int) -> Entry:
    message = Message(
        conversation=1, number=number, author=1, id=f"{number}", payload=b"x", created=0.0
    )
    return Entry(id=b"%d" % number, message=message)


async def _consume(stream: _Stream, inboxes: _Inboxes) -> Metrics:
    metrics = Metrics()
    limits = ConsumeLimits(block_s=0.01, reclaim_interval_s=60, reclaim_idle_s=60)
    consumer = Consumer(
        stream,  # type: ignore[arg-type]
        inboxes,  # type: ignore[arg-type]
        limits,
        Defects(),
        ConsumeMetrics(metrics),
    )
    running = asyncio.ensure_future(consumer.run())
    async with asyncio.timeout(DEADLINE_S):
        await stream.empty.wait()
    running.cancel()
    return metrics


async def test_what_is_too_much_together_is_delivered_in_parts() -> None:
    """Entries that the database cannot write within its deadline together stop nothing: they are
    delivered in smaller parts."""
    stream, inboxes = _Stream(BATCH_ENTRIES_MAX), _Inboxes(at_once_max=3)
    await _consume(stream, inboxes)
    assert len(inboxes.delivered) == BATCH_ENTRIES_MAX


async def test_delivered_is_counted_whatever_the_cache_does() -> None:
    """What was delivered just before the cache went away is counted once as delivered."""
    stream, inboxes = _Stream(5), _Inboxes(at_once_max=5)
    stream.publishing_fails = 2
    metrics = await _consume(stream, inboxes)
    assert b"\nmessaging_consumer_delivered_total 5.0" in metrics.render()
