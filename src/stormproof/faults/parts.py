"""A part of the stack while it runs: started, watched, stopped with everything below it."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

from stormproof.faults import shared_memory
from stormproof.faults.children import Child, spawn
from stormproof.faults.chronicle import Chronicle
from stormproof.faults.journal import PartStarted, PartStopped
from stormproof.faults.part_logs import log_path, tail
from stormproof.faults.pausing import continue_all
from stormproof.faults.processes import (
    ProcessId,
    descendants,
    is_alive,
    kill,
    kill_tree_async,
    wait_gone_async,
)
from stormproof.faults.readiness import answers, answers_at_all
from stormproof.kernel.errors import EnvironmentFailure, FaultRefused
from stormproof.kernel.units import SECOND_NS, duration_text
from stormproof.model.event import PartEvent
from stormproof.model.part import Part, Readiness

KILL_DEADLINE_NS = 2 * SECOND_NS
_ASK_EVERY_S = 0.02


class RunningPart:
    """One part; the same object over its restarts."""

    def __init__(self, part: Part, *, run_id: str, logs: Path, chronicle: Chronicle) -> None:
        self._part = part
        self._run_id = run_id
        self._log = log_path(logs, part.name)
        self._chronicle = chronicle
        self._child: Child | None = None
        self._ready_child: Child | None = None  # the last one that became ready
        self._is_stopping = False
        self.is_closing = False  # the stack is being stopped: nothing is started any more

    @property
    def name(self) -> str:
        """The part's name in the plan."""
        return self._part.name

    @property
    def ready(self) -> Readiness:
        """What shows that it serves."""
        return self._part.ready

    @property
    def place(self) -> str:
        """Where it serves, in words."""
        return f"port {self.ready.port}" if self.ready.port else "nothing in its place"

    @property
    def breakable(self) -> bool:
        """Whether the plan lets it be broken."""
        return self._part.breakable

    async def serves(self) -> bool:
        """Say whether it serves now: it answers where it is asked, else it has run long enough."""
        if self.ready.kind != "alive":
            return await answers(self.ready)
        child = self._child
        if child is None or child.exited.done() or child.is_held:
            return False
        return child.has_run_ns >= self.ready.alive_ns or child is self._ready_child

    async def responds(self) -> bool:
        """Say whether it answers where it is asked, be it that it is not ready."""
        return await self.serves() or await answers_at_all(self.ready)

    @property
    def process(self) -> ProcessId | None:
        """The process that runs now."""
        if self._child is None or self._child.exited.done():
            return None
        return self._child.process

    @property
    def pid(self) -> int:
        """The pid of that process; 0 when none runs."""
        return 0 if self.process is None else self.process.pid

    async def start(self, *, held: bool = False, or_answer: bool = False) -> None:
        """Start the process and wait until it is ready, or only answers (see `become_ready`).

        With `held` it stands before its first instruction until `become_ready`.

        Raises:
            EnvironmentFailure: it cannot be started, ends, or is not ready by its deadline; what
                was started is stopped again.
            FaultRefused: the stack is being stopped.
        """
        if self.is_closing:
            raise FaultRefused(f"{self.name} is not started: the whole stack is being stopped")
        if self._child is not None:
            await self.stop(deadline_ns=0)  # it ended by itself: its leftovers go first
        child = spawn(self._part, run_id=self._run_id, log=self._log, held=held)
        self._child, self._is_stopping = child, False
        try:
            enter(child, self._chronicle)
        except EnvironmentFailure:
            await self.stop(deadline_ns=0)
            raise
        if not held:
            await self.become_ready(or_answer=or_answer)

    async def become_ready(self, *, or_answer: bool = False) -> None:
        """Let go of a process that was held, and wait until it is ready; one that is stays so.

        Args:
            or_answer: at the deadline it is enough that the process answers, be it that it is not
                ready: somebody else may keep it from that.

        Raises:
            EnvironmentFailure: it ends, or is not ready by its deadline, and is stopped again.
            FaultRefused: the stack is being stopped; so is the process.
        """
        child = self._child
        if child is None or child is self._ready_child:
            return
        child.release()
        try:
            is_ready = await self._wait_ready(child, or_answer=or_answer)
        except (EnvironmentFailure, FaultRefused, asyncio.CancelledError):
            await self.stop(deadline_ns=0)
            raise
        self._ready_child = child
        if is_ready:
            self._note("ready", child)
        child.exited.add_done_callback(lambda _: self._ended(child))

    async def stop(self, *, deadline_ns: int | None = None, signal_number: int = 0) -> str:
        """Stop the process and all below it, by force after `deadline_ns`; return how it ended.
        Safe to call twice.

        Args:
            deadline_ns: default: the part's.
            signal_number: default: the part's stop signal.
        """
        child, self._is_stopping = self._child, True
        if child is None:
            return f"{self.name} did not run"
        allowed_ns = self._part.stop_deadline_ns if deadline_ns is None else deadline_ns
        number = signal_number or self._part.stop_signal
        detail = await stop_child(child, number, allowed_ns, self._chronicle)
        if self._child is child:
            self._child = None
        self._note("stopped", child, detail)
        return f"{self.name}, process {child.process.pid}: {detail}"

    async def _wait_ready(self, child: Child, *, or_answer: bool) -> bool:
        """Wait until the part is ready; return False where it only answers that it is not."""
        deadline_ns = time.monotonic_ns() + self._part.ready.deadline_ns
        while not child.exited.done():
            if self.is_closing:
                raise FaultRefused(f"{self.name} is stopped: the whole stack is being stopped")
            if await self.serves() and not child.exited.done():
                return True
            if time.monotonic_ns() >= deadline_ns:
                if or_answer and await self.responds():
                    return False
                limit = duration_text(self._part.ready.deadline_ns)
                raise self._failure(f"was not ready within {limit}")
            await asyncio.wait([child.exited], timeout=_ASK_EVERY_S)
        raise self._failure(f"ended before it was ready ({ending(child.exited.result())})")

    def _ended(self, child: Child) -> None:
        if not self._is_stopping and child is self._child:
            self._note("exited", child, ending(child.exited.result()))

    def _failure(self, what: str) -> EnvironmentFailure:
        return failure_with_log(self.name, what, self._log)

    def _note(self, step: str, child: Child, detail: str = "") -> None:
        event = PartEvent(
            at_ns=time.monotonic_ns(),
            part=self.name,
            step=step,
            pid=child.process.pid,
            detail=detail,
        )
        self._chronicle.note(event)


def enter(child: Child, chronicle: Chronicle) -> None:
    """Write a newborn child down, so that it is found if we die.

    Raises:
        EnvironmentFailure: the disk refuses.
    """
    line = PartStarted(
        part=child.name, process=child.process, uid=child.uid, wall_ns=child.started_wall_ns
    )
    at_ns, pid = time.monotonic_ns(), child.process.pid
    chronicle.commit(PartEvent(at_ns=at_ns, part=child.name, step="started", pid=pid), line)


async def stop_child(child: Child, stop_signal: int, allowed_ns: int, chronicle: Chronicle) -> str:
    """End a child and all below it; return how it ended."""
    began_ns = time.monotonic_ns()
    below = [] if child.exited.done() else descendants(child.process)
    how = signal.Signals(stop_signal).name
    if not child.exited.done() and allowed_ns:
        child.signal(stop_signal)
        continue_all([child.process, *below])  # one that stands still does not act on it
        await asyncio.wait([child.exited], timeout=allowed_ns / SECOND_NS)
    if not child.exited.done():
        how = "SIGKILL"
        deadline_ns = time.monotonic_ns() + KILL_DEADLINE_NS
        left = await kill_tree_async(child.process, deadline_ns=deadline_ns)
        await asyncio.wait([child.exited], timeout=KILL_DEADLINE_NS / SECOND_NS)
    else:
        left = [process for process in below if is_alive(process)]
        kill(left)
        left = await wait_gone_async(left, deadline_ns=time.monotonic_ns() + KILL_DEADLINE_NS)
    for process in left:
        chronicle.report(f"process {process.pid} of {child.name} cannot be ended")
    remove_shared_memory(child, chronicle)
    if not left:
        chronicle.note(None, PartStopped(part=child.name, process=child.process))
    took = duration_text(time.monotonic_ns() - began_ns)
    return f"{how}, {ending(child.exited.result())} after {took}" if child.exited.done() else how


def remove_shared_memory(child: Child, chronicle: Chronicle) -> None:
    """Remove the System V segments that a child killed by force left behind."""
    process = child.process
    for segment in shared_memory.left_by(
        pid=process.pid, uid=child.uid, since_ns=child.started_wall_ns
    ):
        try:
            shared_memory.remove(segment)
        except OSError as error:
            chronicle.report(f"{child.name}: {error}")


def ending(code: int) -> str:
    """Say how a process ended, from its return code."""
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit {code}"


def failure_with_log(name: str, what: str, log: Path) -> EnvironmentFailure:
    """Build the error of a command that failed, with the end of its log."""
    last = tail(log)
    quoted = f"; the end of {log}:\n{last}" if last else f"; {log} is empty"
    return EnvironmentFailure(f"{name} {what}{quoted}")
