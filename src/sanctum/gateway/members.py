"""Members: what each open socket was sent last, and how it gets what comes next."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sanctum.backing.errors import DatabaseUnavailable

logger = logging.getLogger(__name__)

RETRY_AFTER_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Hold what is stored after a number.

    Attributes:
        frames: encoded frames with their numbers, in order.
        last: the last number read, even where it has no frame.
        full: whether more may follow.
    """

    frames: Sequence[tuple[int, bytes]]
    last: int
    full: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """Bound what may wait for one socket.

    Attributes:
        frames: how many frames.
        size_bytes: their size together, unless it is a single one.
    """

    frames: int
    size_bytes: int


class SlowReader(Exception):
    """Say that a client does not read what it is sent."""


class Member:
    """Deliver the frames of one key to one socket, in order and once each.

    A member in step takes the next number straight into its queue. Offered any later number, or
    told so, it falls behind: it ignores offers and reads pages until nothing is missing.
    """

    __slots__ = (
        "_behind",
        "_limits",
        "_read_page",
        "_send",
        "_tail",
        "_waiting",
        "_waiting_bytes",
        "_wake",
    )

    def __init__(
        self,
        *,
        tail: int,
        send: Callable[[bytes], Awaitable[None]],
        read_page: Callable[[int], Awaitable[Page]],
        limits: QueueLimits,
    ) -> None:
        """Start behind, so that the first page closes what was missed while joining.

        Args:
            tail: the number after which delivery begins.
            send: sends one frame; raises SlowReader when that takes too long.
            read_page: reads the frames after a number.
            limits: what may wait for a reader in step.
        """
        self._tail = tail
        self._send = send
        self._read_page = read_page
        self._limits = limits
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._behind = True
        self._wake = asyncio.Event()

    @property
    def tail(self) -> int:
        """Give the last number sent or queued."""
        return self._tail

    def offer(self, number: int, frame: bytes) -> None:
        """Take a live frame when it is the next one.

        Raises:
            SlowReader: when too much waits already.
        """
        # A member behind will read this one from a page: it was committed before it was offered.
        if number <= self._tail or self._behind:
            return
        if number != self._tail + 1:
            self.fall_behind()
            return
        # A single frame is never too much, however large: nobody could read it otherwise.
        grown = self._waiting_bytes + len(frame)
        if len(self._waiting) >= self._limits.frames or (
            self._waiting and grown > self._limits.size_bytes
        ):
            raise SlowReader
        self._queue(number, frame)
        self._wake.set()

    def pass_over(self, number: int) -> None:
        """Take a number for sent, when it is the next one; only a planted defect asks for that."""
        if number == self._tail + 1 and not self._behind:
            self._tail = number

    def intrude(self, frame: bytes) -> None:
        """Send a frame that is none of the member's; only a planted defect asks for that."""
        self._queue(self._tail, frame)
        self._wake.set()

    def fall_behind(self) -> None:
        """Make the member read whatever it may have missed."""
        self._behind = True
        self._wake.set()

    async def deliver(self) -> None:
        """Send what waits until cancelled.

        Raises:
            SlowReader: when the client does not read.
        """
        while True:
            while self._waiting:
                frame = self._waiting.popleft()
                self._waiting_bytes -= len(frame)
                await self._send(frame)
            if self._behind:
                await self._catch_up()
            elif not self._waiting:
                self._wake.clear()
                await self._wake.wait()

    async def _catch_up(self) -> None:
        # Offers during the read that are not the next number make the member fall behind again.
        self._behind = False
        try:
            page = await self._read_page(self._tail)
        except DatabaseUnavailable:
            self._behind = True
            await asyncio.sleep(RETRY_AFTER_S)
            return
        for number, frame in page.frames:
            if number > self._tail:
                self._queue(number, frame)
        self._tail = max(self._tail, page.last)
        self._behind = self._behind or page.full

    def _queue(self, number: int, frame: bytes) -> None:
        self._waiting.append(frame)
        self._waiting_bytes += len(frame)
        self._tail = number
