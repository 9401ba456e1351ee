"""Source "log": what the parts of a stack write about themselves.

    lines_total{part,level}    lines by level; every level from the first reading on
    lines_lost_total{part}     how often lines were lost, because the log was cut before we read
                               them: at least one line each time; 0 from the first reading on
    errors_total{part,kind}    lines of the levels error and critical, and tracebacks, by the kind
                               of their message: numbers, hexadecimals and UUIDs are folded

At most `LOG_ERROR_KINDS_MAX` kinds a run; later ones count as the kind `other`, which is there from
the first reading on, so that a part without errors has a true zero. A Python traceback is one error
of its last line, or belongs to the line of an error right before it; so do chained ones.

Lines that could not be read (a log that was cut, one that grows faster than it is read) make the
reading a gap: what was counted stays counted, but zero would not be proven. One that grows too fast
is read on later; what was cut is gone, and `lines_lost_total` says so from then on.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stormproof.kernel.errors import SourceSilent
from stormproof.kernel.limits import LOG_ERROR_KINDS_MAX, LOG_EXAMPLE_CHARACTERS_MAX
from stormproof.kernel.masking import hide, mask_secrets
from stormproof.model.observed import Observed, ObservedKind
from stormproof.observe.log_lines import FAILING, Level, Line, fold, read_line
from stormproof.observe.log_tail import LogTail
from stormproof.observe.parts import PartsInSight

OTHER_KINDS = "other"
_TRACEBACK = "Traceback (most recent call last):"
_GROUP = f"+ Exception Group {_TRACEBACK}"
_CHAINED = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)

OnKind = Callable[[str, str, str], None]


class LogSource:
    """Read the logs of a stack's parts (`stormproof.seams.Source`).

    Args:
        parts: whose logs.
        on_kind: called in the event loop with part, kind and one line as an example (secrets
            masked) when a kind of error is met for the first time. What a part had logged before
            its first reading, while it started, is counted and not told.
        hidden: values that are secret, wherever they stand.
    """

    name = "log"

    def __init__(
        self,
        parts: PartsInSight,
        on_kind: OnKind | None = None,
        hidden: Sequence[str] = (),
    ) -> None:
        self._parts = parts
        self._on_kind = on_kind
        self._logs: dict[str, _PartLog] = {}
        self._kinds = _Kinds(hidden)
        self._lock = threading.Lock()  # a reading that was given up may still be under way
        self._reading: asyncio.Future[list[str]] | None = None

    async def read(self) -> Sequence[Observed]:
        """Read what the logs have gained, beside the event loop.

        Raises:
            SourceSilent: lines could not be read, or no part was started.
        """
        if self._reading is not None and not self._reading.done():
            raise SourceSilent("the logs are still being read for the reading before")
        paths = {name: self._parts.logs[name] for name in self._parts.started}
        loop = asyncio.get_running_loop()
        self._reading = loop.run_in_executor(None, self._read, paths)
        problems = await asyncio.shield(self._reading)
        for part, kind, example in self._kinds.take_new():
            if self._on_kind is not None:
                self._on_kind(part, kind, example)
        if not paths:
            problems = ["no part was started"]
        if problems:
            raise SourceSilent("; ".join(problems))
        return [*self._lines_observed(), *self._kinds.observed(self._logs)]

    async def close(self) -> None:
        """Let go of the files."""
        await asyncio.to_thread(self._close)  # a reading under way holds the lock

    def _close(self) -> None:
        with self._lock:
            for log in self._logs.values():
                log.tail.close()

    def _read(self, paths: Mapping[str, Path]) -> list[str]:
        """Count new lines; return what could not be read."""
        with self._lock:
            problems = []
            for part, path in paths.items():
                if part not in self._logs:
                    self._logs[part] = _PartLog(part, path, self._kinds)
                if problem := self._logs[part].read():
                    problems.append(problem)
            return problems

    def _lines_observed(self) -> list[Observed]:
        levels = [
            _counter("lines_total", {"part": part, "level": level.value}, log.lines[level])
            for part, log in self._logs.items()
            for level in Level
        ]
        lost = [
            _counter("lines_lost_total", {"part": part}, log.tail.cuts)
            for part, log in self._logs.items()
        ]
        return [*levels, *lost]


class _Kinds:
    """The kinds of errors of a run, bounded, and one example of each."""

    def __init__(self, hidden: Sequence[str] = ()) -> None:
        self._hidden = hidden
        self._counts: Counter[tuple[str, str]] = Counter()
        self._told: set[tuple[str, str]] = set()
        self._kinds: set[str] = set()
        self._new: deque[tuple[str, str, str]] = deque()

    def add(self, part: str, message: str, *, is_past: bool) -> None:
        shown = mask_secrets(hide(message, self._hidden)[: 2 * LOG_EXAMPLE_CHARACTERS_MAX])
        kind = fold(shown)
        if kind not in self._kinds and len(self._kinds) >= LOG_ERROR_KINDS_MAX:
            kind = OTHER_KINDS
        else:
            self._kinds.add(kind)
        if not is_past and (part, kind) not in self._told:
            self._told.add((part, kind))
            self._new.append((part, kind, shown[:LOG_EXAMPLE_CHARACTERS_MAX]))
        self._counts[part, kind] += 1

    def take_new(self) -> list[tuple[str, str, str]]:
        """Return part, kind and example of what was met for the first time since the last call;
        a reading that was given up may be adding meanwhile."""
        return [self._new.popleft() for _ in range(len(self._new))]

    def observed(self, parts: Mapping[str, object]) -> list[Observed]:
        counts = {(part, OTHER_KINDS): 0 for part in parts} | dict(self._counts)
        return [
            _counter("errors_total", {"part": part, "kind": kind}, count)
            for (part, kind), count in counts.items()
        ]


class _PartLog:
    """The log of one part: lines by level, and errors out of lines that belong together."""

    def __init__(self, part: str, path: Path, kinds: _Kinds) -> None:
        self._part = part
        self._kinds = kinds
        self.tail = LogTail(path)
        self.lines: Counter[Level] = Counter()
        self._is_past = True  # of what is read for the first time
        self._in_traceback = False
        self._is_told = False  # what a traceback that begins now belongs to was counted

    def read(self) -> str:
        """Count new lines; say why some could not be read."""
        try:
            for raw in self.tail.read():
                self._take(raw)
        except OSError as error:
            return f"{self._part}: its log cannot be read: {error}"
        self._is_past = self._is_past and self.tail.is_behind
        if self.tail.is_behind:
            return f"{self._part}: its log grows faster than it is read"
        return f"{self._part}: {self.tail.lost}" if self.tail.lost else ""

    def _take(self, raw: bytes) -> None:
        if self._in_traceback and raw[:1] in b" \t":
            self.lines[Level.OTHER] += 1
            return
        line = read_line(raw)
        if self._in_traceback:
            self._in_traceback = False
            is_cut_short = raw.startswith(b"{")  # somebody else's line, which counts by itself
            self._count_traceback("a traceback without its end" if is_cut_short else line.message)
            if not is_cut_short:
                self.lines[Level.OTHER] += 1
                return
        self.lines[line.level] += 1
        self._judge(line)

    def _judge(self, line: Line) -> None:
        """Tell whether a line is an error, the beginning of one, or goes on with the one before."""
        if line.level in FAILING:
            self._kinds.add(self._part, line.message, is_past=self._is_past)
            self._is_told = True
        elif line.message.startswith(_TRACEBACK):
            self._in_traceback = True
        elif line.message.lstrip().startswith(_GROUP):
            self._count_traceback("a group of exceptions")
        else:
            self._is_told = line.message.startswith(_CHAINED)

    def _count_traceback(self, message: str) -> None:
        if not self._is_told:
            self._kinds.add(self._part, message, is_past=self._is_past)
        self._is_told = False


def _counter(name: str, tags: dict[str, str], value: int) -> Observed:
    return Observed(name=name, tags=tags, kind=ObservedKind.COUNTER, value=float(value))
