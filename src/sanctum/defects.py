"""Planted defects: known faults of the service, so that a tester can be tested.

All are off by default, switched on by name in ``SANCTUM_DEFECTS`` and refused in production. They
strike by count, never by chance, so that every run with a defect breaks the same promise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

LOSE_FIRST_ORDINAL = 500
LOSE_EVERY_ORDINAL = 1000
SLOW_FEED_S = 0.3
SKIP_EVERY_POST = 5


class Defect(Enum):
    """Name a planted defect; the documentation is the promise that it breaks."""

    LOSE_MESSAGE = "lose_message"
    NO_CACHE_RECONNECT = "no_cache_reconnect"
    SKIP_READER = "skip_reader"
    SLOW_FEED = "slow_feed"

    @property
    def broken_promise(self) -> str:
        """Say which promise of the service the defect breaks."""
        return _BROKEN_PROMISES[self]


_BROKEN_PROMISES = {
    Defect.LOSE_MESSAGE: (
        "an acknowledged message reaches every member: the 500th committed message and every"
        " 1000th after it are never delivered, neither live nor by catch-up"
    ),
    Defect.NO_CACHE_RECONNECT: (
        "the service recovers by itself when the cache is back: once the connection was lost it"
        " is never made again"
    ),
    Defect.SKIP_READER: (
        "everybody who shares a channel with its author is told of a post: of every 5th post that a"
        " process stores one reader is not told"
    ),
    Defect.SLOW_FEED: "the feed is fast: every read of it takes 300 ms longer",
}


@dataclass(frozen=True, slots=True)
class Defects:
    """Answer, at each place where a defect can bite, whether it does."""

    lose_message: bool = False
    no_cache_reconnect: bool = False
    skip_reader: bool = False
    slow_feed: bool = False

    @classmethod
    def planted(cls, defects: Iterable[Defect]) -> Defects:
        """Switch on the given defects and no other."""
        return cls(**{defect.value: True for defect in defects})

    def hides(self, ordinal: int) -> bool:
        """Tell whether a committed message is lost, by its count over all channels."""
        return self.lose_message and ordinal % LOSE_EVERY_ORDINAL == LOSE_FIRST_ORDINAL

    def readers_skipped(self, post: int) -> int:
        """Give how many readers are not told of a post, by its count in this process."""
        return int(self.skip_reader and post % SKIP_EVERY_POST == 0)

    async def hold_feed(self) -> None:
        """Delay a read of the feed where that defect is on."""
        if self.slow_feed:
            await asyncio.sleep(SLOW_FEED_S)
