"""Does the record show everything that the plan asked for?"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from tests.builders import at, healthy_record, story

from stormproof.checks.completeness import completeness_of
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import DecisionEvent, Event, Phase, PhaseEvent, WorkerEvent


def _why(keep: Callable[[Event], bool]) -> str:
    events = tuple(one for one in healthy_record().events if keep(one))
    return completeness_of(healthy_record(events=events)).why


def test_a_run_to_its_end_is_complete() -> None:
    """Phases, drain, workers and gate as planned leave nothing to say."""
    assert completeness_of(healthy_record()).is_complete


@pytest.mark.parametrize("phase", [Phase.LOAD, Phase.DRAIN, Phase.STOP])
def test_every_phase_must_be_there(phase: Phase) -> None:
    """A record that claims to be complete and lacks a phase is not."""
    why = _why(lambda one: not (isinstance(one, PhaseEvent) and one.phase is phase))
    assert why == f"the run says that it completed, and its record lacks the {phase.value}"


def test_the_load_must_have_lasted() -> None:
    """A drain that began before the load's planned end makes the run too short."""
    events = tuple(
        msgspec.structs.replace(one, at_ns=at(35.0))
        if isinstance(one, PhaseEvent) and one.phase is Phase.DRAIN
        else one
        for one in story()
    )
    why = completeness_of(healthy_record(events=events)).why
    assert why == "the load ended 5 s before its planned end"


def test_scenarios_that_have_done_their_number_may_end_early() -> None:
    """A load of iterations alone has no planned end; a timed scenario still has its own."""
    plan = healthy_record().plan
    feed, chat = plan.scenarios
    shared = msgspec.structs.replace(feed, executor="shared-iterations")
    timed = msgspec.structs.replace(chat, start_ns=0, duration_ns=30 * SECOND_NS)
    early = tuple(
        msgspec.structs.replace(one, at_ns=at(20.0))
        if isinstance(one, PhaseEvent) and one.phase is Phase.DRAIN
        else one
        for one in story()
    )
    for scenarios, why in (
        ((shared,), ""),
        ((shared, timed), "the load ended 10 s before its planned end"),
    ):
        changed = msgspec.structs.replace(plan, scenarios=scenarios)
        record = healthy_record(events=early, plan=changed)
        assert completeness_of(record).why == why


def test_every_worker_must_have_finished() -> None:
    """A worker that never said that it finished may have done nothing; one that died is told."""
    why = _why(lambda one: not (isinstance(one, WorkerEvent) and one.worker == 1))
    assert why == "worker 1 never said that it had finished its load"
    died = tuple(
        msgspec.structs.replace(one, step="died") if isinstance(one, WorkerEvent) else one
        for one in story()
    )
    assert completeness_of(healthy_record(events=died)).why == ""


def test_the_gate_looks_at_the_second_half_of_the_warm_up() -> None:
    """A decision over other seconds than the plan's is not the gate that was planned."""
    events = tuple(
        msgspec.structs.replace(one, from_second=1, to_second=2)
        if isinstance(one, DecisionEvent)
        else one
        for one in healthy_record().events
    )
    why = completeness_of(healthy_record(events=events)).why
    assert why == "the gate looked at seconds 1 to 2 instead of its own"
