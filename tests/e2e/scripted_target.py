"""A target that goes bad and good by a script, and writes down when it did what.

Instants are CLOCK_MONOTONIC in nanoseconds, the clock of the run.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum

from stormproof.model.event import FaultEvent, FaultStep
from stormproof.model.plan import PlannedFault
from stormproof.seams import Recorder

READY_PATH = "/health/ready"
SLOW_S = 0.25


class Mode(StrEnum):
    """How operations are served; `REFUSED` and `HUNG` are so for readiness, too."""

    FINE = "fine"
    FAILED = "failed"  # 503
    SLOW = "slow"
    HUNG = "hung"  # no answer before the mode changes
    REFUSED = "refused"  # nobody listens


@dataclass(frozen=True, kw_only=True)
class State:
    """What the target is like from an instant between two on."""

    before_ns: int
    after_ns: int
    mode: Mode
    says_ready: bool

    @property
    def serves(self) -> bool:
        """Whether operations succeed."""
        return self.mode in (Mode.FINE, Mode.SLOW)

    @property
    def is_ready(self) -> bool:
        """Whether readiness is answered with yes."""
        return self.says_ready and self.mode not in (Mode.REFUSED, Mode.HUNG)


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request that was read: `status` is 0 where no answer was sent."""

    path: str
    begin_ns: int
    end_ns: int
    status: int


@dataclass(frozen=True, kw_only=True)
class Act:
    """Change so many seconds after the fault's injection or undoing; None: leave it as it is."""

    after_s: float
    mode: Mode | None = None
    says_ready: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Script:
    """What one fault does to the target, and what its undoing does."""

    bites: Sequence[Act]
    heals: Sequence[Act]


class ScriptedTarget:
    """Serve GET over HTTP/1.1 in a thread a connection; `states` and `exchanges` are the truth."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._reserved = self._bound(0)  # so that nobody takes the port while it refuses
        self.port: int = self._reserved.getsockname()[1]
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        now_ns = time.monotonic_ns()
        first = State(before_ns=now_ns, after_ns=now_ns, mode=Mode.FINE, says_ready=True)
        self.states = [first]
        self.exchanges: list[Exchange] = []
        self._is_closing = False
        self._listen()

    @staticmethod
    def _bound(port: int) -> socket.socket:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(("127.0.0.1", port))
        return made

    def change(self, act: Act) -> None:
        """Be as an act says from now on."""
        before_ns, last = time.monotonic_ns(), self.states[-1]
        mode = last.mode if act.mode is None else act.mode
        says_ready = last.says_ready if act.says_ready is None else act.says_ready
        if mode is not Mode.REFUSED and last.mode is Mode.REFUSED:
            self._listen()
        with self._changed:
            after_ns = time.monotonic_ns()
            self.states.append(
                State(before_ns=before_ns, after_ns=after_ns, mode=mode, says_ready=says_ready)
            )
            self._changed.notify_all()
        if mode is Mode.REFUSED and last.mode is not Mode.REFUSED:
            self._refuse()
            self.states[-1] = replace(self.states[-1], after_ns=time.monotonic_ns())

    def close(self) -> None:
        """Stop serving, and wait until all threads have ended."""
        self._is_closing = True
        self.change(Act(after_s=0, mode=Mode.REFUSED))
        self._reserved.close()
        for thread in self._threads:
            thread.join()

    def _listen(self) -> None:
        self._listener = self._bound(self.port)
        self._listener.listen(64)
        self._start(self._accept, self._listener)

    def _start(self, work: Callable[[socket.socket], None], sock: socket.socket) -> None:
        thread = threading.Thread(target=work, args=(sock,))
        self._threads.append(thread)
        thread.start()

    def _refuse(self) -> None:
        assert self._listener is not None
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._changed:
            still_open = list(self._open)
        for one in still_open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._changed:
                self._open.add(connection)
                if self.states[-1].mode is Mode.REFUSED:
                    connection.shutdown(socket.SHUT_RDWR)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            data = b""
            while more := connection.recv(65_536):
                data += more
                while b"\r\n\r\n" in data:
                    head, _, data = data.partition(b"\r\n\r\n")
                    self._answer(connection, head.split(b" ")[1].decode())
        with self._changed:
            self._open.discard(connection)

    def _answer(self, connection: socket.socket, path: str) -> None:
        begin_ns = time.monotonic_ns()
        with self._changed:
            self._changed.wait_for(lambda: self.states[-1].mode is not Mode.HUNG)
            state = self.states[-1]
            if state.mode is Mode.SLOW:
                self._changed.wait_for(lambda: self._is_closing, timeout=SLOW_S)
        good = state.is_ready if path == READY_PATH else state.serves
        status = 200 if good else 503
        head = f"HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\n{{}}"
        try:
            connection.sendall(head.encode())
        except OSError:
            status = 0
            raise
        finally:
            done = Exchange(path=path, begin_ns=begin_ns, end_ns=time.monotonic_ns(), status=status)
            self.exchanges.append(done)


@contextmanager
def open_target() -> Iterator[ScriptedTarget]:
    """Serve a scripted target while the block runs."""
    target = ScriptedTarget()
    try:
        yield target
    finally:
        target.close()


class ScriptedStack:
    """Break a scripted target as its scripts say (`stormproof.seams.Stack`)."""

    def __init__(
        self, target: ScriptedTarget, scripts: Mapping[str, Script], recorder: Recorder
    ) -> None:
        self._target = target
        self._scripts = scripts
        self._recorder = recorder
        self._pending: list[asyncio.TimerHandle] = []

    async def start(self) -> str:
        """Return its URL; it serves already."""
        return f"http://127.0.0.1:{self._target.port}"

    async def inject(self, fault: PlannedFault) -> int:
        """Begin with what the fault does."""
        self._note(fault, FaultStep.INTENT)
        self._play(self._scripts[fault.name].bites)
        broken_ns = time.monotonic_ns()
        self._note(fault, FaultStep.INJECTED, FaultStep.WITNESSED)
        return broken_ns

    async def undo(self, fault: PlannedFault) -> None:
        """Begin with what its undoing does."""
        self._note(fault, FaultStep.UNDOING, FaultStep.UNDONE)
        self._play(self._scripts[fault.name].heals)
        self._note(fault, FaultStep.CLEAN)

    async def stop(self) -> None:
        """Do nothing more."""
        for one in self._pending:
            one.cancel()

    def _play(self, acts: Sequence[Act]) -> None:
        for act in acts:
            if act.after_s:
                later = asyncio.get_running_loop().call_later
                self._pending.append(later(act.after_s, self._target.change, act))
            else:
                self._target.change(act)

    def _note(self, fault: PlannedFault, *steps: FaultStep) -> None:
        self._recorder.events(
            [FaultEvent(at_ns=time.monotonic_ns(), fault=fault.name, step=step) for step in steps]
        )
