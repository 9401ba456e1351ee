"""One direction of a connection through a link: from one end, through the toxics, to the other."""

from __future__ import annotations

from typing import Protocol

from stormproof.faults.links.effects import stage_of
from stormproof.faults.links.stages import Stage
from stormproof.faults.links.toxics import Applied, Ending, Tally


class Ends(Protocol):
    """What a stream needs of the pair of ends that it joins."""

    @property
    def kept_bytes_max(self) -> int:
        """How much toxics may keep back before the sender is stopped."""
        ...

    def update(self) -> None:
        """Bring reading in line with what may flow now."""
        ...

    def deliver(self, stream: Stream, data: bytes) -> None:
        """Send bytes to the end that the stream leads to, if that is still there."""
        ...

    def finish(self, stream: Stream) -> None:
        """Tell the end that the stream leads to that no more comes."""
        ...

    def close(self) -> None:
        """Close both ends, once what was passed to them has been sent."""
        ...

    def reset(self) -> None:
        """Reset both ends."""
        ...

    def random(self) -> float:
        """Draw a number in [0, 1) out of the connection's own stream of them."""
        ...


class Stream:
    """A chain of stages, often none; it is also the last thing that they give on to."""

    __slots__ = ("_ends", "_is_choked", "_kept", "_names", "_stages", "deliveries", "entry",
                 "is_dead", "is_finished")  # fmt: skip

    def __init__(self, ends: Ends) -> None:
        self._ends = ends
        self._names: list[str] = []
        self._stages: list[Stage] = []
        self._kept = 0
        self._is_choked = False
        self.entry: Stage | Stream = self  # what the sender's bytes are given to
        self.deliveries = 0  # how often something was sent on that had passed a stage
        self.is_finished = False  # whether the receiver knows that no more comes
        self.is_dead = False  # whether the receiver is gone

    @property
    def is_direct(self) -> bool:
        """Whether nothing stands between its ends."""
        return not self._stages

    @property
    def is_blocked(self) -> bool:
        """Whether what waits for it is to wait in the kernel."""
        return any(stage.blocks for stage in self._stages)

    @property
    def may_be_read(self) -> bool:
        """Whether its sender may be read now."""
        return not self._stages or not (self._is_choked or self.is_blocked)

    @property
    def kept_bytes(self) -> int:
        """What toxics keep back now."""
        return self._kept

    def put(self, applied: Applied, tally: Tally) -> None:
        """Put a toxic on, behind those that are there."""
        tally.connections += 1
        stage = stage_of(applied.toxic, self, tally)
        stage.after = self
        if self._stages:
            self._stages[-1].after = stage
        else:
            self.entry = stage
        self._names.append(applied.name)
        self._stages.append(stage)
        stage.begin()

    def change(self, applied: Applied) -> None:
        """Let the toxic of that name act by other settings."""
        self._stages[self._names.index(applied.name)].change(applied.toxic)

    def has(self, name: str) -> bool:
        """Say whether a toxic of that name acts here."""
        return name in self._names

    def take_off(self, name: str) -> None:
        """Take the toxic of that name off; what it kept is given on at once."""
        at = self._names.index(name)
        stage = self._stages[at]
        stage.leave()
        del self._stages[at], self._names[at]
        if at > 0:
            self._stages[at - 1].after = stage.after
        else:
            self.entry = self._stages[0] if self._stages else self

    def discard(self) -> None:
        """Forget all that is under way: its receiver is gone."""
        self.is_dead = True
        for stage in self._stages:
            stage.discard()

    def take(self, data: bytes) -> None:
        """Deliver what has passed all stages."""
        if not self.is_dead:
            self.deliveries += 1
            self._ends.deliver(self, data)

    def end(self, how: Ending) -> None:
        """Tell the receiver how the stream has ended."""
        match how:
            case Ending.FINISH if not self.is_dead:
                self.is_finished = True
                self._ends.finish(self)
            case Ending.FINISH | Ending.CLOSE:
                self._ends.close()
            case Ending.RESET:
                self._ends.reset()

    def keep(self, count: int) -> None:
        """Count bytes that a stage keeps back; stop the sender when they are too many."""
        self._kept += count
        if self._is_choked:
            if self._kept <= self._ends.kept_bytes_max // 2:
                self._is_choked = False
                self._ends.update()
        elif self._kept > self._ends.kept_bytes_max:
            self._is_choked = True
            self._ends.update()

    def close_connection(self) -> None:
        """Close both ends, once what was passed to them has been sent."""
        self._ends.close()

    def reset_connection(self) -> None:
        """Reset both ends."""
        self._ends.reset()

    def random(self) -> float:
        """Draw a number in [0, 1)."""
        return self._ends.random()
