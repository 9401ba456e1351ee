"""What the keeper writes down, and what it does when the disk refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.faults.disk import Disk

from stormproof.faults.chronicle import Chronicle
from stormproof.faults.journal import FaultIntended, FaultUndone, Journal, leftovers
from stormproof.kernel.errors import EnvironmentFailure
from stormproof.model.event import Event, FaultEvent, FaultStep, WarningEvent

INTENDED = FaultIntended(fault="cut", kind="link-partition", part="wire")


def event(step: FaultStep) -> FaultEvent:
    return FaultEvent(at_ns=1, fault="cut", step=step)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def told() -> list[Event]:
    return []


@pytest.fixture
def chronicle(disk: Disk, told: list[Event], tmp_path: Path) -> Chronicle:
    return Chronicle(disk, Journal(tmp_path / "undo.jsonl"), told.append)


def test_intent_is_forced_to_disk_in_record_and_journal(
    chronicle: Chronicle, disk: Disk, told: list[Event], tmp_path: Path
) -> None:
    """An intent is on disk in both before anything is broken, and the controller knows."""
    intent = event(FaultStep.INTENT)
    chronicle.commit(intent, INTENDED)
    chronicle.close("completed")
    assert disk.written == [(intent, True)]
    assert leftovers(tmp_path / "undo.jsonl").faults == {"cut": INTENDED}
    assert told == [intent]


def test_intent_that_cannot_be_written_is_an_error(
    chronicle: Chronicle, disk: Disk, tmp_path: Path
) -> None:
    """With a full disk an intent is refused, so that nothing is broken."""
    disk.is_full = True
    with pytest.raises(EnvironmentFailure, match="disk is full"):
        chronicle.commit(event(FaultStep.INTENT), INTENDED)
    chronicle.close("aborted")
    assert leftovers(tmp_path / "undo.jsonl").faults == {}


def test_note_that_cannot_be_written_is_told_and_kept_as_a_problem(
    chronicle: Chronicle, disk: Disk, told: list[Event], tmp_path: Path
) -> None:
    """A full disk keeps nobody from undoing: the event is told, the journal written, and the
    problem warned of once."""
    disk.is_full = True
    for _ in range(2):
        chronicle.note(event(FaultStep.UNDONE), FaultUndone(fault="cut"))
    chronicle.close("completed")
    assert chronicle.problems == ["the disk is full"]
    assert [one.code for one in told if isinstance(one, WarningEvent)] == ["keeper"]
    assert told.count(event(FaultStep.UNDONE)) == 2
    assert b"fault-undone" in (tmp_path / "undo.jsonl").read_bytes()


def test_problems_are_bounded(chronicle: Chronicle) -> None:
    """However much goes wrong, a bounded number of problems is kept."""
    for number in range(1_000):
        chronicle.report(f"problem {number}")
    chronicle.close("completed")
    assert len(chronicle.problems) == 20


def test_secrets_are_neither_written_nor_told(
    disk: Disk, told: list[Event], tmp_path: Path
) -> None:
    """Whatever a part said that is quoted, the values that it was given are not in it."""
    chronicle = Chronicle(disk, Journal(tmp_path / "undo.jsonl"), told.append, ["s3cret"])
    spoken = FaultEvent(at_ns=1, fault="cut", step=FaultStep.UNDONE, detail="log: s3cret")
    chronicle.note(spoken)
    chronicle.commit(spoken, INTENDED)
    chronicle.report("the end of a log: s3cret")
    assert chronicle.problems == ["the end of a log: ***"]
    assert "s3cret" not in repr(told) + repr(disk.__dict__)
    assert repr(told).count("***") == 3


def test_an_audit_log_that_cannot_be_written_is_told_apart(
    disk: Disk, told: list[Event], tmp_path: Path
) -> None:
    """What keeps nobody from a run has a code of its own, and so takes no evidence away."""

    def refused(_: FaultEvent) -> None:
        raise EnvironmentFailure("no room", "make some")

    chronicle = Chronicle(disk, Journal(tmp_path / "undo.jsonl"), told.append, audit=refused)
    chronicle.note(event(FaultStep.UNDONE))
    assert [one.code for one in told if isinstance(one, WarningEvent)] == ["audit-log"]
