"""Toxics at work: a stage is one toxic on one stream of one connection (`effects` has them all).

A stage takes what comes, bytes or the stream's ending, and gives it to what is behind it, in order
and in its time. What it keeps back is counted by the stream, which stops the sender when it is too
much. A stage that is taken off gives on at once all that it has kept: nothing waits for it.
"""

from __future__ import annotations

import asyncio
import math
import time
from abc import ABC, abstractmethod
from collections import deque
from typing import Protocol

from stormproof.faults.links.toxics import Ending, Tally, Toxic

Item = bytes | Ending


class Taker(Protocol):
    """What a stage gives on to: another stage, or the stream's far end."""

    def take(self, data: bytes) -> None:
        """Take bytes."""
        ...

    def end(self, how: Ending) -> None:
        """Take the stream's ending; nothing but a reset comes after it."""
        ...


class Bed(Protocol):
    """What a stage needs of the stream that it acts on."""

    def keep(self, count: int) -> None:
        """Count bytes that are kept back; below zero: that are no longer."""
        ...

    def close_connection(self) -> None:
        """Close both ends, once what was passed to them has been sent."""
        ...

    def reset_connection(self) -> None:
        """Reset both ends."""
        ...

    def random(self) -> float:
        """Draw a number in [0, 1) out of the connection's own stream of them."""
        ...


class Stage:
    """A stage that changes nothing; the base of those that do."""

    blocks = False  # whether its stream is not to be read meanwhile

    def __init__(self, toxic: Toxic, bed: Bed, tally: Tally) -> None:
        self.after: Taker
        self._toxic = toxic
        self._bed = bed
        self._tally = tally

    def begin(self) -> None:
        """Start to act on the connection."""

    def take(self, data: bytes) -> None:
        """Take bytes from what is before it."""
        self.after.take(data)

    def end(self, how: Ending) -> None:
        """Take the stream's ending."""
        self.after.end(how)

    def change(self, toxic: Toxic) -> None:
        """Act by other settings of the same toxic from now on."""
        self._toxic = toxic

    def leave(self) -> None:
        """Stop acting: give on all that was kept back."""

    def discard(self) -> None:
        """Forget all that was kept back: its receiver is gone."""


class WaitingStage(Stage, ABC):
    """The base of stages that keep things for a time: a queue, and a timer for its head."""

    def __init__(self, toxic: Toxic, bed: Bed, tally: Tally) -> None:
        super().__init__(toxic, bed, tally)
        self._queue: deque[tuple[float, Item]] = deque()  # with the instant, on time.monotonic
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None

    @abstractmethod
    def due_s(self, item: Item, now_s: float) -> float:
        """Return when an item that came now may pass, if all ahead of it have by then."""

    def take(self, data: bytes) -> None:
        """Keep bytes until they may pass."""
        self._enter(data)

    def end(self, how: Ending) -> None:
        """Keep the ending until it may pass."""
        self._enter(how)

    def _enter(self, item: Item) -> None:
        now_s = time.monotonic()
        due_s = self.due_s(item, now_s)
        if due_s <= now_s and not self._queue:
            give(item, self.after, None)
            return
        self._keep(item)
        self._queue.append((due_s, item))
        if self._timer is None:
            self._arm(due_s - now_s)

    def _keep(self, item: Item) -> None:
        if isinstance(item, bytes):
            self._tally.bytes += len(item)
            self._bed.keep(len(item))
        else:
            self._tally.cut += 1

    def _arm(self, in_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(milliseconds_up(in_s), self._release)

    def _release(self) -> None:
        self._timer = None
        while self._queue:
            left_s = self._queue[0][0] - time.monotonic()
            if left_s > 0:
                self._arm(left_s)
                return
            give(self._queue.popleft()[1], self.after, self._bed)

    def change(self, toxic: Toxic) -> None:
        """Let pass what is kept, and act anew."""
        self.leave()
        self._toxic = toxic

    def leave(self) -> None:
        """Let pass what is kept."""
        self._disarm()
        while self._queue:
            give(self._queue.popleft()[1], self.after, self._bed)

    def discard(self) -> None:
        """Forget what is kept."""
        self._disarm()
        self._bed.keep(-sum(len(item) for _, item in self._queue if isinstance(item, bytes)))
        self._queue.clear()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def give(item: Item, to: Taker, kept_by: Bed | None) -> None:
    """Give on bytes or an ending, which `kept_by` has counted as kept until now."""
    if isinstance(item, Ending):
        to.end(item)
        return
    if kept_by is not None:
        kept_by.keep(-len(item))
    to.take(item)


def milliseconds_up(span_s: float) -> float:
    """Round up to what timers of uvloop can tell apart, so that they are not early by rounding."""
    return math.ceil(span_s * 1_000) / 1_000
