"""The keeper: a process of its own that runs the stack and makes whole what was broken.

    1. read the plan from the controller; open the journal, the record and the index entry
    2. carry out commands: start, inject, undo
    3. end, on Stop, at the end of the controller's file, or on a signal:
       undo every fault, stop every part, remove the private folder, write how it ended,
       close the record, leave the index

It lives in its own session, so that neither Ctrl-C at the terminal nor the death of the controller
keeps it from its work. It is one thread, so that children can be prepared between fork and exec.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import uvloop

from stormproof.faults.audit_log import FaultAudit
from stormproof.faults.catalog import fault_on, prepare
from stormproof.faults.channel import Channel, failed
from stormproof.faults.children import adopt_orphans
from stormproof.faults.chronicle import Chronicle, SegmentRecorder
from stormproof.faults.in_force import FaultsInForce
from stormproof.faults.index import OpenRun, OpenRuns
from stormproof.faults.journal import (
    JOURNAL_NAME,
    Ended,
    Journal,
    Opened,
    RestoreIntended,
    leftovers,
)
from stormproof.faults.part_logs import bound
from stormproof.faults.processes import ProcessId, identify, identify_self, pid_namespace
from stormproof.faults.restores import by_hand
from stormproof.faults.running import RunningStack
from stormproof.kernel.clock import boot_id
from stormproof.kernel.errors import (
    EnvironmentFailure,
    FaultRefused,
    OwnFault,
    StormproofError,
)
from stormproof.kernel.masking import hide
from stormproof.model.control import Done, Failed, Inject, Start, Stop, Undo
from stormproof.model.event import EndEvent

BOUND_LOGS_EVERY_S = 1.0
_CONTROL_FD = 0

OpenSegment = Callable[[Path, str], SegmentRecorder]
FreeReserve = Callable[[Path], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ending:
    """Why the keeper ends, and which command gets the last answer."""

    how: str
    detail: str = ""
    by_signal: bool = False
    command_id: int | None = None
    error: BaseException | None = None


def main(open_segment: OpenSegment, free_reserve: FreeReserve) -> int:
    """Run the keeper until its stack is stopped; the controller is at file descriptor 0.

    Args:
        open_segment: makes the recorder of a new segment from its path and its writer's name.
        free_reserve: gives back the bytes that the run directory holds in reserve; called before
            the end is written when there is no controller left to do it.

    Returns:
        The exit code: 0 when nothing is left of the stack.
    """
    control = socket.socket(fileno=os.dup(_CONTROL_FD))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, _CONTROL_FD)
    os.close(null)
    adopt_orphans()
    return uvloop.run(_keep(control, open_segment, free_reserve))


async def _keep(
    control: socket.socket, open_segment: OpenSegment, free_reserve: FreeReserve
) -> int:
    channel = Channel(*await asyncio.open_unix_connection(sock=control))
    start = await channel.read()
    if not isinstance(start, Start):
        return 0  # the controller ended before there was anything to keep
    try:
        keeper = Keeper(start, channel, open_segment, free_reserve)
    except StormproofError as error:
        channel.answer(failed(start.id, error))
        await channel.close()
        return error.exit_code
    return await keeper.run()


class Keeper:
    """One run's keeper.

    Raises:
        EnvironmentFailure: the record, the journal or the index entry cannot be made, or a fault
            needs what is not installed.
    """

    def __init__(
        self,
        start: Start,
        channel: Channel,
        open_segment: OpenSegment,
        free_reserve: FreeReserve,
    ) -> None:
        prepare(start.faults)
        self._start = start
        self._channel = channel
        self._free_reserve = free_reserve
        self._run_dir = Path(start.plan.run_dir)
        self._logs = self._run_dir / "logs"
        self._index = OpenRuns(Path(start.index_dir))
        recorder = open_segment(self._run_dir / "record" / "keeper.seg", "keeper")
        journal = Journal(self._run_dir / JOURNAL_NAME)
        self._audit = FaultAudit.of(start)
        enter = self._audit.enter if self._audit else None
        self._chronicle = Chronicle(recorder, journal, channel.tell, start.plan.hidden, enter)
        self._stack = RunningStack(start.plan, logs=self._logs, chronicle=self._chronicle)
        build = partial(fault_on, self._stack)
        self._faults = FaultsInForce(start.faults, build, self._chronicle)
        self._ending: asyncio.Future[_Ending] = asyncio.get_running_loop().create_future()
        self._controller_gone = asyncio.Event()
        self._commands: set[asyncio.Task[None]] = set()
        self._enter()

    async def run(self) -> int:
        """Serve the controller until something ends the run; then undo, stop and leave."""
        if self._start.plan.cores:
            os.sched_setaffinity(0, self._start.plan.cores)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, partial(self._end_by_signal, number))
        background = [loop.create_task(self._read()), loop.create_task(self._bound_logs())]
        for task in background:
            task.add_done_callback(self._end_by_own_fault)
        self._carry_out(self._start.id, self._stack.start())
        ending = await self._ending
        is_clean = await self._end(ending)
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await self._channel.close()
        return 0 if is_clean else EnvironmentFailure.exit_code

    def _enter(self) -> None:
        """Write down who we are, in the journal and in the index."""
        keeper, controller = identify_self(), identify(self._start.controller_pid)
        # A controller that has died already has left its end of file for the next read.
        controller = controller or ProcessId(pid=self._start.controller_pid, start_ticks=0)
        opened = Opened(
            run_id=self._start.plan.run_id,
            boot_id=boot_id(),
            pid_namespace=pid_namespace(),
            keeper=keeper,
            controller=controller,
        )
        self._chronicle.commit(None, opened)
        self._index.add(OpenRun.of(opened, self._run_dir))

    async def _read(self) -> None:
        """Take commands until the controller's end of file."""
        while (command := await self._channel.read()) is not None:
            match command:
                case Inject():
                    self._carry_out(command.id, self._faults.inject(command.fault))
                case Undo():
                    self._carry_out(command.id, self._faults.undo(command.fault))
                case Stop():
                    self._end_with(_Ending(how="completed", command_id=command.id))
                case Start():
                    twice = OwnFault("a keeper starts one stack, once")
                    self._channel.answer(failed(command.id, twice))
        self._controller_gone.set()
        self._end_with(_Ending(how="controller-died"))

    async def _bound_logs(self) -> None:
        while True:
            await asyncio.sleep(BOUND_LOGS_EVERY_S)
            try:
                bound(self._logs)
            except OSError as error:
                self._chronicle.report(f"a log cannot be kept within its bound: {error}")

    def _carry_out(self, command_id: int, work: Coroutine[None, None, None]) -> None:
        if self._ending.done():
            work.close()
            self._channel.answer(failed(command_id, _refusal()))
            return
        task = asyncio.get_running_loop().create_task(work)
        self._commands.add(task)
        task.add_done_callback(partial(self._answer, command_id))

    def _answer(self, command_id: int, task: asyncio.Task[None]) -> None:
        self._commands.discard(task)
        error = _refusal() if task.cancelled() else task.exception()
        if error is None:
            self._channel.answer(Done(id=command_id, value=self._start.plan.base_url))
        elif command_id == self._start.id and not self._ending.done():
            self._end_with(_Ending(how="aborted", command_id=command_id, error=error))
        else:
            self._channel.answer(self._failed(command_id, error))

    def _failed(self, command_id: int, error: BaseException) -> Failed:
        """Build the answer to a command that failed; what a part logged may be quoted in it."""
        answer = failed(command_id, error)
        return msgspec.structs.replace(answer, what=hide(answer.what, self._start.plan.hidden))

    def _end_by_signal(self, number: signal.Signals) -> None:
        detail = f"the keeper was ended by {number.name}"
        self._end_with(_Ending(how="aborted", detail=detail, by_signal=True))

    def _end_by_own_fault(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            detail = f"the keeper failed: {type(error).__name__}: {error}"
            self._end_with(_Ending(how="aborted", detail=detail, by_signal=True))

    def _end_with(self, ending: _Ending) -> None:
        if not self._ending.done():
            self._ending.set_result(ending)

    async def _end(self, ending: _Ending) -> bool:
        """Undo, stop, write the end; say whether nothing is left."""
        self._stack.close()
        for task in self._commands:
            task.cancel()
        await asyncio.gather(*self._commands, return_exceptions=True)
        await self._undo_all()
        await self._stop_stack(hurry=ending.by_signal)
        how = self._write_end(ending)
        is_clean = self._leave(how)
        if ending.error is not None and ending.command_id is not None:
            self._channel.answer(self._failed(ending.command_id, ending.error))
        elif ending.command_id is not None:
            self._channel.answer(Done(id=ending.command_id))
        return is_clean

    async def _undo_all(self) -> None:
        """Undo every fault, and anew in a hurry when the controller dies meanwhile."""
        loop = asyncio.get_running_loop()
        is_dead = self._controller_gone.is_set()
        gone = loop.create_task(self._controller_gone.wait())
        undoing = loop.create_task(self._faults.undo_all(after_death=is_dead))
        if not is_dead:
            await asyncio.wait([gone, undoing], return_when=asyncio.FIRST_COMPLETED)
            if not undoing.done():
                undoing.cancel()
                await asyncio.wait([undoing])
                undoing = loop.create_task(self._faults.undo_all(after_death=True))
        await undoing
        gone.cancel()

    async def _stop_stack(self, *, hurry: bool) -> None:
        """Stop the stack in order, at once in a hurry or when the controller dies meanwhile."""
        loop = asyncio.get_running_loop()
        hurry = hurry or self._controller_gone.is_set()
        gone = loop.create_task(self._controller_gone.wait())
        stopping = loop.create_task(self._stack.stop(hurry=hurry))
        if not hurry:
            await asyncio.wait([gone, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not stopping.done():
                stopping.cancel()
                await asyncio.wait([stopping])
                stopping = loop.create_task(self._stack.stop(hurry=True))
        await stopping
        gone.cancel()

    def _write_end(self, ending: _Ending) -> str:
        """Write how the run ended, unless there is a controller to do so."""
        how = "controller-died" if self._controller_gone.is_set() else ending.how
        if self._controller_gone.is_set():
            self._free_reserve(self._run_dir)
        if self._controller_gone.is_set() and self._audit:
            self._chronicle.attempt(partial(self._audit.run_ended, how))
        if self._controller_gone.is_set() or ending.by_signal:
            detail = "; ".join([ending.detail or "the keeper undid and stopped everything",
                                *self._chronicle.problems])  # fmt: skip
            self._chronicle.note(EndEvent(at_ns=time.monotonic_ns(), how=how, detail=detail))
        return how

    def _leave(self, how: str) -> bool:
        """Close the books, and leave the index unless something is left for `heal`."""
        kept = [one for one in self._restores() if one.is_kept]
        for line in kept:
            self._chronicle.report(f"{line.fault} is not undone in {line.part}: {by_hand(line)}")
        is_clean = self._stack.is_gone and not kept
        if is_clean:
            self._chronicle.note(None, Ended(how=how))
            self._index.remove(self._start.plan.run_id)
        self._chronicle.close(how)
        return is_clean

    def _restores(self) -> Sequence[RestoreIntended]:
        """Return what was promised to be put back in servers and was not."""
        try:
            return list(leftovers(self._run_dir / JOURNAL_NAME).restores.values())
        except EnvironmentFailure as failure:
            self._chronicle.report(str(failure))
            return []


def _refusal() -> FaultRefused:
    return FaultRefused("the stack is being stopped")
