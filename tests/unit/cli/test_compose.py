"""What the controller notes of its stack."""

from __future__ import annotations

from stormproof.cli.compose import note_stack_event
from stormproof.kernel.errors import EnvironmentFailure, StormproofError
from stormproof.model.event import PartEvent, WarningEvent
from stormproof.stack.kept import KEEPER_DIED
from stormproof.testing.recorder import ScriptedRecorder

LEFT = WarningEvent(at_ns=1, code="keeper", text="process 7 of cache cannot be ended")
DIED = WarningEvent(at_ns=2, code=KEEPER_DIED, text="the keeper has died")


def test_what_the_keeper_could_not_do_is_in_the_record() -> None:
    """A process or folder that the keeper left behind is told by the verdict."""
    recorder, given_up = ScriptedRecorder(), list[StormproofError]()
    note_stack_event(LEFT, recorder, given_up.append)
    note_stack_event(PartEvent(at_ns=1, part="api", step="ready"), recorder, given_up.append)
    assert recorder.recorded.events == [LEFT]
    assert given_up == []


def test_the_death_of_the_keeper_ends_the_run() -> None:
    """It is recorded by the controller, whom nobody else can stand in for, and ends the run."""
    recorder, given_up = ScriptedRecorder(), list[StormproofError]()
    note_stack_event(DIED, recorder, given_up.append)
    assert recorder.recorded.events == [DIED]
    assert [str(error) for error in given_up] == ["the keeper died (run: stormproof heal)"]


def test_a_full_disk_ends_the_run_and_not_the_listening() -> None:
    """A warning that cannot be written ends the run in order and deafens nobody."""
    given_up = list[StormproofError]()
    note_stack_event(LEFT, ScriptedRecorder(writes_max=0), given_up.append)
    assert [type(error) for error in given_up] == [EnvironmentFailure]
