"""The parts of a stack as its keeper tells of them: which process each is now, where its log is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stormproof.model.event import Event, PartEvent
from stormproof.observe.process_files import ProcessId, identify


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSeen:
    """One part at one moment."""

    process: ProcessId | None = None  # None: it does not run
    starts: int = 0  # how often it was started


class PartsInSight:
    """Follow the parts of one stack over their restarts.

    Args:
        logs: the log file of each part; what is not named here (tasks, links) is no part.
    """

    def __init__(self, logs: Mapping[str, Path]) -> None:
        self._logs = dict(logs)
        self._seen = {name: PartSeen() for name in logs}

    @property
    def logs(self) -> dict[str, Path]:
        """The log file of each part."""
        return dict(self._logs)

    @property
    def started(self) -> dict[str, PartSeen]:
        """The parts that were started, whether they still run or not."""
        return {name: seen for name, seen in self._seen.items() if seen.starts}

    def note(self, event: Event) -> None:
        """Take what the keeper tells; a process is told with its pid soon after it was started,
        and is known from here on by its start time too."""
        if not isinstance(event, PartEvent) or event.part not in self._seen:
            return
        seen = self._seen[event.part]
        if event.step == "started":
            process = identify(event.pid)
            self._seen[event.part] = PartSeen(process=process, starts=seen.starts + 1)
        elif event.step in ("exited", "stopped") and _is(seen.process, event.pid):
            self._seen[event.part] = PartSeen(starts=seen.starts)


def _is(process: ProcessId | None, pid: int) -> bool:
    return process is not None and process.pid == pid
