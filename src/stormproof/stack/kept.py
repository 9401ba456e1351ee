"""A stack held by a keeper: the controller's side."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from stormproof.kernel.errors import (
    BadInput,
    EnvironmentFailure,
    FaultRefused,
    OwnFault,
    Problem,
    StormproofError,
)
from stormproof.kernel.units import SECOND_NS
from stormproof.model.audit import AuditOrigin
from stormproof.model.control import (
    LENGTH,
    Answer,
    Command,
    Done,
    Failed,
    Inject,
    Start,
    Stop,
    Told,
    Undo,
    message_length,
    pack_message,
)
from stormproof.model.event import Event, FaultEvent, FaultStep, WarningEvent
from stormproof.model.fault import HOST_PART, KINDS
from stormproof.model.part import Link, Part, Project, Service, StackPlan, Task
from stormproof.model.plan import PlannedFault

ANSWER_MARGIN_NS = 15 * SECOND_NS  # what the keeper needs beside the deadlines of its steps
CLEANUP_DEADLINE_S = 5.0
KEEPER_DIED = "keeper-died"  # the code of the warning that tells of it
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


def fault_problems(plan: StackPlan, faults: Sequence[PlannedFault]) -> list[Problem]:
    """Name every planned fault that this stack does not let happen."""
    links = sorted(step.name for step in plan.steps if isinstance(step, Link) and step.breakable)
    parts = sorted(
        step.name for step in plan.steps if isinstance(step, Part | Service) and step.breakable
    )
    known_of: dict[str, list[str]] = {"link": links, "part": parts, "host": [HOST_PART]}
    for server in plan.servers:
        known_of.setdefault(server.kind, []).extend([server.part] * (server.part in parts))
    problems = []
    for fault in faults:
        shape = KINDS.get(fault.kind)
        kind = "part" if shape is None else shape.hits
        known = known_of.get(kind, [])
        if fault.part not in known:
            problems.append(
                Problem(
                    where=f"fault {fault.name}",
                    what=f"{fault.part} is no {kind} of the stack that may be broken",
                    fix=f"name one of: {', '.join(known)}",
                )
            )
    return problems


class KeptStack:
    """A stack that a keeper runs (`stormproof.seams.Stack`); it outlives us only to clean up.

    Args:
        keeper_argv: the command that runs the keeper.
        plan: what it runs.
        faults: what it may be told to break.
        on_event: called in the event loop with everything the keeper records.
        index_dir: the index of open runs.
        audit: where faults are entered in the audit log; None: nowhere.
    """

    def __init__(
        self,
        keeper_argv: Sequence[str],
        plan: StackPlan,
        faults: Sequence[PlannedFault],
        on_event: Callable[[Event], None],
        index_dir: Path,
        audit: AuditOrigin | None = None,
    ) -> None:
        self._argv = list(keeper_argv)
        self._plan = plan
        self._faults = list(faults)
        self._on_event = on_event
        self._index_dir = index_dir
        self._audit = audit
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[str]] = {}
        self._broken_ns: dict[str, int] = {}  # fault -> when it was injected
        self._commands = 0
        self._is_stopped = False

    async def start(self) -> str:
        """Start all parts in order; return the target's base URL once they are up.

        Raises:
            BadInput: a planned fault cannot happen on this stack.
            EnvironmentFailure: a step failed; everything is stopped again.
        """
        if problems := fault_problems(self._plan, self._faults):
            raise BadInput(problems)
        await self._launch()
        steps_ns = sum(_deadline_ns(step) for step in self._plan.steps)
        start = Start(
            id=self._next_id(),
            plan=self._plan,
            faults=self._faults,
            index_dir=str(self._index_dir),
            controller_pid=os.getpid(),
            audit=self._audit,
        )
        try:
            return await self._ask(start, deadline_ns=steps_ns)
        except StormproofError:
            await self._part_with_keeper()
            raise

    async def inject(self, fault: PlannedFault) -> int:
        """Inject a fault and return once it is witnessed (or known not to bite), since when.

        Raises:
            FaultRefused: it cannot be done there or now.
            EnvironmentFailure: it cannot be written down or mended, or the keeper has died.
        """
        command = Inject(id=self._next_id(), fault=fault.name)
        await self._ask(command, deadline_ns=self._part_deadline_ns(fault.part))
        return self._broken_ns.get(fault.name, time.monotonic_ns())

    async def undo(self, fault: PlannedFault) -> None:
        """Undo a fault and check for residue; safe to call twice.

        Raises:
            EnvironmentFailure: it cannot be undone, or the keeper has died.
        """
        command = Undo(id=self._next_id(), fault=fault.name)
        await self._ask(command, deadline_ns=self._part_deadline_ns(fault.part))

    async def stop(self) -> None:
        """Undo what is left, stop all parts, remove what was theirs; safe to call twice.

        Raises:
            EnvironmentFailure: the keeper has died; `heal` removes what is left.
        """
        if self._is_stopped or self._process is None:
            return
        self._is_stopped = True
        stops_ns = sum(_stop_deadline_ns(step) for step in self._plan.steps)
        try:
            await self._ask(Stop(id=self._next_id()), deadline_ns=stops_ns)
        finally:
            await self._part_with_keeper()

    async def _launch(self) -> None:
        ours, theirs = socket.socketpair()
        logs = Path(self._plan.run_dir) / "logs"
        try:
            logs.mkdir(mode=0o700, parents=True, exist_ok=True)
            log = os.open(logs / "keeper.log", _APPEND, 0o600)
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._argv,
                    stdin=theirs.fileno(),
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            finally:
                os.close(log)
                theirs.close()
            reader, self._writer = await asyncio.open_unix_connection(sock=ours)
        except OSError as error:
            ours.close()
            raise EnvironmentFailure(f"the keeper cannot be started: {error}") from error
        self._reading = asyncio.get_running_loop().create_task(self._read(reader))

    async def _ask(self, command: Command, *, deadline_ns: int) -> str:
        """Give a command and wait for its answer."""
        if self._writer is None or self._reading is None or self._reading.done():
            raise self._keeper_gone()
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[command.id] = answer
        self._writer.write(pack_message(command))
        try:
            async with asyncio.timeout((deadline_ns + ANSWER_MARGIN_NS) / SECOND_NS):
                return await answer
        except TimeoutError as error:
            name = type(command).__name__.lower()
            raise OwnFault(f"the keeper did not answer the command {name} in time") from error
        finally:
            del self._waiting[command.id]

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Take what the keeper says until its end of file."""
        decoder: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)
        while True:
            try:
                length = message_length(await reader.readexactly(LENGTH.size))
                message = decoder.decode(await reader.readexactly(length))
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            match message:
                case Told():
                    self._take(message.event)
                case Done() | Failed():
                    self._settle(message)
        self._lost()

    def _take(self, event: Event) -> None:
        if isinstance(event, FaultEvent) and event.step is FaultStep.INJECTED:
            self._broken_ns[event.fault] = event.at_ns
        self._on_event(event)

    def _settle(self, message: Done | Failed) -> None:
        waiting = self._waiting.get(message.id)
        if waiting is None or waiting.done():
            return
        if isinstance(message, Done):
            waiting.set_result(message.value)
        else:
            waiting.set_exception(_error(message))

    def _lost(self) -> None:
        """Let everybody know that the keeper has gone without being told to."""
        if not self._is_stopped:
            text = str(self._keeper_gone())
            self._on_event(WarningEvent(at_ns=time.monotonic_ns(), code=KEEPER_DIED, text=text))
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(self._keeper_gone())

    def _keeper_gone(self) -> EnvironmentFailure:
        log = Path(self._plan.run_dir) / "logs" / "keeper.log"
        return EnvironmentFailure(
            f"the keeper has died, and with it the stack (see {log})",
            f"stormproof heal {self._plan.run_dir}",
        )

    async def _part_with_keeper(self) -> None:
        """Leave the keeper to itself; at our end of file it cleans up, if it has not yet."""
        if self._process is None or self._writer is None or self._reading is None:
            return
        self._is_stopped = True
        self._writer.close()
        try:
            async with asyncio.timeout(CLEANUP_DEADLINE_S):
                await self._process.wait()
        except TimeoutError as error:
            os.kill(self._process.pid, signal.SIGKILL)
            await self._process.wait()
            raise OwnFault(
                f"the keeper did not end and was killed; stormproof heal {self._plan.run_dir} "
                "removes what is left"
            ) from error
        finally:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def _next_id(self) -> int:
        self._commands += 1
        return self._commands

    def _part_deadline_ns(self, name: str) -> int:
        return sum(
            _stop_deadline_ns(step) + _deadline_ns(step)
            for step in self._plan.steps
            if isinstance(step, Part | Service) and step.name == name
        )


def _deadline_ns(step: object) -> int:
    match step:
        case Part():
            return step.ready.deadline_ns
        case Project():
            return step.up_deadline_ns + SECOND_NS * 30
        case Service():
            return step.deadline_ns + SECOND_NS * 60  # and what docker is asked meanwhile
        case Task():
            return step.deadline_ns
        case _:
            return SECOND_NS


def _stop_deadline_ns(step: object) -> int:
    match step:
        case Part() | Service():
            return step.stop_deadline_ns
        case Project():
            return step.down_deadline_ns
        case _:
            return 0


def _error(message: Failed) -> StormproofError:
    match message.kind:
        case "environment":
            return EnvironmentFailure(message.what, message.fix)
        case "refused":
            return FaultRefused(message.what)
        case "own":
            return OwnFault(message.what)
