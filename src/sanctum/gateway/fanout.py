"""Fan-out of committed messages through the cache's pub/sub."""

from __future__ import annotations

import asyncio
import logging
from collections import deque

import msgspec
from valkey.asyncio import Connection
from valkey.exceptions import ValkeyError

from sanctum.backing.cache import Cache
from sanctum.backing.errors import CacheUnavailable, DatabaseUnavailable
from sanctum.chat.rooms import Rooms
from sanctum.chat.storage import ChatStorage
from sanctum.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

TOPIC = "sanctum:chat"
BATCH_MESSAGES_MAX = 128
PING_INTERVAL_S = 0.25
SILENCE_MAX_S = 0.75
BACKOFF_FIRST_S = 0.05
BACKOFF_LAST_S = 0.4


class Publisher:
    """Publish committed messages from a bounded queue, so that no sender waits for the cache."""

    def __init__(self, cache: Cache, rooms: Rooms, metrics: Metrics, *, queue_max: int) -> None:
        self._cache = cache
        self._rooms = rooms
        self._metrics = metrics
        self._queue_max = queue_max
        self._queue: deque[tuple[int, bytes]] = deque()
        self._wake = asyncio.Event()

    def hand_over(self, channel: int, frame: bytes) -> None:
        """Take a committed message; one that does not fit reaches its readers by catch-up."""
        if len(self._queue) >= self._queue_max:
            self._leave_to_catch_up([channel])
            return
        self._queue.append((channel, frame))
        self._wake.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                await self._publish_batch()

    async def _publish_batch(self) -> None:
        count = min(len(self._queue), BATCH_MESSAGES_MAX)
        batch = [self._queue.popleft() for _ in range(count)]
        try:
            await self._cache.publish(TOPIC, [frame for _, frame in batch])
        except CacheUnavailable:
            self._leave_to_catch_up([channel for channel, _ in batch])
        else:
            self._metrics.published.inc(count)
            if not self._rooms.subscribed:
                self._rooms.all_fall_behind()

    def _leave_to_catch_up(self, channels: list[int]) -> None:
        self._metrics.unpublished.inc(len(channels))
        for channel in set(channels):
            self._rooms.fall_behind(channel)


class Subscription:
    """Offer every published message to the rooms; find out at once when nothing comes any more.

    A held connection gives no error, so the cache is pinged and a silence longer than the bound
    counts as a loss. Whatever was missed meanwhile is caught up when the subscription is back.
    """

    def __init__(self, cache: Cache, rooms: Rooms) -> None:
        self._cache = cache
        self._rooms = rooms
        self._backoff_s = BACKOFF_FIRST_S
        self._was_live = False

    @property
    def live(self) -> bool:
        """Tell whether published messages reach this process."""
        return self._rooms.subscribed

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
                await connection.send_command("SUBSCRIBE", TOPIC)
                await connection.read_response()
            self._gain()
            await self._listen(connection)
        finally:
            self._rooms.subscribed = False
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
            case [b"message", _, bytes(frame)]:
                try:
                    self._rooms.offer(frame)
                except msgspec.DecodeError as error:
                    logger.warning("foreign message", extra={"fields": {"reason": str(error)}})
            case _:
                pass

    def _gain(self) -> None:
        self._rooms.subscribed = self._was_live = True
        self._backoff_s = BACKOFF_FIRST_S
        self._rooms.all_fall_behind()
        logger.info("subscription is live")

    def _lose(self, error: BaseException) -> None:
        reason = f"{type(error).__name__}: {error}"
        if not self._was_live:
            logger.debug("no subscription yet", extra={"fields": {"reason": reason}})
            return
        self._was_live = False
        logger.info("subscription is lost", extra={"fields": {"reason": reason}})
        self._cache.lose("subscribe", error)
        self._rooms.all_fall_behind()


class Sweep:
    """Look now and then for members that miss something nobody told them of."""

    def __init__(self, storage: ChatStorage, rooms: Rooms, *, interval_s: float) -> None:
        self._storage = storage
        self._rooms = rooms
        self._interval_s = interval_s

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self._sweep()
            except DatabaseUnavailable as error:
                logger.info("sweep skipped", extra={"fields": {"reason": str(error)}})

    async def _sweep(self) -> None:
        rooms = {room.channel: room for room in self._rooms}
        if not rooms:
            return
        for channel, last in (await self._storage.last_numbers(rooms)).items():
            for member in rooms[channel].members:
                if member.tail < last:
                    member.fall_behind()
