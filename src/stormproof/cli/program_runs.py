"""The trials of a program while they run: each certified by a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from stormproof.checks.certificate import answer_of, unanswered
from stormproof.cli.judging import stored_verdict
from stormproof.faults.children import birth
from stormproof.kernel.errors import BadInput
from stormproof.kernel.units import SECOND_NS
from stormproof.model.program import Entry, ProgramOrder, TrialAnswer
from stormproof.store.program_directory import ProgramDirectory

HANGS_AFTER_NS = 300 * SECOND_NS  # beyond its length, and again once it was told to end


@dataclass(slots=True, kw_only=True)
class ProgramRuns:
    """The trials of a program while they run."""

    directory: ProgramDirectory
    order: ProgramOrder
    secrets: Path | None
    slots: list[list[int]]
    answers: dict[str, TrialAnswer]
    lengths_ns: dict[str, int]
    is_stopped: bool = False
    _running: set[asyncio.subprocess.Process] = field(default_factory=set)

    async def run(self, entries: Sequence[Entry]) -> None:
        """Certify trials, as many at once as there are slots; a signal ends all of them."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop)
        waiting = list(reversed(entries))
        await asyncio.gather(*(self._work_off(waiting, cores) for cores in self.slots))

    def _stop(self) -> None:
        self.is_stopped = True
        for child in self._running:
            child.send_signal(signal.SIGTERM)

    async def _work_off(self, waiting: list[Entry], cores: list[int]) -> None:
        while waiting and not self.is_stopped:
            entry = waiting.pop()
            click.echo(f"\n== {entry.id} {entry.trial}", err=True)
            code = await self._certify(entry, cores)
            place = f"trials/{entry.id}/output.txt"
            why = f"its command ended with {code} and no verdict; see {place}"
            self.directory.say_why(entry.id, why)
            said = stored_answer(self.directory, entry) or unanswered(entry, why)
            self.answers[entry.id] = said
            click.echo(f"== {entry.id} {entry.trial}: {said.status.upper()}: "
                       f"{said.why or said.headline}", err=True)  # fmt: skip

    async def _certify(self, entry: Entry, cores: list[int]) -> int:
        folder = self.directory.trials / entry.id
        folder.mkdir(mode=0o700, exist_ok=True)
        alone = len(self.slots) == 1
        with (folder / "output.txt").open("ab") as output:
            child = await asyncio.create_subprocess_exec(
                *self._argv(entry, folder),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=None if alone else output,
                preexec_fn=birth(os.getpid(), signal.SIGTERM, cores),
            )
        self._running.add(child)
        if self.is_stopped:
            child.send_signal(signal.SIGTERM)
        try:
            return await self._ended(child, entry)
        finally:
            self._running.discard(child)

    async def _ended(self, child: asyncio.subprocess.Process, entry: Entry) -> int:
        """Wait for a trial's end; one that hangs far beyond its length is ended, at last by force.

        What it started is then undone and stopped by its keeper.
        """
        length_ns = self.lengths_ns[entry.id] + HANGS_AFTER_NS
        for patience_ns, number in ((length_ns, signal.SIGTERM), (HANGS_AFTER_NS, signal.SIGKILL)):
            try:
                async with asyncio.timeout(patience_ns / SECOND_NS):
                    return await child.wait()
            except TimeoutError:
                click.echo(f"== {entry.id} does not end: {number.name}", err=True)
                child.send_signal(number)
        return await child.wait()

    def _argv(self, entry: Entry, folder: Path) -> list[str]:
        order = self.order
        asked = ["--profile", entry.profile, "--scale", f"{order.scale:.17g}", "--out", str(folder)]
        if order.seed is not None:
            asked += ["--seed", str(order.seed)]
        if order.target:
            asked += ["--target", order.target]
        if order.environment:
            asked += ["--environment", order.environment]
        if self.secrets is not None:
            asked += ["--secrets", str(self.secrets)]
        return [sys.executable, "-m", "stormproof", "certify", entry.trial, *asked]


def stored_answer(directory: ProgramDirectory, entry: Entry) -> TrialAnswer | None:
    """Return the answer of a trial's newest run, None where that has no verdict.

    A run that was cut off has one too: a witness of lost data fails it whatever its end was.
    """
    run = directory.last_run(entry.id)
    if run is None or not run.verdict.is_file():
        why = directory.why(entry.id)
        return unanswered(entry, why) if why else None
    try:
        verdict = stored_verdict(run)
    except BadInput as error:
        return unanswered(entry, str(error.problems[0]))
    return answer_of(entry, verdict, str(run.path.relative_to(directory.path)))
