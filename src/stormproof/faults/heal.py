"""Undo what dead runs left behind, from their undo journals.

A run is left alone while its keeper lives, or where its pids mean nothing to us: in another pid
namespace. Everything a journal names is checked before it is touched: a process by pid, start time
and boot, shared memory by its creator and that nobody uses it, a folder by its name, place and
owner. Most faults need no undoing here: a link and a burden of ours die with their keeper, as do
the locks and the connections that it held, and a stopped part is among those that are ended. What
lives on gets its limits back, and what stands still is continued before it is ended, so that a
database can end in order. What a fault changed in a server that is there after the run is put back
by the URL that the user gives; without it the report says what to do by hand.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stormproof.faults import shared_memory
from stormproof.faults.chronicle import SegmentRecorder
from stormproof.faults.descriptor_limits import set_soft_limit
from stormproof.faults.docker import take_down
from stormproof.faults.index import OpenRun, OpenRuns
from stormproof.faults.journal import (
    JOURNAL_NAME,
    Ended,
    FaultUndone,
    FolderIntended,
    FolderRemoved,
    Journal,
    Leftovers,
    PartStarted,
    ProjectRemoved,
    RestoreIntended,
    leftovers,
)
from stormproof.faults.pausing import continue_all
from stormproof.faults.private_folder import reason_to_keep
from stormproof.faults.processes import (
    is_alive,
    is_taken,
    kill_tree,
    marked,
    pid_namespace,
    wait_gone,
)
from stormproof.faults.restores import by_hand, goes_with_its_process, restore, url_variable
from stormproof.kernel.clock import boot_id
from stormproof.kernel.errors import (
    BadInput,
    EnvironmentFailure,
    FaultRefused,
    Problem,
    StormproofError,
)
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import EndEvent, FaultEvent, FaultStep
from stormproof.model.part import project_name

KEEPER_PATIENCE_NS = 5 * SECOND_NS  # it needs two seconds to undo and stop
DEATH_SIGNAL_PATIENCE_NS = SECOND_NS  # the kernel has told all parts to end when the keeper died
KILL_DEADLINE_NS = 2 * SECOND_NS
HEALED = "healed"
NOTHING_LEFT = "nothing to do: no run was left open"
SEAL_NAME = "seal.json"
OPEN_RUNS_NAMED = 5  # where a folder was named that is none of them
_SEGMENTS_MAX = 9  # a run is healed once; more only when healing itself was cut short

OpenSegment = Callable[[Path, str], SegmentRecorder]
NOTHING_SET: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class HealReport:
    """What was done, for people; `is_clean` unless something is left or could not be read."""

    lines: tuple[str, ...]
    is_clean: bool
    undone: tuple[tuple[str, str, str], ...] = ()  # run, its folder, fault
    ended: tuple[Path, ...] = ()  # folders of runs that write to no log any more


def heal(
    index_dir: Path,
    run_dir: Path | None,
    open_segment: OpenSegment,
    environ: Mapping[str, str] = NOTHING_SET,
) -> HealReport:
    """Undo what is left of one run, or of every open run of this user; safe to repeat.

    Args:
        index_dir: the index of open runs.
        run_dir: heal this run only; None: all that are open.
        open_segment: makes the recorder of a new segment from its path and its writer's name.
        environ: where the URLs of servers are that are there after their runs.

    Raises:
        BadInput: `run_dir` is no run that had a stack.
        EnvironmentFailure: the index is not ours.
    """
    index = OpenRuns(index_dir)
    runs, problems = index.entries()
    if run_dir is not None:
        runs = [run for run in runs if Path(run.run_dir) == run_dir.resolve()]
        problems = []
        if not runs:
            runs, problems = _from_journal(run_dir.resolve(), index)
        if not runs and not problems:
            named = _never_undone(leftovers(run_dir.resolve() / JOURNAL_NAME))
            return HealReport(
                lines=(*named, NOTHING_LEFT), is_clean=True, ended=(run_dir.resolve(),)
            )
    lines = list(problems)
    is_clean = not problems
    undone: list[tuple[str, str, str]] = []
    ended: list[Path] = []
    for run in runs:
        healing = _Healing(run, index, open_segment, environ)
        try:
            is_clean &= healing.carry_out()
        except StormproofError as error:
            healing.say(f"not healed: {error}")
            is_clean = False
        lines += healing.lines
        ended += [Path(run.run_dir)] * healing.has_ended
        undone += ((run.run_id, run.run_dir, fault) for fault in healing.undone)
    told = tuple(lines or [NOTHING_LEFT])
    return HealReport(lines=told, is_clean=is_clean, undone=tuple(undone), ended=tuple(ended))


def _never_undone(left: Leftovers) -> list[str]:
    """Name the faults whose undoing failed; they have ended with what they were put on."""
    if left.ended is None or left.ended.how == HEALED:
        return []
    return [
        f"the fault {fault.fault} ({fault.kind} of {fault.part}) was never undone and ended with "
        "the stack"
        for fault in left.faults.values()
    ]


def _from_journal(run_dir: Path, index: OpenRuns) -> tuple[list[OpenRun], list[str]]:
    """Find a run that the index does not know, from the run directory itself.

    Raises:
        BadInput: there is no such folder, or it is of no run that had a stack.
    """
    journal = run_dir / JOURNAL_NAME
    if not journal.exists():
        raise BadInput([_no_run(run_dir, index)])
    left = leftovers(journal)
    if left.ended is not None:
        return [], []
    if left.opened is None:
        return [], [f"{journal} does not say which run it is of", *left.problems]
    return [OpenRun.of(left.opened, run_dir)], []


def _no_run(run_dir: Path, index: OpenRuns) -> Problem:
    """Say that a folder is no run to heal, and which ones there are."""
    what = f"has no {JOURNAL_NAME}, so it is no run that had a stack"
    if not run_dir.is_dir():
        what = "is no folder"
    found, _ = index.entries()
    named = ", ".join(run.run_dir for run in found[:OPEN_RUNS_NAMED])
    more = f" and {len(found) - OPEN_RUNS_NAMED} more" if len(found) > OPEN_RUNS_NAMED else ""
    fix = f"name the folder of a run; left open: {named or 'none'}{more}"
    return Problem(where=str(run_dir), what=what, fix=fix)


class _Healing:
    """The healing of one run."""

    def __init__(
        self, run: OpenRun, index: OpenRuns, open_segment: OpenSegment, environ: Mapping[str, str]
    ) -> None:
        self._run = run
        self._environ = environ
        self._index = index
        self._open_segment = open_segment
        self._run_dir = Path(run.run_dir)
        self._same_boot = run.boot_id == boot_id()
        self._is_clean = True
        self._something_left = False
        self.lines: list[str] = []
        self.undone: tuple[str, ...] = ()
        self.has_ended = False

    def say(self, line: str) -> None:
        self.lines.append(f"{self._run.run_id}: {line}")

    def carry_out(self) -> bool:
        """Heal unless the run lives; say whether nothing is left undone."""
        if self._is_elsewhere() or self._keeper_lives():
            return self._is_clean
        journal = self._run_dir / JOURNAL_NAME
        if not journal.exists():
            self._problem(f"{journal} is gone, so only processes that carry its mark can be ended")
            self._end_processes(Leftovers())
            return self._forget()
        left = leftovers(journal)
        for problem in left.problems:
            self._problem(problem)
        if left.ended is None:
            self._undo(left, journal)
        else:
            self.say("its keeper has undone and stopped everything")
            self.lines += _never_undone(left)
        return self._forget()

    def _forget(self) -> bool:
        """Leave the index, unless there is something to heal another time."""
        if not self._something_left:
            self._index.remove(self._run.run_id)
        return self._is_clean

    def _is_elsewhere(self) -> bool:
        """Say whether the run's processes may live where we cannot see them."""
        elsewhere = self._same_boot and self._run.pid_namespace != pid_namespace()
        if elsewhere:
            self.say(f"belongs to the pid namespace {self._run.pid_namespace} and is left alone")
        return elsewhere

    def _keeper_lives(self) -> bool:
        """Say whether the run is somebody's: then wait for a keeper that is cleaning up."""
        run = self._run
        if not self._same_boot or not is_alive(run.keeper):
            return False
        if is_alive(run.controller):
            self.say(f"is running (process {run.controller.pid}) and is left alone")
            return True
        self.say(f"its controller has died; its keeper (process {run.keeper.pid}) is cleaning up")
        if wait_gone([run.keeper], deadline_ns=time.monotonic_ns() + KEEPER_PATIENCE_NS):
            self._problem("its keeper has not ended yet: heal again, or kill it and heal again")
            return True
        return False

    def _undo(self, left: Leftovers, path: Path) -> None:
        journal = Journal(path)
        try:
            self._end_processes(left)
            for project in left.projects:
                self._take_down(project, journal)
            self._remove_shared_memory(left)
            for folder in left.folders.values():
                self._remove_folder(folder, journal)
            for line in left.restores.values():
                self._restore(line, left, journal)
            if not self._something_left:
                self.undone = tuple(left.faults)
                for fault in left.faults.values():
                    on = f"{fault.kind} of {fault.part}"
                    self.say(f"the fault {fault.fault} ({on}) was in force and is over")
                self._mark_record(left)
                journal.append(Ended(how=HEALED))
                self.say("healed")
        finally:
            journal.close()

    def _end_processes(self, left: Leftovers) -> None:
        self.has_ended = True
        if not self._same_boot:
            return
        names = {process: part.part for process, part in left.parts.items()}
        found = [*names, *marked(self._run.run_id)]
        self._restore_limits(left)
        for process in continue_all(found):
            name = names.get(process, "a process of the run")
            self.say(f"continued {name} (process {process.pid}), which stood still")
        patience_ns = time.monotonic_ns() + DEATH_SIGNAL_PATIENCE_NS
        for process in wait_gone(found, deadline_ns=patience_ns):
            deadline_ns = time.monotonic_ns() + KILL_DEADLINE_NS
            name = names.get(process, "a process of the run")
            if kill_tree(process, deadline_ns=deadline_ns):
                self._left(f"{name} (process {process.pid}) cannot be killed")
            else:
                self.say(f"killed {name} (process {process.pid})")

    def _restore_limits(self, left: Leftovers) -> None:
        for limit in left.limits:
            try:
                if set_soft_limit(limit.process, limit.soft):
                    self.say(f"gave process {limit.process.pid} its limit of descriptors back")
            except FaultRefused as refusal:
                self._problem(str(refusal))

    def _remove_shared_memory(self, left: Leftovers) -> None:
        for part in left.parts.values() if self._same_boot else ():
            for segment in _memory_of(part):
                if reason := _user_of(segment):
                    self._left(f"shared memory {segment.id} of {part.part} is left alone: {reason}")
                    continue
                try:
                    shared_memory.remove(segment)
                    self.say(f"removed shared memory {segment.id} of {part.part}")
                except OSError as error:
                    self._left(f"shared memory of {part.part}: {error}")

    def _remove_folder(self, folder: FolderIntended, journal: Journal) -> None:
        path = Path(folder.path)
        if not path.exists() and not path.is_symlink():
            return
        if reason := reason_to_keep(path, folder.uid, self._run.run_id):
            self._left(f"{path} is not removed: {reason}")
            return
        try:
            shutil.rmtree(path)
        except OSError as error:
            self._left(f"{path} cannot be removed: {error}")
            return
        journal.append(FolderRemoved(path=folder.path))
        self.say(f"removed {path}")

    def _restore(self, line: RestoreIntended, left: Leftovers, journal: Journal) -> None:
        """Put back what a fault changed in a server, unless it went with the run."""
        was_ours = any(part.part == line.part for part in left.parts.values())
        if not line.is_kept or (was_ours and goes_with_its_process(line)):
            self.say(f"{line.fault} ended with {line.part}, in which it was in force")
            return
        variable = url_variable(line.part)
        url = self._environ.get(variable, "")
        todo = f"set {variable} to its URL and heal again, or do by hand: {by_hand(line)}"
        if not url:
            self._left(f"{line.fault} is not undone in {line.part}: {todo}")
            return
        try:
            done = asyncio.run(restore(line, url))
        except StormproofError as error:
            self._left(f"{line.fault} is not undone: {error}; {todo}")
            return
        journal.append(FaultUndone(fault=line.fault))
        self.say(f"{line.fault} is undone in {line.part}: {done}")

    def _take_down(self, project: str, journal: Journal) -> None:
        """End what a compose project of the run has left; its name follows from the run's."""
        if project != project_name(self._run.run_id):
            self._left(f"{project} is no compose project of this run, and is left alone")
        elif reason := take_down(project):
            self._left(f"the compose project {project} is not taken down: {reason}")
        else:
            journal.append(ProjectRemoved(project=project))
            self.say(f"took the compose project {project} down")

    def _mark_record(self, left: Leftovers) -> None:
        """Write how the run ended, unless a controller has done so or will."""
        controller_lives = self._same_boot and is_alive(self._run.controller)
        if controller_lives or (self._run_dir / SEAL_NAME).exists():
            return
        now_ns = time.monotonic_ns()
        events = [
            FaultEvent(
                at_ns=now_ns,
                fault=name,
                step=FaultStep.UNDONE,
                detail="it ended with its keeper, some time before",
                after_death=True,
            )
            for name in left.faults
        ]
        recorder = self._open_segment(self._free_segment(), "heal")
        recorder.events([*events, EndEvent(at_ns=now_ns, how=HEALED, detail="; ".join(self.lines))])
        recorder.close(HEALED)

    def _free_segment(self) -> Path:
        folder = self._run_dir / "record"
        names = ["heal.seg", *(f"heal-{number}.seg" for number in range(2, _SEGMENTS_MAX + 1))]
        for name in names:
            if not (folder / name).exists():
                return folder / name
        raise EnvironmentFailure(f"{folder} was healed {_SEGMENTS_MAX} times already")

    def _left(self, line: str) -> None:
        self._something_left = True
        self._problem(line)

    def _problem(self, line: str) -> None:
        self._is_clean = False
        self.say(line)


def _memory_of(part: PartStarted) -> list[shared_memory.SharedMemory]:
    return shared_memory.left_by(pid=part.process.pid, uid=part.uid, since_ns=part.wall_ns)


def _user_of(segment: shared_memory.SharedMemory) -> str:
    """Say who may be using a segment; empty when nobody is."""
    if segment.attached:
        return f"{segment.attached} processes have it attached"
    if is_taken(segment.creator_pid):
        return f"a process {segment.creator_pid}, which made it, is alive"
    return ""
