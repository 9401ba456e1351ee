"""Fan-out of committed frames through the cache's pub/sub."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Protocol

import msgspec
from valkey.asyncio import Connection
from valkey.exceptions import ValkeyError

from sanctum.backing.cache import Cache
from sanctum.backing.errors import CacheUnavailable, DatabaseUnavailable
from sanctum.gateway.topics import Topic

logger = logging.getLogger(__name__)

BATCH_FRAMES_MAX = 128
PING_INTERVAL_S = 0.25
SILENCE_MAX_S = 0.75
BACKOFF_FIRST_S = 0.05
BACKOFF_LAST_S = 0.4


class Publisher:
    """Publish committed frames from a bounded queue, so that no sender waits for the cache."""

    def __init__(self, cache: Cache, topic: Topic, *, queue_max: int) -> None:
        self._cache = cache
        self._topic = topic
        self._queue_max = queue_max
        self._queue: deque[tuple[int, bytes]] = deque()
        self._wake = asyncio.Event()

    def hand_over(self, key: int, frame: bytes) -> None:
        """Take a committed frame; one that does not fit reaches its readers by catch-up."""
        if len(self._queue) >= self._queue_max:
            self._leave_to_catch_up([key])
            return
        self._queue.append((key, frame))
        self._wake.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                await self._publish_batch()

    async def _publish_batch(self) -> None:
        count = min(len(self._queue), BATCH_FRAMES_MAX)
        batch = [self._queue.popleft() for _ in range(count)]
        try:
            await self._cache.publish(self._topic.name, [frame for _, frame in batch])
        except CacheUnavailable:
            self._leave_to_catch_up([key for key, _ in batch])
        else:
            self._topic.metrics.published.inc(count)
            if not self._topic.subscribed:
                self._topic.all_fall_behind()

    def _leave_to_catch_up(self, keys: list[int]) -> None:
        self._topic.metrics.unpublished.inc(len(keys))
        for key in set(keys):
            self._topic.fall_behind(key)


class Listener(Protocol):
    """Take what is published on a topic of the cache's pub/sub.

    Attributes:
        name: the topic.
        subscribed: whether what is published reaches this process; kept by the subscription.
    """

    name: str
    subscribed: bool

    def offer(self, frame: bytes) -> None:
        """Take a published frame; raises msgspec.DecodeError when it is foreign."""
        ...

    def all_fall_behind(self) -> None:
        """Hear that frames may have been missed."""
        ...


class Subscription:
    """Offer every published frame to its topic; find out at once when nothing comes any more.

    A held connection gives no error, so the cache is pinged and a silence longer than the bound
    counts as a loss. Whatever was missed meanwhile is caught up when the subscription is back.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._topics: dict[bytes, Listener] = {}
        self._backoff_s = BACKOFF_FIRST_S
        self._was_live = False

    @property
    def live(self) -> bool:
        """Tell whether published frames reach this process."""
        return all(topic.subscribed for topic in self._topics.values())

    def add(self, topic: Listener) -> None:
        """Add a topic, before the subscription runs."""
        self._topics[topic.name.encode()] = topic

    async def run(self) -> None:
        """Stay subscribed until cancelled."""
        while self._cache.may_connect:
            try:
                await self._follow(self._cache.dedicated_connection())
            except (ValkeyError, OSError, TimeoutError) as error:
                self._lose(error)
            await asyncio.sleep(self._backoff_s)
            self._backoff_s = min(self._backoff_s * 2, BACKOFF_LAST_S)
        logger.warning("the subscription is not made again")

    async def _follow(self, connection: Connection) -> None:
        try:
            async with asyncio.timeout(SILENCE_MAX_S):
                await connection.connect()  # type: ignore[no-untyped-call]
                await connection.send_command("SUBSCRIBE", *self._topics)
                for _ in self._topics:
                    await connection.read_response()
            self._gain()
            await self._listen(connection)
        finally:
            for topic in self._topics.values():
                topic.subscribed = False
            await connection.disconnect(nowait=True)

    async def _listen(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        heard_at = loop.time()
        while True:
            reply = await connection.read_response(timeout=PING_INTERVAL_S)
            if reply is not None:
                heard_at = loop.time()
                self._take(reply)
            elif loop.time() - heard_at > SILENCE_MAX_S:
                raise TimeoutError("the subscription is silent")
            else:
                await connection.send_command("PING")

    def _take(self, reply: object) -> None:
        match reply:
            case [b"message", bytes(name), bytes(frame)] if name in self._topics:
                try:
                    self._topics[name].offer(frame)
                except msgspec.DecodeError as error:
                    logger.warning("foreign message", extra={"fields": {"reason": str(error)}})
            case _:
                pass

    def _gain(self) -> None:
        self._was_live = True
        self._backoff_s = BACKOFF_FIRST_S
        for topic in self._topics.values():
            topic.subscribed = True
            topic.all_fall_behind()
        logger.info("subscription is live")

    def _lose(self, error: BaseException) -> None:
        reason = f"{type(error).__name__}: {error}"
        if not self._was_live:
            logger.debug("no subscription yet", extra={"fields": {"reason": reason}})
            return
        self._was_live = False
        logger.info("subscription is lost", extra={"fields": {"reason": reason}})
        self._cache.lose("subscribe", error)
        for topic in self._topics.values():
            topic.all_fall_behind()


class Sweep:
    """Look now and then for members that miss something nobody told them of."""

    def __init__(self, *, interval_s: float) -> None:
        self._interval_s = interval_s
        self._topics: list[Topic] = []

    def add(self, topic: Topic) -> None:
        """Add a topic."""
        self._topics.append(topic)

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            for topic in self._topics:
                try:
                    await self._sweep(topic)
                except DatabaseUnavailable as error:
                    logger.info("sweep skipped", extra={"fields": {"reason": str(error)}})

    async def _sweep(self, topic: Topic) -> None:
        audiences = {audience.key: audience for audience in topic}
        if not audiences:
            return
        for key, last in (await topic.log.last_numbers(audiences)).items():
            audiences[key].catch_up_to(last)
