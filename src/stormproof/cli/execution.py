"""Carry out a plan: run, record, verdict, report, in one go, whichever command asked for it."""

from __future__ import annotations

import asyncio
import os
import platform
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import click
import psutil
import uvloop

from stormproof import __version__
from stormproof.cli.asked_servers import servers_of
from stormproof.cli.auditing import RunAudit
from stormproof.cli.compose import compose_run, split_cores
from stormproof.cli.judging import EXIT_CODES, judge_run, print_verdict
from stormproof.cli.live import LiveState
from stormproof.cli.plans import describe
from stormproof.cli.progress import PanelView, PlainView, open_view
from stormproof.cli.variables import Variables
from stormproof.kernel import clock
from stormproof.kernel.errors import EnvironmentFailure, Interrupted
from stormproof.model.audit import AuditOrigin
from stormproof.model.plan import Plan
from stormproof.model.record import Manifest
from stormproof.model.verdict import Verdict
from stormproof.planning.trials import LoadedTrial
from stormproof.report.sources import source_lines
from stormproof.run.lifecycle import Run
from stormproof.store.directory import RunDirectory, new_run_id
from stormproof.store.reader import load_record
from stormproof.store.segment import SegmentRecorder

REDRAW_S = 0.25
VERSIONS_OF = ("httptools", "msgspec", "numpy", "picows", "uvloop")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run has come to: its record, the verdict, and what stopped it early."""

    directory: RunDirectory
    verdict: Verdict
    error: Exception | None

    def exit_code(self) -> int:
        """Tell what stopped the run, where something did, and return the exit code.

        Raises:
            Exception: what stopped it is our own fault.
        """
        if isinstance(self.error, Interrupted | EnvironmentFailure):
            click.echo(f"stormproof: {self.error}", err=True)
            return self.error.exit_code
        if self.error is not None:
            raise self.error
        return EXIT_CODES[self.verdict.verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a plan is carried out, beside what it says itself.

    `variables` says what of it came from the environment; `headers` are the values of the plan's
    headers, which are stored nowhere; `verbose` shows the first requests and their answers. `why`
    it is done stands in the record and in the audit log.
    """

    variables: Variables = field(default_factory=Variables)
    headers: Mapping[str, str] = field(default_factory=dict)
    verbose: bool = False
    why: str = ""


def carry_out(plan: Plan, loaded: LoadedTrial, out: Path, manner: Manner) -> Outcome:
    """Run a plan below `out`, judge it and print the verdict.

    Raises:
        BadInput: the environment does not have the URL of a server that is to be asked.
    """
    if manner.variables.told:
        click.echo(manner.variables.line(), err=True)
    for line in describe(plan):
        click.echo(line, err=True)
    servers_of(plan, None, os.environ)  # a missing URL is told before anything is made
    run_id = new_run_id(plan.trial)
    audit = RunAudit(plan, run_id, out.absolute() / run_id, manner.why)
    directory = RunDirectory.create(
        out.absolute() / run_id,
        plan=plan,
        manifest=_manifest(plan, run_id, manner, audit.origin),
        journeys={**loaded.modules, loaded.path.name: loaded.source},
    )
    click.echo(f"record {directory.path}", err=True)
    audit.began()
    error = _run(plan, directory, run_id, manner, audit)
    record = load_record(directory)
    verdict = judge_run(directory, record)
    audit.ended(record, verdict)
    print_verdict(directory, verdict, plan)
    for line in source_lines(record):
        click.echo(line)
    sys.stdout.flush()
    return Outcome(directory=directory, verdict=verdict, error=error)


def _run(
    plan: Plan, directory: RunDirectory, run_id: str, manner: Manner, audit: RunAudit
) -> Exception | None:
    """Carry out the run and seal its record; return what stopped it early."""
    recorder = SegmentRecorder(directory.record / "controller.seg", writer="controller")
    observer = SegmentRecorder(directory.record / "observer.seg", writer="observer")
    view = open_view()
    state = LiveState(plan=plan, now_ns=clock.monotonic_ns, tell=view.tell)
    error: Exception | None = None
    try:
        run = compose_run(
            plan,
            directory,
            recorder,
            state,
            run_id=run_id,
            observer=observer,
            headers=manner.headers,
            on_trace=view.tell if manner.verbose else None,
            audit=audit.origin,
        )
        uvloop.run(_drive(run, state, view))
    except Exception as stopped:  # sealed and judged, whoever's fault it is
        error = stopped
    finally:
        view.close()
    directory.release_reserve()
    how = "completed" if error is None else type(error).__name__
    observer.close(how)
    recorder.close(how)
    directory.seal(run_id=run_id, how=how)
    return error


async def _drive(run: Run, state: LiveState, view: PlainView | PanelView) -> None:
    """Run with the live view; the first signal stops it in order, later ones only say so."""
    work = asyncio.ensure_future(run.execute())
    stopping = False

    def stop() -> None:
        nonlocal stopping
        view.tell("already stopping" if stopping else "stopping: undoing, ending, sealing")
        if not stopping:
            stopping = True
            work.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    redraw = asyncio.ensure_future(_redraw(state, view))
    try:
        await work
    finally:
        redraw.cancel()


async def _redraw(state: LiveState, view: PlainView | PanelView) -> None:
    while True:
        view.refresh(state)
        await asyncio.sleep(REDRAW_S)


def _manifest(plan: Plan, run_id: str, manner: Manner, origin: AuditOrigin) -> Manifest:
    worker_cores, stack_cores = split_cores(plan)
    return Manifest(
        run_id=run_id,
        stormproof=__version__,
        python=platform.python_version(),
        machine=f"{platform.machine()} {_processor()}".strip(),
        cores=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        kernel=platform.release(),
        boot_id=clock.boot_id(),
        started_monotonic_ns=clock.monotonic_ns(),
        started_wall_ns=clock.wall_ns(),
        plan_sha256=plan.digest(),
        worker_cores=worker_cores,
        stack_cores=stack_cores,
        versions={name: metadata.version(name) for name in VERSIONS_OF},
        who=origin.who,
        why=origin.why,
        settings=dict(manner.variables.told),
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return ""
