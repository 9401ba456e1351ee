"""The user of whatever happens once in a run: the set-up and the teardown, in one worker."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from stormproof.journeys.journey import Journey, Step
from stormproof.journeys.once import OnceStep, Setup, Teardown
from stormproof.kernel.limits import SETUP_BYTES_MAX
from stormproof.load import channel
from stormproof.load.cleanup import clean_up
from stormproof.load.preparation import step
from stormproof.load.user import VirtualUser
from stormproof.model.plan import Plan, Scenario, Source

NAME = "setup"  # the scenario that its operations are counted under
SETUP_S = 60.0
TEARDOWN_S = 15.0
MakeUser = Callable[[Scenario, Journey], VirtualUser]


class Once:
    """Set up and tear down with a user of their own, user 0, who takes no part in the load."""

    def __init__(
        self,
        plan: Plan,
        setups: tuple[Setup, ...],
        teardowns: tuple[Teardown, ...],
        make_user: MakeUser,
    ) -> None:
        self._plan = plan
        self._setup = setups[0].run if setups and plan.setup is not None else None
        self._teardown = teardowns[0].run if teardowns and plan.teardown is not None else None
        self._make_user = make_user
        self._user: VirtualUser | None = None

    async def set_up(self) -> channel.SetUpDone:
        """Run the set-up; return what it hands over, or why it failed."""
        assert self._setup is not None
        given, why = await _run(self._own_user(), self._setup, SETUP_S)
        if why:
            return channel.SetUpDone(why=why)
        problem = json_problem(given)
        data = b"" if problem else json.dumps(given).encode()
        if len(data) > SETUP_BYTES_MAX:
            problem = f"what it returns is {len(data)} bytes of JSON, over {SETUP_BYTES_MAX}"
        return channel.SetUpDone(problem=problem) if problem else channel.SetUpDone(data=data)

    async def tear_down(self, *, run: bool, deadline_ns: int) -> channel.TornDown:
        """Run the teardown, where `run` says so, then the clean-ups of the set-up's user."""
        why = ""
        if run and self._teardown is not None:
            _, why = await _run(self._own_user(), self._teardown, TEARDOWN_S)
        tally = await clean_up([] if self._user is None else [self._user], deadline_ns)
        return channel.TornDown(why=why, failed=tally.failed, reasons=dict(tally.reasons))

    def close(self) -> None:
        """Close its connections."""
        if self._user is not None:
            self._user.close()

    def _own_user(self) -> VirtualUser:
        if self._user is None:
            scenario = once_scenario(self._plan)
            nothing = Journey(name=NAME, run=_nothing)
            self._user = self._make_user(scenario, nothing)
        return self._user


def once_scenario(plan: Plan) -> Scenario:
    """Return what the set-up's user runs under: the settings of all scenarios, the tags common to
    them."""
    env: dict[str, str] = {}
    shared = [set(scenario.tags.items()) for scenario in plan.scenarios]
    for scenario in reversed(plan.scenarios):
        env.update(scenario.env)
    return Scenario(
        name=NAME,
        journey=plan.setup or plan.teardown or Source(file="", function="", sha256=""),
        executor="constant-vus",
        duration_ns=0,
        vus=1,
        max_vus=1,
        tags=dict(set.intersection(*shared)) if shared else {},
        env=env,
    )


def json_problem(value: object, where: str = "data") -> str:
    """Say what keeps a value from crossing as JSON and coming back the same; empty: nothing."""
    match value:
        case None | bool() | int() | str():
            return ""
        case float():
            return "" if math.isfinite(value) else f"{where} is {value}, which JSON has not"
        case list() | tuple():
            inner = ((one, f"{where}[{index}]") for index, one in enumerate(value))
        case dict():
            odd = next((key for key in value if not isinstance(key, str)), None)
            if odd is not None:
                return f"{where} has the key {odd!r}, and JSON has texts only"
            inner = ((one, f"{where}[{key!r}]") for key, one in value.items())
        case _:
            return f"{where} is a {type(value).__name__}, which is no JSON"
    try:
        return next((told for one in inner if (told := json_problem(*one))), "")
    except RecursionError:
        return f"{where} is nested too deeply, or in itself"


async def _run(user: VirtualUser, work: OnceStep, patience_s: float) -> tuple[Any, str]:
    """Run one function; return what it gave, and why it failed."""
    given: list[Any] = []

    async def keep(one: VirtualUser) -> None:
        given.append(await work(one))

    kept: Step = keep
    why = await step(user, kept, patience_s=patience_s)
    return (given[0] if given else None), why


async def _nothing(_user: VirtualUser) -> None:
    """Be no journey."""
