"""Journeys as values: an async function, and what happens once before and once after the load."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, overload

from stormproof.kernel.errors import Problem
from stormproof.model.setting import Setting

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
    settings: tuple[Setting, ...] = ()

    def setting_problems(self, env: Mapping[str, str]) -> list[Problem]:
        """Return what is wrong with the settings of a scenario that runs this journey."""
        told = (one.problem(env) for one in self.settings)
        return [one for one in told if one is not None]


@overload
def journey(run: Step) -> Journey: ...
@overload
def journey(
    *,
    prepare: Step | None = None,
    settle: Step | None = None,
    tags: tuple[str, ...] = (),
    settings: tuple[Setting, ...] = (),
) -> Callable[[Step], Journey]: ...
def journey(
    run: Step | None = None,
    *,
    prepare: Step | None = None,
    settle: Step | None = None,
    tags: tuple[str, ...] = (),
    settings: tuple[Setting, ...] = (),
) -> Journey | Callable[[Step], Journey]:
    """Make a Journey of an async function that takes the user; use it bare or with arguments.

    Args:
        run: what a user does in one iteration.
        prepare: once a user before the load.
        settle: once a user after it.
        tags: the keys that `user.tag` and `user.tagged` set and thresholds ask for.
        settings: what it and its other steps read from the scenario's `env`.

    Raises:
        TypeError: one of the functions is not `async def f(user)`, or `tags` or `settings` is no
            tuple.
    """
    given: object = tags
    if isinstance(given, str):  # it would be read letter by letter
        raise TypeError(f"tags must be a tuple: ({tags!r},)")
    _require_settings(settings)

    def make(function: Step) -> Journey:
        for step in (function, prepare, settle):
            if step is not None:
                _require_step(step)
        name: str = getattr(function, "__name__", "journey")
        return Journey(
            name=name,
            run=function,
            prepare=prepare,
            settle=settle,
            tags=tuple(tags),
            settings=settings,
        )

    return make if run is None else make(run)


def check(answer: Checkable, name: str, passed: object) -> bool:
    """Count whether something held of an answer, and return it; a failed check ends nothing."""
    held = passed is True or bool(passed)
    answer.record_check(name, held)
    return held


def _require_settings(given: object) -> None:
    if not isinstance(given, tuple) or not all(isinstance(one, Setting) for one in given):
        raise TypeError('settings must be a tuple: (Setting("channels", whole=True),)')


def _require_step(step: Step) -> None:
    name = getattr(step, "__name__", repr(step))
    if not inspect.iscoroutinefunction(step):
        raise TypeError(f"{name} must be an `async def` function")
    try:
        inspect.signature(step).bind(None)
    except TypeError:
        raise TypeError(f"{name} must take one argument, the user") from None
