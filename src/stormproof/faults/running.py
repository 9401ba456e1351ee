"""The stack while it runs: the plan's steps carried out in order and taken back in reverse."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from stormproof.faults.children import gid_of, reap_orphans, uid_of
from stormproof.faults.chronicle import Chronicle
from stormproof.faults.host import Host
from stormproof.faults.journal import FolderIntended, FolderRemoved, RestoreIntended
from stormproof.faults.links import TcpLink
from stormproof.faults.part_logs import log_path, scrub
from stormproof.faults.parts import RunningPart
from stormproof.faults.port_claims import PortClaims
from stormproof.faults.processes import descendants, identify_self, kill, wait_gone
from stormproof.faults.services import RunningProject, RunningService
from stormproof.faults.tasks import run_task
from stormproof.kernel.errors import EnvironmentFailure, FaultRefused
from stormproof.kernel.units import MILLISECOND_NS, SECOND_NS
from stormproof.model.event import PartEvent
from stormproof.model.part import (
    Copy,
    File,
    Link,
    Part,
    Project,
    Server,
    Service,
    StackPlan,
    Step,
    Task,
)
from stormproof.model.plan import PlannedFault

HURRIED_STOP_NS = 800 * MILLISECOND_NS
TASK_STOP_NS = SECOND_NS
ORPHANS_STOP_NS = SECOND_NS


class RunningStack:
    """The parts and links of one run, and its private folder."""

    def __init__(self, plan: StackPlan, *, logs: Path, chronicle: Chronicle) -> None:
        self._plan = plan
        self._logs = logs
        self.chronicle = chronicle
        self._private = Path(plan.private_dir)
        self._links: dict[str, TcpLink] = {}
        self._parts: dict[str, RunningPart] = {}  # in the order they were started
        self._keeper = identify_self()
        self._claims = PortClaims()
        self._project: RunningProject | None = None
        self.is_gone = False  # whether nothing is left of it
        self._breakable_links = {
            step.name for step in plan.steps if isinstance(step, Link) and step.breakable
        }

    async def start(self) -> None:
        """Make the private folder and carry out the plan's steps in order.

        Raises:
            EnvironmentFailure: a step failed; what was started still runs, `stop` takes it back.
        """
        self._make_private_folder()
        self._claims.take(_ports_of(self._plan))
        for step in self._plan.steps:
            await self._carry_out(step)

    def link(self, name: str) -> TcpLink:
        """Return the link `name` to break it.

        Raises:
            FaultRefused: there is none, or the plan does not let it be broken.
        """
        if name not in self._links or name not in self._breakable_links:
            raise FaultRefused(f"{name} is no link of this stack that may be broken")
        return self._links[name]

    def part(self, name: str) -> RunningPart:
        """Return the part `name` to break it.

        Raises:
            FaultRefused: there is none, or the plan does not let it be broken.
        """
        part = self._parts.get(name)
        if part is None or not part.breakable:
            raise FaultRefused(f"{name} is no part of this stack that may be broken")
        return part

    def server(self, name: str) -> Server:
        """Return how the database or cache `name` is asked, to break it; that holds a password.

        Raises:
            FaultRefused: there is none, or the plan does not let it be broken.
        """
        self.part(name)
        server = next((one for one in self._plan.servers if one.part == name), None)
        if server is None:
            raise FaultRefused(f"{name} is no database or cache of this stack")
        return server

    def promise(self, fault: PlannedFault, values: Mapping[str, str]) -> None:
        """Force to disk what undoing a fault puts back; `values` hold no password.

        Raises:
            FaultRefused: it breaks no database or cache that may be broken.
            EnvironmentFailure: the disk refuses; nothing may be broken then.
        """
        self.chronicle.commit(
            None,
            RestoreIntended(
                fault=fault.name,
                kind=fault.kind,
                part=fault.part,
                values=dict(values),
                is_kept=self.server(fault.part).is_kept,
            ),
        )

    def host(self) -> Host:
        """Return the machine below the stack to burden it."""
        return Host(
            folder=self._private,
            run_id=self._plan.run_id,
            logs=self._logs,
            chronicle=self.chronicle,
        )

    def service(self, name: str) -> RunningService | None:
        """Return the service `name` of the stack's compose project; None when it is none."""
        return None if self._project is None else self._project.services.get(name)

    def close(self) -> None:
        """Start nothing any more."""
        for part in self._parts.values():
            part.is_closing = True
        if self._project is not None:
            self._project.close()

    async def stop(self, *, hurry: bool) -> None:
        """Stop all parts, last started first, then the links, and remove the private folder.

        In a hurry all are told at once and get `HURRIED_STOP_NS`.
        """
        self.close()
        parts = list(reversed(self._parts.values()))
        if hurry:
            await asyncio.gather(*(part.stop(deadline_ns=HURRIED_STOP_NS) for part in parts))
        else:
            for part in parts:
                await part.stop()
        for link in self._links.values():
            await link.close()
            self._note(link.name, "stopped")
        if self._project is not None:
            await self._project.down(hurry=hurry)
        self._end_orphans()
        self._claims.release()
        self._remove_private_folder()
        self._scrub_logs()
        has_project = self._project is not None and not self._project.is_gone
        is_here = self._private.exists() or bool(descendants(self._keeper))
        self.is_gone = not has_project and not is_here

    async def _carry_out(self, step: Step) -> None:
        match step:
            case Part():
                part = RunningPart(
                    step, run_id=self._plan.run_id, logs=self._logs, chronicle=self.chronicle
                )
                self._parts[step.name] = part
                await part.start()
            case Task():
                log = log_path(self._logs, step.name)
                await run_task(step, run_id=self._plan.run_id, log=log, chronicle=self.chronicle)
            case Link():
                link = TcpLink(step, seed=self._plan.seed)
                await link.open()
                self._links[step.name] = link
                self._note(step.name, "ready")
            case Project():
                self._project = RunningProject(
                    step, run_id=self._plan.run_id, logs=self._logs, chronicle=self.chronicle
                )
                await self._project.up()
            case Service():
                if self._project is not None:
                    await self._project.add(step)
            case Copy():
                self._copy(step)
            case File():
                self._write(step)

    def _end_orphans(self) -> None:
        """End what parts left behind without a parent; the keeper has adopted it."""
        orphans = descendants(self._keeper)
        kill(orphans)
        for process in wait_gone(orphans, deadline_ns=time.monotonic_ns() + ORPHANS_STOP_NS):
            self.chronicle.report(f"process {process.pid}, left by a part, cannot be ended")
        reap_orphans()

    def _make_private_folder(self) -> None:
        uid, gid = uid_of(self._plan.user), gid_of(self._plan.user)
        self.chronicle.commit(None, FolderIntended(path=self._plan.private_dir, uid=uid))
        try:
            self._private.mkdir(mode=0o700)
            os.chown(self._private, uid, gid)
        except OSError as error:
            raise EnvironmentFailure(
                f"the private folder {self._private} cannot be made: {error.strerror}",
                "set TMPDIR to a folder that can be written",
            ) from error

    def _remove_private_folder(self) -> None:
        try:
            shutil.rmtree(self._private)
        except FileNotFoundError:
            pass  # stopped before it was made
        except OSError as error:
            self.chronicle.report(f"{self._private} cannot be removed: {error}")
            return
        self.chronicle.note(None, FolderRemoved(path=self._plan.private_dir))

    def _scrub_logs(self) -> None:
        try:
            scrub(self._logs, self._plan.hidden)
        except OSError as error:
            self.chronicle.report(f"secrets may be left in a log: {error}")

    def _copy(self, step: Copy) -> None:
        """Copy for the stack's user, which may not be able to read where the source is."""
        source, target = Path(step.source), self._below_private(step.destination)
        try:
            if source.is_dir():
                shutil.copytree(source, target, symlinks=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
            self._give_to_user(target)
        except (OSError, shutil.Error) as error:
            raise EnvironmentFailure(
                f"{source} cannot be copied to {target}: {error}", "free space, or set TMPDIR"
            ) from error

    def _write(self, step: File) -> None:
        path = self._below_private(step.path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            handle = os.open(path, flags, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                os.fchown(handle, uid_of(self._plan.user), gid_of(self._plan.user))
                stream.write(step.text)
        except OSError as error:
            raise EnvironmentFailure(f"{path} cannot be written: {error.strerror}") from error

    def _below_private(self, path: str) -> Path:
        target = Path(os.path.normpath(path))
        if self._private not in target.parents:
            raise EnvironmentFailure(f"{path} is not below the private folder {self._private}")
        return target

    def _give_to_user(self, top: Path) -> None:
        uid, gid = uid_of(self._plan.user), gid_of(self._plan.user)
        if uid == os.geteuid():
            return
        paths = [top, *top.rglob("*")] if top.is_dir() else [top]
        for parent in top.parents:
            if parent == self._private:
                break
            paths.append(parent)
        for path in paths:
            os.lchown(path, uid, gid)

    def _note(self, part: str, step: str, detail: str = "", *, pid: int = 0) -> None:
        event = PartEvent(
            at_ns=time.monotonic_ns(), part=part, step=step, pid=pid or os.getpid(), detail=detail
        )
        self.chronicle.note(event)


def _ports_of(plan: StackPlan) -> list[int]:
    """Return every port that a part of the stack or a link of ours is to listen on."""
    ports = {step.ready.port for step in plan.steps if isinstance(step, Part)}
    ports |= {step.listen_port for step in plan.steps if isinstance(step, Link)}
    return sorted({*ports, *plan.fixed_ports} - {0})
