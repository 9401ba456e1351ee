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
        frames: encoded messages with their numbers, in order.
        last: the last number read, even where its message is not among the frames.
        full: whether more may follow.
    """

    frames: Sequence[tuple[int, bytes]]
    last: int
    full: bool


class SlowReader(Exception):
    """Say that a client does not read what it is sent."""


class Member:
    """Deliver a channel's messages to one socket, in order and once each.

    A member in step takes the next number straight into its queue. Offered any later number, or
    told so, it falls behind: it ignores offers and reads pages until nothing is missing.
    """

    __slots__ = ("_behind", "_queue_max", "_read_page", "_send", "_tail", "_waiting", "_wake")

    def __init__(
        self,
        *,
        tail: int,
        send: Callable[[bytes], Awaitable[None]],
        read_page: Callable[[int], Awaitable[Page]],
        queue_max: int,
    ) -> None:
        """Start behind, so that the first page closes what was missed while joining.

        Args:
            tail: the number after which delivery begins.
            send: sends one frame; raises SlowReader when that takes too long.
            read_page: reads the messages after a number.
            queue_max: frames that may wait for a reader in step.
        """
        self._tail = tail
        self._send = send
        self._read_page = read_page
        self._queue_max = queue_max
        self._waiting: deque[bytes] = deque()
        self._behind = True
        self._wake = asyncio.Event()

    @property
    def tail(self) -> int:
        """Give the last number sent or queued."""
        return self._tail

    def offer(self, number: int, frame: bytes) -> None:
        """Take a live message when it is the next one.

        Raises:
            SlowReader: when too many frames wait already.
        """
        # A member behind will read this one from a page: it was committed before it was offered.
        if number <= self._tail or self._behind:
            return
        if number != self._tail + 1:
            self.fall_behind()
            return
        if len(self._waiting) >= self._queue_max:
            raise SlowReader
        self._waiting.append(frame)
        self._tail = number
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
                await self._send(self._waiting.popleft())
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
                self._waiting.append(frame)
                self._tail = number
        self._tail = max(self._tail, page.last)
        self._behind = self._behind or page.full
