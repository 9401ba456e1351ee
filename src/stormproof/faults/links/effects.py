"""The stages of all toxics, one a kind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

from stormproof.faults.links.pacing import PacedStage
from stormproof.faults.links.stages import Bed, Item, Stage, WaitingStage, give, milliseconds_up
from stormproof.faults.links.toxics import (
    Bandwidth,
    Drop,
    Ending,
    Hold,
    Latency,
    LimitData,
    Noop,
    ResetPeer,
    Slicer,
    SlowClose,
    Tally,
    Timeout,
    Toxic,
)
from stormproof.kernel.units import SECOND_NS

PIECE_S = 0.02  # of a narrow link's rate, that pass together


def stage_of(toxic: Toxic, bed: Bed, tally: Tally) -> Stage:
    """Build the stage that carries a toxic out."""
    return _STAGES[type(toxic)](toxic, bed, tally)


class _HoldStage(Stage):
    """Keeps what was on its way when the hold began; what comes later waits in the kernel."""

    blocks = True

    def __init__(self, toxic: Hold, bed: Bed, tally: Tally) -> None:
        super().__init__(toxic, bed, tally)
        self._kept: list[Item] = []

    def take(self, data: bytes) -> None:
        self._bed.keep(len(data))
        self._kept.append(data)

    def end(self, how: Ending) -> None:
        self._kept.append(how)

    def leave(self) -> None:
        kept, self._kept = self._kept, []
        for item in kept:
            give(item, self.after, self._bed)

    def discard(self) -> None:
        self._bed.keep(-sum(len(item) for item in self._kept if isinstance(item, bytes)))
        self._kept.clear()


class _DropStage(Stage):
    """Loses everything; what cannot be made good ends with a reset."""

    def __init__(self, toxic: Drop, bed: Bed, tally: Tally) -> None:
        super().__init__(toxic, bed, tally)
        self._has_lost = False

    def take(self, data: bytes) -> None:
        self._has_lost = True
        self._tally.bytes += len(data)

    def end(self, how: Ending) -> None:  # noqa: ARG002 - however it ends, nobody learns of it
        self._has_lost = True

    def leave(self) -> None:
        if self._has_lost:
            self._bed.reset_connection()


class _Fuse:
    """Calls something once, `after_ns` from when it was lit; 0: now."""

    def __init__(self) -> None:
        self._lit_s = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None

    def set(self, after_ns: int, burn: _Burn) -> None:
        self.cut()
        left_s = self._lit_s + after_ns / SECOND_NS - time.monotonic()
        if left_s <= 0:
            burn()
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(milliseconds_up(left_s), self.set, after_ns, burn)

    def cut(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Burn(Protocol):
    def __call__(self) -> None: ...


class _TimeoutStage(Stage):
    """Loses data; closes the connection after a while, and in any case when it leaves."""

    def __init__(self, toxic: Timeout, bed: Bed, tally: Tally) -> None:
        super().__init__(toxic, bed, tally)
        self._after_ns = toxic.after_ns
        self._fuse = _Fuse()

    def begin(self) -> None:
        if self._after_ns:
            self._fuse.set(self._after_ns, self._close)

    def take(self, data: bytes) -> None:
        self._tally.bytes += len(data)

    def change(self, toxic: Toxic) -> None:
        assert isinstance(toxic, Timeout)
        self._after_ns = toxic.after_ns
        self._fuse.cut()
        self.begin()

    def leave(self) -> None:
        self._fuse.cut()
        self._close()

    def discard(self) -> None:
        self._fuse.cut()

    def _close(self) -> None:
        self._tally.cut += 1
        self._bed.close_connection()


class _ResetStage(Stage):
    """Resets the connection after a while; the stream's data is lost until then."""

    def __init__(self, toxic: ResetPeer, bed: Bed, tally: Tally) -> None:
        super().__init__(toxic, bed, tally)
        self._after_ns = toxic.after_ns
        self._has_lost = False
        self._fuse = _Fuse()

    def begin(self) -> None:
        self._fuse.set(self._after_ns, self._reset)

    def take(self, data: bytes) -> None:
        self._has_lost = True
        self._tally.bytes += len(data)

    def end(self, how: Ending) -> None:
        if how is Ending.RESET:
            self.after.end(how)
        else:
            self._has_lost = True

    def change(self, toxic: Toxic) -> None:
        assert isinstance(toxic, ResetPeer)
        self._after_ns = toxic.after_ns
        self.begin()

    def leave(self) -> None:
        self._fuse.cut()
        if self._has_lost:
            self._reset()

    def discard(self) -> None:
        self._fuse.cut()

    def _reset(self) -> None:
        self._tally.cut += 1
        self._bed.reset_connection()


class _LimitStage(Stage):
    """Counts bytes since it was put on, and closes the connection behind the last."""

    def __init__(self, toxic: LimitData, bed: Bed, tally: Tally) -> None:
        super().__init__(toxic, bed, tally)
        self._bytes_max = toxic.bytes
        self._passed = 0
        self._is_over = False

    def take(self, data: bytes) -> None:
        if self._is_over:
            return
        part = data[: max(0, self._bytes_max - self._passed)]
        if part:
            self._passed += len(part)
            self._tally.bytes += len(part)
            self.after.take(part)
        if self._passed >= self._bytes_max:
            self._is_over = True
            self._tally.cut += 1
            self.after.end(Ending.CLOSE)

    def end(self, how: Ending) -> None:
        if not self._is_over:
            self.after.end(how)

    def change(self, toxic: Toxic) -> None:
        assert isinstance(toxic, LimitData)
        self._bytes_max = toxic.bytes


class _LatencyStage(WaitingStage):
    """Delays everything, endings too, as a long way does."""

    def due_s(self, item: Item, now_s: float) -> float:  # noqa: ARG002 - all are delayed alike
        assert isinstance(self._toxic, Latency)
        swing = (2 * self._bed.random() - 1) * self._toxic.jitter_ns if self._toxic.jitter_ns else 0
        return now_s + max(0.0, self._toxic.latency_ns + swing) / SECOND_NS


class _SlowCloseStage(WaitingStage):
    """Delays endings."""

    def due_s(self, item: Item, now_s: float) -> float:
        assert isinstance(self._toxic, SlowClose)
        return now_s if isinstance(item, bytes) else now_s + self._toxic.delay_ns / SECOND_NS


class _BandwidthStage(PacedStage):
    """Passes a piece when the time that its bytes take at the rate is over."""

    def piece_bytes(self) -> int:
        rate = self._rate
        return max(1, round(rate * PIECE_S)) if rate > 0 else 0

    def due_s(self, count: int) -> float:
        return self._free_s + count / self._rate

    def passed(self, due_s: float) -> None:
        self._free_s = due_s

    @property
    def _rate(self) -> int:
        assert isinstance(self._toxic, Bandwidth)
        return self._toxic.bytes_per_s


class _SlicerStage(PacedStage):
    """Passes the first piece at once and each next one a delay later."""

    def piece_bytes(self) -> int:
        toxic = self._slicer
        swing = round((2 * self._bed.random() - 1) * toxic.variation_bytes)
        return max(1, toxic.average_bytes + swing)

    def due_s(self, count: int) -> float:  # noqa: ARG002 - however large it is
        return self._free_s

    def passed(self, due_s: float) -> None:
        self._free_s = max(due_s, time.monotonic()) + self._slicer.delay_ns / SECOND_NS

    @property
    def _slicer(self) -> Slicer:
        assert isinstance(self._toxic, Slicer)
        return self._toxic


_STAGES: Final[dict[type[Toxic], Callable[..., Stage]]] = {
    Noop: Stage,
    Latency: _LatencyStage,
    Bandwidth: _BandwidthStage,
    SlowClose: _SlowCloseStage,
    Timeout: _TimeoutStage,
    ResetPeer: _ResetStage,
    Slicer: _SlicerStage,
    LimitData: _LimitStage,
    Hold: _HoldStage,
    Drop: _DropStage,
}
