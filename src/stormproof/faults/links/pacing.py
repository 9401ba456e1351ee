"""The base of stages that take data apart: a narrow link, and one that passes it in pieces.

They keep whole reads and cut the next piece off only when its turn has come, so that pieces of one
byte cost no memory.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque

from stormproof.faults.links.stages import Bed, Item, Stage, milliseconds_up
from stormproof.faults.links.toxics import Ending, Tally, Toxic

_TIMER_S = 0.001  # what timers of uvloop can tell apart


class PacedStage(Stage, ABC):
    """The base: a queue of reads, and when the next piece of the first one may pass."""

    def __init__(self, toxic: Toxic, bed: Bed, tally: Tally) -> None:
        super().__init__(toxic, bed, tally)
        self._queue: deque[Item] = deque()
        self._at = 0  # how much of the first read has passed
        self._size: int | None = None  # of the next piece, once it is drawn
        self._free_s = 0.0  # from when on the next piece may be under way, on time.monotonic
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None

    @abstractmethod
    def piece_bytes(self) -> int:
        """Return how large the next piece may be; 0: nothing passes."""

    @abstractmethod
    def due_s(self, count: int) -> float:
        """Return when a piece of `count` bytes may pass."""

    @abstractmethod
    def passed(self, due_s: float) -> None:
        """Note that the piece which was due then has passed."""

    def take(self, data: bytes) -> None:
        """Keep bytes until it is their turn."""
        self._bed.keep(len(data))
        self._tally.bytes += len(data)
        self._queue.append(data)
        self._start()

    def end(self, how: Ending) -> None:
        """Keep the ending until all before it has passed."""
        self._queue.append(how)
        self._start()

    def change(self, toxic: Toxic) -> None:
        """Let what is kept pass by the new settings."""
        self._toxic = toxic
        self._size = None
        self._disarm()
        self._free_s = min(self._free_s, time.monotonic())
        if self._queue:
            self._start()

    def leave(self) -> None:
        """Let pass what is kept."""
        self._disarm()
        while self._queue:
            head = self._queue[0]
            self._give(head if isinstance(head, Ending) else head[self._at :])

    def discard(self) -> None:
        """Forget what is kept."""
        self._disarm()
        self._bed.keep(self._at - sum(len(one) for one in self._queue if isinstance(one, bytes)))
        self._queue.clear()
        self._at = 0

    def _start(self) -> None:
        if self._timer is None:
            if len(self._queue) == 1:
                self._free_s = max(self._free_s, time.monotonic())
            self._go_on()

    def _go_on(self) -> None:
        """Pass one piece if it is due, and come again for the next."""
        self._timer = None
        head = self._queue[0]
        if isinstance(head, Ending):
            self._give(head)
        else:
            if self._size is None:
                self._size = self.piece_bytes()
            if self._size == 0:
                return  # until the settings change, or the stage leaves
            piece = head[self._at : self._at + self._size]
            due_s = self.due_s(len(piece))
            left_s = due_s - time.monotonic()
            if left_s > 0:
                self._arm(left_s)
                return
            self._size = None
            self.passed(due_s)
            self._tally.cut += self._at + len(piece) < len(head)
            self._give(piece)
        if self._queue and self._timer is None:
            self._arm(0.0)

    def _give(self, item: Item) -> None:
        if isinstance(item, Ending):
            self._queue.popleft()
            self.after.end(item)
            return
        self._at += len(item)
        head = self._queue[0]
        assert isinstance(head, bytes)
        if self._at >= len(head):
            self._queue.popleft()
            self._at = 0
        self._bed.keep(-len(item))
        self.after.take(item)

    def _arm(self, in_s: float) -> None:
        loop = asyncio.get_running_loop()
        if in_s < _TIMER_S:
            # Each piece in a turn of its own: written in one turn they would travel as one.
            self._timer = loop.call_soon(self._go_on)
        else:
            self._timer = loop.call_later(milliseconds_up(in_s), self._go_on)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
