"""The recovery table of a real run against a target that knows what it did, and when.

One run, eight faults. Whatever the machine does meanwhile, each instant of the table and how finely
it says that it was sampled must hold what the target wrote down itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.e2e.scripted_target import (
    READY_PATH,
    Act,
    Exchange,
    Mode,
    Script,
    ScriptedStack,
    ScriptedTarget,
    State,
    open_target,
)

from stormproof.checks.judge import judge
from stormproof.cli import compose, execution
from stormproof.cli.execution import Manner, carry_out
from stormproof.cli.jobs import Job, compile_job
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import FaultEvent, FaultStep, OriginEvent
from stormproof.model.plan import PlannedFault
from stormproof.model.record import Record
from stormproof.model.verdict import Instant, Verdict
from stormproof.rules.grammar import objective
from stormproof.store.reader import load_record

TRIAL = '''"""A target that is scripted."""

from stormproof import Floors, Trial, TrialProbe, check, journey

TRIAL = Trial(
    name="scripted",
    title="A scripted target goes bad and good",
    stack="none",
    scenarios={"visit": "visit"},
    probes={"ready": TrialProbe(path="/health/ready"), "canary": TrialProbe(path="/canary")},
    floors=Floors(duration="5s"),
)


@journey
async def visit(user):
    answer = await user.http.get("/items/{id}", id=user.index)
    check(answer, "found", answer.status == 200)
'''
WARM_S, QUIET_S = 2.0, 3.0  # quiet: that a fault's end is seen takes two seconds without a failure
SEED = 7


def scripts(seed: int) -> dict[str, Script]:
    """Return what each fault does; when exactly is drawn."""
    draw = np.random.default_rng(seed)

    def soon(low: float = 0.05, high: float = 0.6) -> float:
        return round(float(draw.uniform(low, high)), 3)

    fails, fine = Act(after_s=0, mode=Mode.FAILED), Mode.FINE
    flaps = [(soon(), fine), (0.8, Mode.FAILED), (1.1, fine), (1.5, Mode.FAILED), (1.8, fine)]
    return {
        "refused": Script(
            bites=[Act(after_s=soon(0, 0.2), mode=Mode.REFUSED)],
            heals=[Act(after_s=soon(), mode=fine)],
        ),
        "failed": Script(
            bites=[fails, Act(after_s=soon(), says_ready=False)],
            heals=[Act(after_s=soon(), mode=fine), Act(after_s=soon(0.7, 1.0), says_ready=True)],
        ),
        "slow": Script(
            bites=[Act(after_s=0, mode=Mode.SLOW)], heals=[Act(after_s=soon(), mode=fine)]
        ),
        "lagging": Script(
            bites=[fails, Act(after_s=soon(0.7, 1.0), says_ready=False)],
            heals=[Act(after_s=0, mode=fine), Act(after_s=soon(0.7, 1.2), says_ready=True)],
        ),
        "lying": Script(bites=[fails], heals=[Act(after_s=soon(), mode=fine)]),
        "flapping": Script(
            bites=[Act(after_s=0, mode=Mode.FAILED, says_ready=False)],
            heals=[Act(after_s=s, mode=mode, says_ready=mode is fine) for s, mode in flaps],
        ),
        "hung": Script(
            bites=[Act(after_s=soon(0, 0.2), mode=Mode.HUNG)],
            heals=[Act(after_s=soon(), mode=fine)],
        ),
        "lasting": Script(bites=[Act(after_s=0, mode=Mode.FAILED, says_ready=False)], heals=[]),
    }


HELD_S = {"hung": 2.0, "lagging": 1.4, "slow": 1.0}


def planned_faults(made: dict[str, Script]) -> tuple[PlannedFault, ...]:
    """Return the faults one after the other, each with room to be seen to end."""
    faults, at_s = [], WARM_S + 1.0
    for name, script in made.items():
        held_s = HELD_S.get(name, 1.2)
        faults.append(
            PlannedFault(
                name=name,
                kind="link-partition",
                part="script",
                at_ns=round(at_s * SECOND_NS),
                for_ns=round(held_s * SECOND_NS),
            )
        )
        at_s += held_s + max([act.after_s for act in script.heals], default=0.0) + QUIET_S
    return tuple(faults)


@dataclass(frozen=True, kw_only=True)
class Life:
    """One fault: what the table says, and what the target wrote down between two intents."""

    rows: dict[str, Instant]
    origin_ns: int
    undone_ns: int
    states: list[State]
    exchanges: list[Exchange]

    def turns(self, of: Callable[[State], bool], good: bool) -> list[State]:
        """Return when the target became good, or bad, at something."""
        return [after for before, after in pairwise(self.states) if of(before) != good == of(after)]

    def span_ns(self, name: str) -> tuple[int, int]:
        """Return from when to when a row says that what it tells happened."""
        row = self.rows[name]
        assert row.at_s is not None, f"{name} was not seen"
        at_ns = self.origin_ns + round(row.at_s * SECOND_NS)
        sampling_ns = round(row.sampling_s * SECOND_NS)
        return at_ns - sampling_ns - 2_000, at_ns + sampling_ns + 2_000  # a microsecond's digits

    def at_ns(self, name: str) -> int:
        """Return the instant of a row."""
        low, high = self.span_ns(name)
        return (low + high) // 2

    def holds(self, name: str, turn: State) -> None:
        """Assert that a row holds the instant at which the target changed."""
        low, high = self.span_ns(name)
        assert low <= turn.after_ns, f"{name}: the target changed before it"
        assert turn.before_ns <= high, f"{name}: the target changed after it"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The run with its verdict."""

    record: Record
    verdict: Verdict
    target: ScriptedTarget

    def life(self, fault: str) -> Life:
        """Return one fault's."""
        steps = {
            (e.fault, e.step): e.at_ns for e in self.record.events if isinstance(e, FaultEvent)
        }
        starts = sorted(at_ns for (_, step), at_ns in steps.items() if step is FaultStep.INTENT)
        start_ns = steps[fault, FaultStep.INTENT]
        stop_ns = next((one for one in starts if one > start_ns), 2**63)
        earlier = [one for one in self.target.states if one.before_ns < start_ns]
        within = [one for one in self.target.states if start_ns <= one.before_ns < stop_ns]
        (table,) = [one for one in self.verdict.recovery if one.fault == fault]
        return Life(
            rows={one.name: one for one in table.instants},
            origin_ns=next(e.at_ns for e in self.record.events if isinstance(e, OriginEvent)),
            undone_ns=steps[fault, FaultStep.UNDONE],
            states=[earlier[-1], *within],
            exchanges=[one for one in self.target.exchanges if start_ns <= one.begin_ns < stop_ns],
        )

    def value(self, metric: str, fault: str) -> float | None:
        """Return what was measured of a fault."""
        name = f"{metric}{{fault:{fault}}}: max<100"
        (found,) = [one for one in self.verdict.objectives if one.name == name]
        return found.value


def serves(state: State) -> bool:
    return state.serves


def is_ready(state: State) -> bool:
    return state.is_ready


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """Carry out the run once, with the real controller, worker, probes and record."""
    folder, made = tmp_path_factory.mktemp("scripted"), scripts(SEED)
    with open_target() as target, pytest.MonkeyPatch.context() as patch:
        yield run_against(target, made, folder, patch)


def run_against(
    target: ScriptedTarget, made: dict[str, Script], folder: Path, patch: pytest.MonkeyPatch
) -> Seen:
    """Return the run in which a stand-in for a stack plays the scripts."""
    faults = planned_faults(made)
    (folder / "scripted.py").write_text(TRIAL)
    lasts_s = -(-faults[-1].at_ns // SECOND_NS) + 4
    metrics = ("recovery_ready_s", "recovery_service_s", "health_unready_lag_s")
    profile: dict[str, Any] = {
        "description": "Until all faults are over.",
        "workers": 1,
        "warmup": f"{WARM_S:.0f}s",
        "duration": f"{lasts_s}s",
        "probes": {name: {"interval": "100ms", "timeout": "1s"} for name in ("ready", "canary")},
        "scenarios": {
            "visit": {"executor": "constant-arrival-rate", "rate": 20, "preAllocatedVUs": 40}
        },
        "thresholds": {"http_reqs": ["count>=1"]},
    }
    (folder / "scripted.json").write_text(json.dumps(profile))
    job = Job(
        file=folder / "scripted.py",
        profile=str(folder / "scripted.json"),
        target=f"http://127.0.0.1:{target.port}",
    )
    plan, loaded = compile_job(job)
    asked = [
        objective(f"{metric}{{fault:{fault.name}}}", "max<100")
        for metric in metrics
        for fault in faults
    ]
    plan = msgspec.structs.replace(plan, faults=faults, objectives=tuple(asked))

    def stack(recorder: Any) -> Callable[..., ScriptedStack]:
        return lambda *_: ScriptedStack(target, made, recorder)

    original = compose.compose_run

    def compose_run(plan: Any, directory: Any, recorder: Any, *args: Any, **more: Any) -> Any:
        patch.setattr(compose, "_stack", stack(recorder))
        return original(plan, directory, recorder, *args, **more)

    patch.setattr(execution, "compose_run", compose_run)
    outcome = carry_out(plan, loaded, folder / "runs", Manner())
    assert outcome.error is None
    record = load_record(outcome.directory)
    return Seen(record=record, verdict=judge(record, version="test"), target=target)


FELT = ["refused", "failed", "lagging", "lying", "flapping", "hung", "lasting"]
UNREADY = [one for one in FELT if one != "lying"]
HEALED = [one for one in FELT if one != "lasting"]


@pytest.mark.parametrize("fault", FELT)
def test_the_first_failed_operation_is_when_the_target_went_bad(seen: Seen, fault: str) -> None:
    """It is known before the canary has asked a second time since the target went bad."""
    life = seen.life(fault)
    went_bad = life.turns(serves, good=False)[0]
    life.holds("first failed operation", went_bad)
    at_ns = life.at_ns("first failed operation")
    assert went_bad.before_ns <= at_ns
    assert len(asked_between(life, "/canary", went_bad.after_ns, at_ns)) <= 1


@pytest.mark.parametrize("fault", UNREADY)
def test_it_was_detected_when_readiness_went(seen: Seen, fault: str) -> None:
    """The first not-ready answer is the first that the target gave after it went unready."""
    life = seen.life(fault)
    went = life.turns(is_ready, good=False)[0]
    life.holds("first not-ready answer", went)
    asked = asked_between(life, READY_PATH, went.after_ns, life.at_ns("first not-ready answer"))
    assert len(asked) <= 1


@pytest.mark.parametrize("fault", HEALED)
def test_the_first_success_is_when_the_target_served_again(seen: Seen, fault: str) -> None:
    """The first success after the undo is at the first turn to the better after it, if not at the
    undo itself."""
    life = seen.life(fault)
    turns = [one for one in life.turns(serves, good=True) if one.after_ns >= life.undone_ns]
    life.holds("first success", turns[0])
    assert len(asked_between(life, "/canary", turns[0].after_ns, life.at_ns("first success"))) <= 1


@pytest.mark.parametrize("fault", HEALED)
def test_the_last_failed_operation_is_when_it_served_for_good(seen: Seen, fault: str) -> None:
    """No operation that began after it was served badly, and the target's last turn is near it."""
    life = seen.life(fault)
    life.holds("last failed operation", life.turns(serves, good=True)[-1])
    at_ns = life.at_ns("last failed operation")
    operations = [one for one in life.exchanges if one.path != READY_PATH]
    assert not [one for one in operations if one.status == 503 and one.begin_ns > at_ns]
    measured = seen.value("recovery_service_s", fault)
    assert measured == pytest.approx(max(0, at_ns - life.undone_ns) / SECOND_NS, abs=1e-4)


@pytest.mark.parametrize("fault", [one for one in UNREADY if one != "lasting"])
def test_ready_again_is_when_readiness_came_back_for_good(seen: Seen, fault: str) -> None:
    """It is the first answer after the target's last turn to ready, and the measured recovery."""
    life = seen.life(fault)
    came = life.turns(is_ready, good=True)[-1]
    life.holds("ready again", came)
    at_ns = life.at_ns("ready again")
    assert came.before_ns <= at_ns
    assert len(asked_between(life, READY_PATH, came.after_ns, at_ns)) <= 1
    measured = seen.value("recovery_ready_s", fault)
    assert measured == pytest.approx((at_ns - life.undone_ns) / SECOND_NS, abs=1e-4)


@pytest.mark.parametrize("fault", ["lying", "slow"])
def test_what_was_always_ready_is_so_at_once(seen: Seen, fault: str) -> None:
    """Readiness that never said no is back at the undo, within the row's own sampling."""
    life = seen.life(fault)
    assert life.rows["first not-ready answer"].at_s is None
    low, high = life.span_ns("ready again")
    assert low <= life.undone_ns <= high


def test_slow_answers_are_no_failures(seen: Seen) -> None:
    """A target that is only slow has neither a first nor a last failed operation."""
    rows = seen.life("slow").rows
    assert rows["first failed operation"].at_s is None
    assert rows["last failed operation"].at_s is None
    assert seen.value("recovery_service_s", "slow") == 0.0


def test_what_never_recovers_has_no_number(seen: Seen) -> None:
    """Of a target that stays bad the table tells no end, and recovery is beyond every bar."""
    rows = seen.life("lasting").rows
    for name in ("first success", "last failed operation", "ready again"):
        assert rows[name].at_s is None
    assert seen.value("recovery_ready_s", "lasting") is None
    assert seen.value("recovery_service_s", "lasting") is None


def test_the_lag_of_readiness_is_that_of_the_target(seen: Seen) -> None:
    """How long readiness was behind the operations is right within what both rows leave open."""
    life = seen.life("lagging")
    measured = seen.value("health_unready_lag_s", "lagging")
    bad, unready = life.turns(serves, good=False)[0], life.turns(is_ready, good=False)[0]
    names = ("first failed operation", "first not-ready answer")
    open_s = sum(life.rows[name].sampling_s for name in names)
    true_s = (unready.after_ns - bad.after_ns) / SECOND_NS
    assert measured == pytest.approx(true_s, abs=open_s + 0.001)


def asked_between(life: Life, path: str, from_ns: int, to_ns: int) -> list[Exchange]:
    """Return the questions that the target began to answer after one instant and before another."""
    return [one for one in life.exchanges if one.path == path and from_ns < one.begin_ns < to_ns]
