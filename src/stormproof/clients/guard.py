"""The border to foreign code: what a journey raises becomes a failed iteration, never a crash."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from types import TracebackType

from stormproof.clients.tape import ROW, Actor
from stormproof.kernel.clock import monotonic_ns

_WHY_CHARACTERS_MAX = 120


ANSWER_CHECK = "answer as expected"


class IterationFailed(Exception):
    """The journey ended its iteration by `user.fail(why)`."""


class UnexpectedAnswer(Exception):
    """The journey cannot go on with this answer; its iteration ends as failed, and so does a check
    of this answer."""


class JourneyGuard:
    """Catch what the code inside raises and keep it as a failure of the scenario's iterations.

    Holds the instants of the iteration under way; `start_ns` is 0 outside of one (a callback).
    """

    __slots__ = ("_actor", "intended_ns", "start_ns", "why")

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self.intended_ns = 0
        self.start_ns = 0
        self.why = ""

    def __enter__(self) -> None:
        """Enter foreign code."""
        self.why = ""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Keep an error as a failure; let cancellation and interrupts pass."""
        if not isinstance(error, Exception):
            return False
        actor, now_ns = self._actor, monotonic_ns()
        scope = actor.scope
        self.why, detail = _describe(error, trace, scope.tape.masking.hide)
        start_ns = self.start_ns or now_ns
        intended_ns = self.intended_ns if self.start_ns else now_ns
        if self.start_ns:
            scope.tape.rows += ROW.pack(scope.iteration, 1, 0, 0, intended_ns, start_ns, now_ns)
            self.start_ns = 0
        scope.tape.fail(
            series=scope.iterations,
            user=actor.id,
            kind=self.why,
            intended_ns=intended_ns,
            start_ns=start_ns,
            end_ns=now_ns,
            body=detail.encode(),
        )
        if isinstance(error, UnexpectedAnswer):
            scope.check(ANSWER_CHECK, False, now_ns)  # the target's doing, so that it is judged
        elif not isinstance(error, IterationFailed):
            scope.tape.warn("journey-error", f"scenario {scope.scenario}: {self.why}: {detail}")
        return True


def _describe(
    error: Exception, trace: TracebackType | None, hide: Callable[[str], str]
) -> tuple[str, str]:
    """Return the kind of an error, the same for each of its kind, and what it says.

    Secrets are hidden before anything is cut off, so that no half of one stays.
    """
    said = hide(str(error))
    if isinstance(error, IterationFailed):
        return f"journey failed: {said[:_WHY_CHARACTERS_MAX]}", ""
    name = type(error).__name__
    if isinstance(error, UnexpectedAnswer):
        return "unexpected answer", said
    frames = traceback.extract_tb(trace)
    place = ""
    if frames:
        place = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}"
    return f"journey error: {name}{place}", said[: 4 * _WHY_CHARACTERS_MAX]
