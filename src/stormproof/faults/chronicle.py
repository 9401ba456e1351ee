"""What the keeper writes down: the record, the undo journal, and word to the controller."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import msgspec

from stormproof.faults.journal import Journal, Line, RestoreIntended
from stormproof.kernel.errors import EnvironmentFailure
from stormproof.kernel.masking import hide
from stormproof.model.event import Event, FaultEvent, WarningEvent
from stormproof.seams import Recorder

_PROBLEMS_MAX = 20


class SegmentRecorder(Recorder, Protocol):
    """A recorder whose segment is closed by its writer."""

    def close(self, how: str) -> None:
        """Write the end mark and close."""
        ...


class Chronicle:
    """Write to the record and to the undo journal, and tell the controller.

    `commit` is for what must be on disk before something is broken. `note` is for what has
    happened: a disk that refuses must not keep us from undoing and stopping, so the refusal is
    kept in `problems` and told as a warning. `hidden` are values that are written nowhere.
    `audit` enters what happens to faults in the log of this user, after the record has it.
    """

    def __init__(
        self,
        recorder: SegmentRecorder,
        journal: Journal,
        tell: Callable[[Event], None],
        hidden: Sequence[str] = (),
        audit: Callable[[FaultEvent], None] | None = None,
    ) -> None:
        self._recorder = recorder
        self._journal = journal
        self._tell = tell
        self._hidden = hidden
        self._audit = audit
        self.problems: list[str] = []
        self.outliving: set[str] = set()  # faults whose traces would be there after the run

    def commit(self, event: Event | None, line: Line) -> None:
        """Force an intent to disk, in the record and in the journal.

        Raises:
            EnvironmentFailure: the disk refuses; nothing may be broken then.
        """
        if event is not None:
            event = self._masked(event)
            self._recorder.events([event], sync=True)
            self._tell(event)
            self._enter(event)
        self._journal.append(line)
        if isinstance(line, RestoreIntended) and line.is_kept:
            self.outliving.add(line.fault)

    def note(self, event: Event | None, line: Line | None = None) -> None:
        """Write down what has happened, as far as the disk takes it."""
        event = None if event is None else self._masked(event)
        try:
            if line is not None:
                self._journal.append(line)
            if event is not None:
                self._recorder.events([event])
        except EnvironmentFailure as failure:
            self.report(str(failure))
        if event is not None:
            self._tell(event)
            self._enter(event)

    def _enter(self, event: Event) -> None:
        if self._audit is not None and isinstance(event, FaultEvent):
            self.attempt(partial(self._audit, event))

    def attempt(self, work: Callable[[], None]) -> None:
        """Do what is wanted and not needed: a refusal is reported."""
        try:
            work()
        except EnvironmentFailure as failure:
            self.report(str(failure), code="audit-log")

    def report(self, problem: str, *, code: str = "keeper") -> None:
        """Keep a problem and warn the controller of it; with a `keeper` one no run passes."""
        problem = hide(problem, self._hidden)
        if problem in self.problems or len(self.problems) >= _PROBLEMS_MAX:
            return
        self.problems.append(problem)
        self._tell(WarningEvent(at_ns=time.monotonic_ns(), code=code, text=problem))

    def _masked(self, event: Event) -> Event:
        detail = getattr(event, "detail", "")
        if not self._hidden or not detail:
            return event
        return msgspec.structs.replace(event, detail=hide(detail, self._hidden))

    def close(self, how: str) -> None:
        """Close the record's segment and the journal."""
        try:
            self._recorder.close(how)
        except EnvironmentFailure as failure:
            self.report(str(failure))
        self._journal.close()
