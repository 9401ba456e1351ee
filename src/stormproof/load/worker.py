"""One worker process: told over a socket what to do, it records what it does.

    1. Assignment: pin to cores, read the plan, import the journeys, bind secrets, open feeds
    2. SetUp, in one worker; Prepare: prepare the users with what the set-up handed over
    3. Drive: run the scenarios; write a frame a second, the ledger ten times a second
    4. Settle, AskDelivered: what is still on its way may arrive
    5. CleanUp, TearDown: undo what was created, whatever happened before
    6. Finish: close the connections, write what is left, close the segment

If the controller dies (end of file, or the signal that the kernel sends then), 6 happens at once.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import msgspec
import uvloop

from stormproof.clients.headers import header_lines
from stormproof.clients.tape import Tape
from stormproof.clients.target import Target, parse_target
from stormproof.clients.tracing import Tracer
from stormproof.journeys.journey import Journey
from stormproof.journeys.loader import load_journey
from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.errors import BadInput, EnvironmentFailure, OwnFault, StormproofError
from stormproof.load import channel
from stormproof.load.beat import beat
from stormproof.load.cleanup import clean_up
from stormproof.load.engine import Engine
from stormproof.load.executors import Place
from stormproof.load.feeds import FeedDesk
from stormproof.load.health import HealthMonitor
from stormproof.load.once import Once
from stormproof.load.process import (
    Output,
    bound_output,
    end_with_parent,
    on_terminate,
    pin,
    raise_limits,
    take_line,
)
from stormproof.load.provisions import provide
from stormproof.load.recording import Recording
from stormproof.load.user import Commons
from stormproof.model.plan import Plan, Source
from stormproof.model.series import Frame, Series
from stormproof.seams import Recorder

PROGRESS_S = 0.25


class SegmentWriter(Recorder, Protocol):
    """A recorder whose segment can be closed."""

    def close(self, how: str) -> None:
        """Close the segment, saying how the worker ended."""
        ...


OpenRecorder = Callable[[Path, str], SegmentWriter]  # (segment's path, writer's name)


def main(open_recorder: OpenRecorder) -> int:
    """Be a worker until told to end; standard input is the controller's socket.

    Args:
        open_recorder: opens the segment `run_dir/record/worker-N.seg` of the writer `worker-N`.

    Returns:
        The exit code.
    """
    end_with_parent()
    output = bound_output()
    line = take_line()
    try:
        uvloop.run(_serve(line, open_recorder, output))
    except StormproofError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


async def _serve(line: socket.socket, open_recorder: OpenRecorder, output: Output) -> None:
    reader, writer = await asyncio.open_connection(sock=line)
    try:
        payload = await channel.receive(reader)
        order = None if payload is None else channel.decode_order(payload)
        if isinstance(order, channel.Assignment):
            await _work(order, reader, writer, open_recorder, output)
    except (BadInput, EnvironmentFailure) as error:
        kind = "input" if isinstance(error, BadInput) else "environment"
        writer.write(channel.pack(channel.GivenUp(kind=kind, text=str(error))))
        raise
    finally:
        with suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()


async def _work(
    assignment: channel.Assignment,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    open_recorder: OpenRecorder,
    output: Output,
) -> None:
    pin(assignment.cores)
    raise_limits()
    run_dir = Path(assignment.run_dir)
    plan = msgspec.json.decode((run_dir / "plan.json").read_bytes(), type=Plan)
    journeys = [_journey(run_dir, scenario.journey) for scenario in plan.scenarios]
    provisions = provide(plan, run_dir / "journeys", os.environ, assignment.headers)
    output.hide = provisions.masking.hide
    headers = header_lines(assignment.headers)
    target = await _reached(assignment.base_url, plan, headers)
    ws_target = await _reached(plan.ws_target, plan, headers) if plan.ws_target else None
    name = f"worker-{assignment.worker}"
    tape = Tape(assignment.worker, provisions.masking)
    place = Place(worker=assignment.worker, workers=assignment.workers)
    feeds = FeedDesk(provisions.rows, worker=place.worker, workers=place.workers, warn=tape.warn)
    commons = Commons(feeds=feeds)
    engine = Engine(
        plan, journeys, place, target=target, tape=tape, commons=commons, ws_target=ws_target
    )
    once = Once(plan, provisions.setups, provisions.teardowns, engine.lone_user)
    recorder = open_recorder(run_dir / "record" / f"{name}.seg", name)
    worker = _Worker(engine, commons, once, tape, recorder, reader, writer)
    if assignment.traced:
        tape.tracer = Tracer(worker.tell_trace, provisions.masking)
    how = "failed"
    try:
        how = await worker.run()
    except EnvironmentFailure:
        with suppress(EnvironmentFailure):  # the first one is told
            recorder.close(how)
        raise
    recorder.close(how)


async def _reached(base_url: str, plan: Plan, headers: bytes) -> Target:
    """Look a target up, unless that is its proxy's business."""
    target = parse_target(base_url)
    if not plan.network.proxy:
        target = await target.resolve(plan.network.hosts)
    return replace(target, headers=headers)


class _Worker:
    """What happens between the assignment and the end."""

    def __init__(
        self,
        engine: Engine,
        commons: Commons,
        once: Once,
        tape: Tape,
        recorder: Recorder,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._engine = engine
        self._commons = commons
        commons.on_owing = lambda: self._send(channel.Owing())
        self._once = once
        self._tape = tape
        self._reader = reader
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[str] = self._loop.create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._load: set[asyncio.Task[None]] = set()  # those that work with the users
        self._told: set[str] = set()  # the texts of warnings
        self._health = HealthMonitor(tape)
        self._health.users = lambda: (engine.users, engine.busy)
        self._recording = Recording(
            tape,
            [site.scope for site in engine.sites],
            [site.scope for site in engine.sites if site.scenario.is_open_model],
            recorder,
            health=self._health.of_seconds,
            on_frame=self._send_frame,
        )

    async def run(self) -> str:
        """Work until the end; return how it came."""
        self._loop.set_exception_handler(self._on_stray_error)
        on_terminate(self._loop, lambda: self._end("terminated"))
        self._spawn(self._obey())
        sleep_until = self._engine.sleep_until
        self._spawn(
            beat(self._tape, self._recording, self._health, self._tell_warnings, sleep_until)
        )
        try:
            return await self._ended
        finally:
            await self._close()

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._once.close()
        self._engine.close()
        await asyncio.sleep(0)  # the transports tell that they are closed
        self._health.close()
        self._tell_warnings()  # whatever becomes of the record
        self._recording.finish(monotonic_ns())
        self._tell_warnings()

    async def _obey(self) -> None:
        while (payload := await channel.receive(self._reader)) is not None:
            order = channel.decode_order(payload)
            if isinstance(order, channel.Finish):
                self._end("finished")
                return
            self._take(order)
        self._end("controller-died")

    def _take(self, order: channel.Order) -> None:
        match order:
            case channel.SetUp():
                self._put_to_work(self._set_up())
            case channel.Prepare(data=data):
                self._commons.data = msgspec.json.decode(data)
                self._put_to_work(self._prepare())
            case channel.Drive(origin_ns=origin_ns):
                self._recording.begin(origin_ns, monotonic_ns())
                self._engine.begin(origin_ns)
                self._put_to_work(self._drive())
            case channel.Steer(order=given, at_ns=at_ns):
                self._engine.steer(given, at_ns)
                self._send(channel.Steered())
            case channel.Settle():
                self._put_to_work(self._settle())
            case channel.AskDelivered():
                self._send(self._delivered())
            case channel.CleanUp(deadline_ns=deadline_ns):
                self._spawn(self._clean_up(deadline_ns))
            case channel.TearDown(run=run, deadline_ns=deadline_ns):
                self._spawn(self._tear_down(run=run, deadline_ns=deadline_ns))
            case _:
                raise OwnFault(f"an order that does not come now: {type(order).__name__}")

    async def _set_up(self) -> None:
        done = await self._once.set_up()
        if not done.why and not done.problem:
            self._commons.data = msgspec.json.decode(done.data)
        self._send(done)

    async def _prepare(self) -> None:
        engine = self._engine
        total = engine.users
        telling = asyncio.ensure_future(self._tell_progress(total))
        try:
            await engine.prepare()
        finally:
            telling.cancel()
        tally = engine.tally
        self._send(channel.Prepared(users=total, failed=tally.failed, reasons=dict(tally.reasons)))

    async def _tell_progress(self, total: int) -> None:
        while True:
            self._send(channel.Progress(done=self._engine.tally.done, users=total))
            await asyncio.sleep(PROGRESS_S)

    async def _drive(self) -> None:
        await self._engine.drive()
        self._send(channel.Driven())

    async def _settle(self) -> None:
        tally = await self._engine.settle()
        self._send(channel.Settled(failed=tally.failed, reasons=dict(tally.reasons)))

    async def _clean_up(self, deadline_ns: int) -> None:
        await self._end_load()
        users = [user for user in self._commons.owing if user.id]  # user 0 is the set-up's
        tally = await clean_up(users, deadline_ns)
        reasons = dict(tally.reasons)
        self._send(channel.CleanedUp(done=tally.done, failed=tally.failed, reasons=reasons))

    async def _tear_down(self, *, run: bool, deadline_ns: int) -> None:
        await self._end_load()
        self._send(await self._once.tear_down(run=run, deadline_ns=deadline_ns))

    async def _end_load(self) -> None:
        """Stop whatever still works with the users, so that nothing is created any more."""
        working = list(self._load)
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)

    def _delivered(self) -> channel.Delivered:
        deliveries = self._engine.deliveries
        behind = {}
        for scope, members in deliveries.received.items():
            user = min(members, key=members.__getitem__)
            behind[scope] = (user, members[user])
        return channel.Delivered(acknowledged=dict(deliveries.acknowledged), behind=behind)

    def _put_to_work(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._spawn(work)
        self._load.add(task)
        task.add_done_callback(self._load.discard)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)
        return task

    def _on_done(self, task: asyncio.Task[None]) -> None:
        """End the worker when one of its own tasks has failed."""
        self._tasks.discard(task)
        if task.cancelled() or self._ended.done():
            return
        error = task.exception()
        if error is not None:
            self._ended.set_exception(error)

    def _end(self, how: str) -> None:
        if not self._ended.done():
            self._ended.set_result(how)

    def _send(self, report: channel.Report) -> None:
        if not self._writer.is_closing():
            self._writer.write(channel.pack(report))

    def tell_trace(self, text: str) -> None:
        """Send what a person asked to see, of requests and answers."""
        self._send(channel.Traced(text=text))

    def _send_frame(self, frame: Frame, series: Sequence[Series]) -> None:
        """Send a frame for the live view; the record has it in any case."""
        transport = self._writer.transport
        if not series and transport.get_write_buffer_size() > channel.UNSENT_BYTES_MAX:
            self._tape.warn("live-frames-unsent", "the controller did not take every live frame")
            return
        self._send(channel.NewFrame(frame=frame, series=list(series)))

    def _tell_warnings(self) -> None:
        warnings, self._tape.warnings = self._tape.warnings, []
        for event in warnings:
            if event.text not in self._told:
                self._told.add(event.text)
                self._send(channel.Warned(event=event))

    def _on_stray_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Tell of an error that nobody awaited: a task of a journey, or a fault of ours."""
        loop.default_exception_handler(context)
        error = context.get("exception")
        what = f"{type(error).__name__}: {error}" if error else str(context.get("message"))
        what = self._tape.masking.hide(what)
        self._tape.warn("stray-error", f"nobody awaited: {what[:400]}")


def _journey(run_dir: Path, source: Source) -> Journey:
    path = run_dir / "journeys" / source.file
    return load_journey(path, source.function, sha256=source.sha256)
