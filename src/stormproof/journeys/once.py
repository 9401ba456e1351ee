"""What happens once in a run, in one worker: before any user is prepared, and at the very end."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

OnceStep = Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Prepare the target for the run; what it returns is `user.data` of every user."""

    name: str
    run: OnceStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Teardown:
    """Put the target back; runs after failures and interruptions too."""

    name: str
    run: OnceStep


def setup(function: OnceStep) -> Setup:
    """Run `async def f(user)` once, before users are prepared; its answer crosses as JSON.

    Raises:
        TypeError: it is no such function.
    """
    return Setup(name=_name_of(function), run=function)


def teardown(function: OnceStep) -> Teardown:
    """Run `async def f(user)` once at the end, where the set-up had succeeded or there was none.

    Raises:
        TypeError: it is no such function.
    """
    return Teardown(name=_name_of(function), run=function)


def _name_of(function: OnceStep) -> str:
    name: str = getattr(function, "__name__", repr(function))
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"{name} must be an `async def` function")
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        raise TypeError(f"{name} must take one argument, the user") from None
    return name
