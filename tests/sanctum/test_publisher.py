"""The publisher on its own: no sender waits for it, and what it cannot publish is caught up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from sanctum.backing.cache import Cache
from sanctum.backing.database import Database
from sanctum.backing.errors import CacheUnavailable
from sanctum.chat.fanout import Publisher
from sanctum.chat.rooms import Rooms
from sanctum.chat.storage import ChatStorage
from sanctum.defects import Defects
from sanctum.telemetry.metrics import Metrics


class ScriptedCache(Cache):
    """A cache that never connects: publishing stalls until released, and then may fail."""

    def __init__(self, metrics: Metrics, *, fails: bool) -> None:
        super().__init__(
            "valkey://127.0.0.1:1/0", pool_max=1, timeout_s=0.1, defects=Defects(), metrics=metrics
        )
        self.released = asyncio.Event()
        self.published: list[bytes] = []
        self._fails = fails

    async def publish(self, topic: str, payloads: Iterable[bytes]) -> None:
        """Stall, then publish or fail as scripted."""
        await self.released.wait()
        if self._fails:
            raise CacheUnavailable("scripted")
        self.published += payloads


class RecordingRooms(Rooms):
    """Rooms without members that note which channels are told to catch up."""

    def __init__(self, metrics: Metrics) -> None:
        database = Database(
            "postgresql://nobody@127.0.0.1:1/none",
            pool_max=1,
            acquire_timeout_s=1,
            command_timeout_s=1,
            probe_timeout_s=1,
            metrics=metrics,
        )
        super().__init__(ChatStorage(database), Defects(), metrics)
        self.behind: list[int] = []
        self.subscribed = True

    def fall_behind(self, channel: int) -> None:
        """Note the channel."""
        self.behind.append(channel)


async def _publish(
    channels: list[int], *, fails: bool, queue_max: int
) -> tuple[ScriptedCache, RecordingRooms]:
    metrics = Metrics()
    cache, rooms = ScriptedCache(metrics, fails=fails), RecordingRooms(metrics)
    publisher = Publisher(cache, rooms, metrics, queue_max=queue_max)
    run = asyncio.ensure_future(publisher.run())
    for channel in channels:
        publisher.hand_over(channel, b"%d" % channel)
    await asyncio.sleep(0)
    cache.released.set()
    for _ in range(20):
        await asyncio.sleep(0)
    run.cancel()
    return cache, rooms


async def test_messages_are_published_in_order() -> None:
    """What fits the queue is published in the order it was handed over."""
    cache, rooms = await _publish([3, 1, 2], fails=False, queue_max=10)
    assert cache.published == [b"3", b"1", b"2"]
    assert rooms.behind == []


async def test_what_does_not_fit_the_queue_is_left_to_catch_up() -> None:
    """A full queue takes no more; the channels of the rest are told to catch up."""
    cache, rooms = await _publish([1, 2, 3, 4], fails=False, queue_max=2)
    assert cache.published == [b"1", b"2"]
    assert rooms.behind == [3, 4]


async def test_what_cannot_be_published_is_left_to_catch_up() -> None:
    """When publishing fails, every channel of the batch is told to catch up."""
    cache, rooms = await _publish([1, 2, 1], fails=True, queue_max=10)
    assert cache.published == []
    assert sorted(rooms.behind) == [1, 2]
