"""Where implementations are wired to seams, for controller, workers and keeper."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from stormproof.cli.asked_servers import final_reads_of, servers_of, streams_of
from stormproof.cli.live import LiveState
from stormproof.cli.observing import Observing, Watch
from stormproof.cli.own_stacks import secret_values
from stormproof.cli.stack_sources import StackSources
from stormproof.faults import keeper
from stormproof.faults.index import default_index_dir
from stormproof.kernel.clock import SystemClock
from stormproof.kernel.errors import EnvironmentFailure, StormproofError
from stormproof.load import worker
from stormproof.load.fleet import LocalFleet
from stormproof.model.audit import AuditOrigin
from stormproof.model.event import ControlEvent, Event, ProbeSample, WarningEvent
from stormproof.model.part import StackPlan
from stormproof.model.plan import Plan
from stormproof.model.series import Frame, Series
from stormproof.observe.probes import Probes
from stormproof.rules.abort import AbortRules
from stormproof.rules.gate import decide
from stormproof.rules.readiness import Readiness
from stormproof.run.control import ControlDesk
from stormproof.run.decisions import Decisions, Frames
from stormproof.run.lifecycle import Ports, Run
from stormproof.run.timeline import ReadyWatch
from stormproof.seams import ReadingSink, Recorder, Stack
from stormproof.stack.embedded import plan_embedded
from stormproof.stack.kept import KEEPER_DIED, KeptStack
from stormproof.stack.processes import plan_processes
from stormproof.stack.running import RunningTarget
from stormproof.store.directory import RunDirectory
from stormproof.store.segment import SegmentRecorder

_SELF = [sys.executable, "-m", "stormproof"]


def split_cores(plan: Plan) -> tuple[list[int], list[int]]:
    """Return the cores of the workers and of the stack, apart where the machine allows it.

    A target on this machine must not take the generator's CPU, nor the reverse; with one core, or
    a target elsewhere, nobody is bound.
    """
    cores = sorted(os.sched_getaffinity(0))
    if plan.stack == "none" or len(cores) < 2:
        return cores, cores
    mine = max(1, min(plan.workers, len(cores) // 2))
    return cores[-mine:], cores[:-mine]


def compose_run(
    plan: Plan,
    directory: RunDirectory,
    recorder: Recorder,
    state: LiveState,
    *,
    run_id: str,
    observer: ReadingSink,
    headers: Mapping[str, str],
    on_trace: Callable[[str], None] | None,
    audit: AuditOrigin | None = None,
) -> Run:
    """Wire one run."""
    clock, frames, ready = SystemClock(), Frames(), ReadyWatch(Readiness())

    def on_frame(frame: Frame, series: Mapping[int, Series]) -> None:
        frames.add(frame, series)
        state.on_frame(frame, series)

    def on_worker_event(event: Event) -> None:
        recorder.events([event])
        state.on_event(event)
        if isinstance(event, ControlEvent) and event.kind == "stop" and not event.scenario:
            run.end_load("the load was stopped")

    fleet = LocalFleet(
        worker_argv=[*_SELF, "_worker"],
        plan=plan,
        run_dir=directory.path,
        cores=split_cores(plan)[0],
        on_frame=on_frame,
        on_event=on_worker_event,
        headers=headers,
        on_trace=on_trace,
    )
    state.prepared = lambda: (fleet.users_done, fleet.users)
    stack_plan = _stack_plan(plan, directory, run_id)
    servers = servers_of(plan, stack_plan, os.environ)
    stack = StackSources(stack_plan, on_worker_event, servers, streams_of(plan))
    observing = Observing(plan, observer, clock, state, on_worker_event, headers, stack)

    def on_stack_event(event: Event) -> None:
        observing.on_event(event)
        note_stack_event(event, recorder, run.give_up)

    desk = ControlDesk(fleet, directory.control, on_worker_event)
    ports = Ports(
        stack=_stack(plan, stack_plan, on_stack_event, audit),
        fleet=fleet,
        steering=fleet,
        watch=_watching(_probes(plan, recorder, state, ready), desk, observing.watch),
        last_looks=final_reads_of(plan, servers, recorder, clock, state.on_event),
        recorder=recorder,
        clock=clock,
        decisions=Decisions(plan, frames, decide, AbortRules(plan), clock),
        ready=ready,
        on_event=observing.on_event,
    )
    run = Run(plan, ports)
    return run


def _probes(plan: Plan, recorder: Recorder, state: LiveState, ready: ReadyWatch) -> Probes:
    clock = SystemClock()

    def on_sample(sample: ProbeSample) -> None:
        ready.on_sample(sample)
        state.on_sample(sample)

    return Probes(plan.probes, recorder, clock, on_sample, tls=plan.tls, network=plan.network)


def _watching(probes: Probes, desk: ControlDesk, read_sources: Watch) -> Watch:
    """Ask the probes, read the sources and take orders, until cancelled.

    All of it ends together: the sources are read once more at the end, while the record is open.
    """

    async def watch(base_url: str) -> None:
        parts = (probes.watch(base_url), read_sources(base_url), desk.serve())
        watching = [asyncio.ensure_future(one) for one in parts]
        try:
            await asyncio.gather(*watching)
        finally:
            for one in watching:
                one.cancel()
            await asyncio.gather(*watching, return_exceptions=True)

    return watch


def note_stack_event(
    event: Event, recorder: Recorder, give_up: Callable[[StormproofError], None]
) -> None:
    """Record what the keeper does not: its warnings and its own death, which ends the run."""
    if not isinstance(event, WarningEvent):
        return
    try:
        recorder.events([event])
    except EnvironmentFailure as error:
        give_up(error)
    if event.code == KEEPER_DIED:
        give_up(EnvironmentFailure("the keeper died", "run: stormproof heal"))


def _stack_plan(plan: Plan, directory: RunDirectory, run_id: str) -> StackPlan | None:
    cores = split_cores(plan)[1]
    if plan.own_stack is not None:
        values = secret_values(plan.own_stack)
        return plan_processes(plan.own_stack, run_id, directory.path, cores, values, seed=plan.seed)
    return None if plan.stack == "none" else plan_embedded(plan, run_id, directory.path, cores)


def _stack(
    plan: Plan,
    stack_plan: StackPlan | None,
    on_event: Callable[[Event], None],
    audit: AuditOrigin | None,
) -> Stack:
    if stack_plan is None:
        return RunningTarget(plan.target, plan.network)
    keeper, index = [*_SELF, "_keeper"], default_index_dir()
    return KeptStack(keeper, stack_plan, plan.faults, on_event, index, audit)


def record_at(path: Path, writer: str) -> SegmentRecorder:
    """Open a segment for a worker or the keeper."""
    return SegmentRecorder(path, writer=writer)


def worker_main() -> int:
    """Run a worker process."""
    return worker.main(record_at)


def keeper_main() -> int:
    """Run a keeper process."""
    return keeper.main(record_at, lambda run_dir: RunDirectory(run_dir).release_reserve())
