"""One worker process as the controller sees it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar, cast

from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.errors import BadInput, EnvironmentFailure, Problem, StormproofError
from stormproof.load import channel
from stormproof.model.event import Event, WorkerEvent
from stormproof.model.series import Frame, Series

FINISH_PATIENCE_S = 5.0
TERMINATE_PATIENCE_S = 3.0
LAST_WORDS_S = 1.0  # from the end of the process to that of its reports
LOG_TAIL_BYTES = 600
# One thread each: numpy's library would start one a core, beside the worker's own.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
_Report = TypeVar("_Report", bound=channel.Report)


class WorkerDied(EnvironmentFailure):
    """A worker process is gone before its work was done; what it had written is in the record."""


class Remote:
    """Start a worker, talk with it, notice its end."""

    def __init__(
        self,
        number: int,
        *,
        on_frame: Callable[[Frame, Mapping[int, Series]], None],
        on_event: Callable[[Event], None],
        on_trace: Callable[[str], None] | None,
        log: Path,
    ) -> None:
        self.number = number
        self.users_done = 0
        self.owes = False  # it has something to clean up
        self.silent_s = 0  # counted by the fleet, started anew by every report
        self._on_frame = on_frame
        self._on_event = on_event
        self._on_trace = on_trace
        self._log = log
        self._series: dict[int, Series] = {}
        self._awaited: dict[type, asyncio.Future[channel.Report]] = {}
        self._given_up: StormproofError | None = None
        self._dead: Exception | None = None
        self._stopping = False
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None

    async def start(self, argv: Sequence[str]) -> None:
        """Start the process, in a session of its own so that Ctrl-C reaches the controller only."""
        ours, theirs = socket.socketpair()
        try:
            with theirs, self._log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *argv,
                    stdin=theirs.fileno(),
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    env={**os.environ, **_ENVIRONMENT},
                )
            reader, self._writer = await asyncio.open_connection(sock=ours)
        except BaseException:
            ours.close()
            raise
        self._listening = asyncio.get_running_loop().create_task(
            self._listen(self._process, reader)
        )
        self._listening.add_done_callback(self._on_listened)

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked for anything."""
        return self._process is not None and self._dead is None and not self._stopping

    def expect(self, answer: type[_Report]) -> asyncio.Future[_Report]:
        """Return a future of the worker's next answer of a type; it fails if the worker dies."""
        future: asyncio.Future[channel.Report] = asyncio.get_running_loop().create_future()
        if self._dead is not None:
            future.set_exception(self._dead)
        else:
            self._awaited[answer] = future
        return cast("asyncio.Future[_Report]", future)

    def send(self, order: channel.Order) -> None:
        """Send an order; to a worker that is gone it is lost."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(channel.pack(order))

    def give_up(self, why: str) -> None:
        """Treat the worker as dead although its process lives; `stop` will end it."""
        self._fail(WorkerDied(why, f"see {self._log}"))
        event = WorkerEvent(at_ns=monotonic_ns(), worker=self.number, step="died", detail=why)
        self._on_event(event)

    async def stop(self) -> None:
        """Ask the worker to end, then make it; safe to call twice.

        Raises:
            EnvironmentFailure: it could not write its last frames.
            Exception: that of whoever takes its frames and events.
        """
        self._stopping = True
        process = self._process
        if process is None:
            return
        self.send(channel.Finish())
        await self._make_end(process)
        try:
            if self._listening is not None:
                await self._listening
        finally:
            if self._writer is not None:
                self._writer.close()
        if self._given_up is not None and self._dead is None:
            raise self._given_up

    async def _make_end(self, process: asyncio.subprocess.Process) -> None:
        for number, patience_s in (
            (0, FINISH_PATIENCE_S),
            (signal.SIGTERM, TERMINATE_PATIENCE_S),
            (signal.SIGKILL, FINISH_PATIENCE_S),
        ):
            if number and process.returncode is None:
                process.send_signal(number)
            try:
                async with asyncio.timeout(patience_s):
                    await process.wait()
                return
            except TimeoutError:
                continue

    async def _listen(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader
    ) -> None:
        """Take the worker's reports until its end; then see how it ended.

        Its end is the end of file, or that of the process where children of it hold the line.
        """
        loop = asyncio.get_running_loop()
        reading = loop.create_task(self._read(reader))
        exiting = loop.create_task(process.wait())
        await asyncio.wait({reading, exiting}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({reading}, timeout=LAST_WORDS_S)
        reading.cancel()
        exiting.cancel()
        outcome, _ = await asyncio.gather(reading, exiting, return_exceptions=True)
        if isinstance(outcome, Exception):  # of whoever takes the frames and events
            self._fail(outcome)
        elif not self._stopping:
            await self._bury(process)

    def _on_listened(self, listening: asyncio.Task[None]) -> None:
        """Let nobody wait for a worker that is not listened to any more."""
        error = None if listening.cancelled() else listening.exception()
        if isinstance(error, Exception) and self._dead is None:
            self._fail(error)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while (payload := await channel.receive(reader)) is not None:
            self.silent_s = 0
            self._take(channel.decode_report(payload))

    def _take(self, report: channel.Report) -> None:
        match report:
            case channel.NewFrame(frame=frame, series=series):
                self._series.update((one.id, one) for one in series)
                self._on_frame(frame, self._series)
            case channel.Progress(done=done):
                self.users_done = done
            case channel.Owing():
                self.owes = True
            case channel.Traced(text=text):
                if self._on_trace is not None:
                    self._on_trace(text)
            case channel.Warned(event=event):
                self._on_event(event)
            case channel.GivenUp(kind=kind, text=text):
                self._given_up = _error_of(kind, text, self.number)
            case _:
                if isinstance(report, channel.Prepared):
                    self.users_done = report.users
                awaited = self._awaited.pop(type(report), None)
                if awaited is not None and not awaited.done():
                    awaited.set_result(report)

    async def _bury(self, process: asyncio.subprocess.Process) -> None:
        """Tell that the worker is gone although nobody asked it to go."""
        await self._make_end(process)
        how = self._given_up or WorkerDied(*self._epitaph(process.returncode))
        self._fail(how)
        event = WorkerEvent(at_ns=monotonic_ns(), worker=self.number, step="died", detail=str(how))
        self._on_event(event)

    def _fail(self, error: Exception) -> None:
        """Let whoever waits for the worker know that no answer will come."""
        self._dead = error
        for awaited in self._awaited.values():
            if not awaited.done():
                awaited.set_exception(error)
        self._awaited.clear()

    def _epitaph(self, code: int | None) -> tuple[str, str]:
        if code is None:
            how = "cannot be ended"
        elif code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
        else:
            how = f"ended by itself with exit code {code}"
        tail = self._log.read_bytes()[-LOG_TAIL_BYTES:].decode("utf-8", "replace").strip()
        last = tail.splitlines()[-1:] if tail else []
        said = f": {last[0]}" if last else ""
        return f"worker {self.number} {how}{said}", f"see {self._log}"


def _error_of(kind: str, text: str, number: int) -> StormproofError:
    if kind == "input":
        return BadInput([Problem(where=f"worker {number}", what=text)])
    return EnvironmentFailure(text)
