"""The publisher on its own: no sender waits for it, and what it cannot publish is caught up."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping

from prometheus_client import Counter

from sanctum.backing.cache import Cache
from sanctum.backing.errors import CacheUnavailable
from sanctum.defects import Defects
from sanctum.gateway.fanout import Publisher
from sanctum.gateway.members import Page
from sanctum.gateway.topics import Place, Topic, TopicMetrics
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


class EmptyLog:
    """A log without frames."""

    async def after(self, key: int, number: int) -> Page:
        """Read nothing."""
        return Page(frames=[], last=number, full=False)

    async def last_numbers(self, keys: Collection[int]) -> Mapping[int, int]:
        """Give no key a number."""
        return dict.fromkeys(keys, 0)


class RecordingTopic(Topic):
    """A topic without members that notes which keys are told to catch up."""

    def __init__(self) -> None:
        counter = Counter("frames_total", "Frames", registry=None)
        metrics = TopicMetrics(
            published=counter, unpublished=counter, delivered=counter, pages=counter
        )
        super().__init__("topic", EmptyLog(), lambda _: Place(key=0, number=0), metrics)
        self.behind: list[int] = []
        self.subscribed = True

    def fall_behind(self, key: int) -> None:
        """Note the key."""
        self.behind.append(key)


async def _publish(
    keys: list[int], *, fails: bool, queue_max: int
) -> tuple[ScriptedCache, RecordingTopic]:
    cache, topic = ScriptedCache(Metrics(), fails=fails), RecordingTopic()
    publisher = Publisher(cache, topic, queue_max=queue_max)
    run = asyncio.ensure_future(publisher.run())
    for key in keys:
        publisher.hand_over(key, b"%d" % key)
    await asyncio.sleep(0)
    cache.released.set()
    for _ in range(20):
        await asyncio.sleep(0)
    run.cancel()
    return cache, topic


async def test_frames_are_published_in_order() -> None:
    """What fits the queue is published in the order it was handed over."""
    cache, topic = await _publish([3, 1, 2], fails=False, queue_max=10)
    assert cache.published == [b"3", b"1", b"2"]
    assert topic.behind == []


async def test_what_does_not_fit_the_queue_is_left_to_catch_up() -> None:
    """A full queue takes no more; the keys of the rest are told to catch up."""
    cache, topic = await _publish([1, 2, 3, 4], fails=False, queue_max=2)
    assert cache.published == [b"1", b"2"]
    assert topic.behind == [3, 4]


async def test_what_cannot_be_published_is_left_to_catch_up() -> None:
    """When publishing fails, every key of the batch is told to catch up."""
    cache, topic = await _publish([1, 2, 1], fails=True, queue_max=10)
    assert cache.published == []
    assert sorted(topic.behind) == [1, 2]
