"""Journeys as values: an async function, and what happens once before and once after the load."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, overload

Step = Callable[[Any], Awaitable[None]]


class Checkable(Protocol):
    """What a check is counted against: a Response, a Reply or a Socket."""

    def record_check(self, name: str, passed: bool) -> None:
        """Count one check under the metric `checks`, with the tags `scenario` and `check`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """What one virtual user does in one iteration.

    `prepare` runs once a user before the load (log in, open sockets), `settle` once a user when
    the load has ended (open a lost socket again, so that it can catch up).
    """

    name: str
    run: Step
    prepare: Step | None = None
    settle: Step | None = None
    tags: tuple[str, ...] = ()


@overload
def journey(run: Step) -> Journey: ...
@overload
def journey(
    *, prepare: Step | None = None, settle: Step | None = None, tags: tuple[str, ...] = ()
) -> Callable[[Step], Journey]: ...
def journey(
    run: Step | None = None,
    *,
    prepare: Step | None = None,
    settle: Step | None = None,
    tags: tuple[str, ...] = (),
) -> Journey | Callable[[Step], Journey]:
    """Make a Journey of an async function that takes the user; use it bare or with arguments.

    Args:
        run: what a user does in one iteration.
        prepare: once a user before the load.
        settle: once a user after it.
        tags: the keys that `user.tag` and `user.tagged` set and thresholds ask for.

    Raises:
        TypeError: one of the functions is not `async def f(user)`, or `tags` is no tuple.
    """
    given: object = tags
    if isinstance(given, str):  # it would be read letter by letter
        raise TypeError(f"tags must be a tuple: ({tags!r},)")

    def make(function: Step) -> Journey:
        for step in (function, prepare, settle):
            if step is not None:
                _require_step(step)
        name: str = getattr(function, "__name__", "journey")
        return Journey(name=name, run=function, prepare=prepare, settle=settle, tags=tuple(tags))

    return make if run is None else make(run)


def check(answer: Checkable, name: str, passed: object) -> bool:
    """Count whether something held of an answer, and return it; a failed check ends nothing."""
    held = bool(passed)
    answer.record_check(name, held)
    return held


def _require_step(step: Step) -> None:
    name = getattr(step, "__name__", repr(step))
    if not inspect.iscoroutinefunction(step):
        raise TypeError(f"{name} must be an `async def` function")
    try:
        inspect.signature(step).bind(None)
    except TypeError:
        raise TypeError(f"{name} must take one argument, the user") from None
