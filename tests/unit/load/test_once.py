"""What a set-up may hand over, and what its user runs under."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from tests.builders import plan

from stormproof.clients.guard import JourneyGuard
from stormproof.clients.tape import Actor, Scope, Tape
from stormproof.journeys.once import Setup
from stormproof.kernel.limits import SETUP_BYTES_MAX
from stormproof.load.once import Once, json_problem, once_scenario
from stormproof.model.plan import Source

ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize(
    "value", [None, True, 3, 0.5, "ä", [], {}, {"a": [1, {"b": None}], "c": ("x", 2)}]
)
def test_json_crosses(value: object) -> None:
    """What JSON has may be handed over."""
    assert json_problem(value) == ""


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({1}, "data is a set, which is no JSON"),
        ({"a": [0, b"x"]}, "data['a'][1] is a bytes, which is no JSON"),
        ({1: 2}, "data has the key 1, and JSON has texts only"),
        ([float("nan")], "data[0] is nan, which JSON has not"),
        (ENDLESS, "is nested too deeply, or in itself"),
    ],
)
def test_what_would_not_cross_is_named_with_its_place(value: object, told: str) -> None:
    """What JSON has not, or would bring back as something else, is named where it is."""
    assert told in json_problem(value)


async def test_too_much_data_is_told() -> None:
    """What is over the limit for all workers is told with its size, before any user is prepared."""
    actor = Actor(0, Scope(Tape(0), "setup"))
    user: Any = SimpleNamespace(guard=JourneyGuard(actor), actor=actor)

    async def hand_over(_: object) -> str:
        return "x" * SETUP_BYTES_MAX

    source = Source(file="demo.py", function="hand_over", sha256="0" * 64)
    setup = Setup(name="hand_over", run=hand_over)
    done = await Once(plan(setup=source), (setup,), (), lambda *_: user).set_up()
    assert done.problem == f"what it returns is {SETUP_BYTES_MAX + 2} bytes of JSON, over 1048576"


def test_the_set_up_runs_under_what_scenarios_share() -> None:
    """Its settings are those of all scenarios, the first one's win; its tags the common ones."""
    feed, chat = plan().scenarios
    feed = msgspec.structs.replace(feed, env={"a": "1"}, tags={"region": "eu", "x": "1"})
    chat = msgspec.structs.replace(chat, env={"a": "2", "b": "3"}, tags={"region": "eu"})
    one = once_scenario(plan(scenarios=(feed, chat)))
    assert (one.env, one.tags) == ({"a": "1", "b": "3"}, {"region": "eu"})
