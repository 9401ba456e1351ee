"""When faults come: relative times are resolved beforehand; what hangs on nothing is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.planning.test_profiles import read

from stormproof.kernel.errors import Problem
from stormproof.kernel.units import SECOND_NS
from stormproof.model.plan import Scenario, Source, Stage
from stormproof.model.trial import Trial
from stormproof.planning.fault_times import fault_times
from stormproof.planning.scale import Scale

TRIAL = Trial(name="t", title="t", stack="embedded", scenarios={})
FEED = Scenario(
    name="feed",
    journey=Source(file="f.py", function="f", sha256=""),
    executor="ramping-arrival-rate",
    start_ns=2 * SECOND_NS,
    duration_ns=30 * SECOND_NS,
    vus=1,
    max_vus=1,
    stages=(
        Stage(duration_ns=10 * SECOND_NS, target=5),
        Stage(duration_ns=20 * SECOND_NS, target=5),
    ),
)


def placed(folder: Path, **faults: dict[str, Any]) -> tuple[dict[str, float], list[Problem]]:
    """Return when faults come, in seconds, and what is wrong."""
    profile, told = read(folder, faults=faults)
    problems = [Problem(where="profile", what=told)] if told else []
    times = fault_times(profile, Scale(TRIAL, profile, 1.0), [FEED], problems)
    return {name: at_ns / SECOND_NS for name, at_ns in times.items()}, problems


@pytest.mark.parametrize(
    ("numbers", "at_s"),
    [
        ({"at": "7s"}, 7),
        ({"after": "cut", "at": "5s"}, 19),
        ({"after": "cut"}, 14),
        ({"with": "cut", "at": "1s"}, 11),
        ({"after": "warmup", "at": "1s"}, 6),
        ({"with": "feed", "at": "1s"}, 3),
        ({"after": "feed/1"}, 12),
        ({"with": "feed/2", "at": "3s"}, 15),
    ],
)
def test_a_time_may_be_relative(tmp_path: Path, numbers: dict[str, Any], at_s: float) -> None:
    """To the start of the load, another fault, the warm-up, a scenario, or a stage of one."""
    times, problems = placed(tmp_path, cut={"at": "10s", "for": "4s"}, slow=numbers)
    assert problems == []
    assert times["slow"] == at_s


def test_what_waits_for_a_step_comes_after_its_patience(tmp_path: Path) -> None:
    """A step that may wait 6 s for the target leaves that room before what follows it."""
    steps = {"at": "10s", "for": "4s", "whenReady": "6s"}
    times, _ = placed(tmp_path, cut=steps, slow={"after": "cut", "at": "1s"})
    assert times["slow"] == 21


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ({"after": "cutt"}, "there is no 'cutt' (did you mean 'cut'?)"),
        ({"with": "feed/3"}, "there is no 'feed/3'"),
        ({"after": "slow"}, "waits for itself: slow -> slow"),
        ({"after": "cut", "with": "cut"}, "is one way to say when, and `after` another"),
        ({"for": "3s"}, "slow at: is missing"),
    ],
)
def test_a_time_that_hangs_on_nothing_is_told(
    tmp_path: Path, numbers: dict[str, Any], told: str
) -> None:
    """Each with what would be right."""
    _, problems = placed(tmp_path, cut={"at": "10s", "for": "4s"}, slow=numbers)
    assert told in "\n".join(map(str, problems))


def test_faults_that_wait_for_each_other_are_told_once(tmp_path: Path) -> None:
    """A ring of three is named with all of its members."""
    ring = {"a": {"after": "c"}, "b": {"after": "a"}, "c": {"after": "b"}}
    _, problems = placed(tmp_path, **ring)
    assert [one.what for one in problems] == ["waits for itself: a -> c -> b -> a"]


def test_a_thousand_faults_may_follow_each_other(tmp_path: Path) -> None:
    """However long the chain, the last one comes after all of them; a ring of them is told."""
    chain = {f"f{number}": {"after": f"f{number - 1}", "at": "1s"} for number in range(1, 1_000)}
    times, problems = placed(tmp_path, f999=chain.pop("f999"), f0={"at": "5s"}, **chain)
    assert problems == []
    assert times["f999"] == 5 + 999
    _, problems = placed(tmp_path, f0={"after": "f998"}, **chain)
    (told,) = problems
    assert told.what.endswith("-> ... -> f0")
