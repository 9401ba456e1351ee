"""Did each fault bite, was it undone, is nothing left?"""

from __future__ import annotations

import pytest
from tests.builders import CUT, RESTART, at, healthy_record, story

from stormproof.checks.completeness import completeness_of
from stormproof.checks.faults import check_faults, stories_of
from stormproof.checks.outcome import Outcome
from stormproof.model.event import EndEvent, Event, FaultEvent, FaultStep

Steps = list[tuple[float, FaultStep]]


def _check(steps: Steps, *, ended: bool = True, detail: str = "") -> Outcome:
    """Check a run in which only the cut was tried, with these steps."""
    events: list[Event] = [
        FaultEvent(at_ns=at(s), fault=CUT, step=step, detail=detail) for s, step in steps
    ]
    events += [one for one in story(faults=False) if ended or not isinstance(one, EndEvent)]
    record = healthy_record(events=tuple(sorted(events, key=lambda one: one.at_ns)), sealed=ended)
    return check_faults({CUT: stories_of(record)[CUT]}, completeness_of(record))


def _kinds(outcome: Outcome) -> list[str]:
    return [finding.kind for finding in outcome.findings]


WHOLE: Steps = [
    (12.0, FaultStep.INTENT),
    (12.1, FaultStep.INJECTED),
    (12.2, FaultStep.WITNESSED),
    (16.0, FaultStep.UNDONE),
    (16.1, FaultStep.CLEAN),
]


def test_faults_that_bit_and_went_are_fine() -> None:
    """Two faults witnessed and undone: all effective, all undone, no residue."""
    record = healthy_record()
    outcome = check_faults(stories_of(record), completeness_of(record))
    assert outcome.findings == []
    for name in ("", CUT, RESTART):
        values = [
            outcome.measured[metric, name].value
            for metric in ("fault_effective", "fault_undone", "fault_residue")
        ]
        assert values == [1.0, 1.0, 0.0]
        assert not any(outcome.measured[key].why for key in outcome.measured if key[1] == name)


def test_a_fault_that_did_not_bite_decides_nothing() -> None:
    """Not witnessed: a finding, and the share of effective faults is in doubt, not failed."""
    steps: Steps = [
        (s, FaultStep.NOT_WITNESSED if w is FaultStep.WITNESSED else w) for s, w in WHOLE
    ]
    outcome = _check(steps, detail="no bytes held")
    assert _kinds(outcome) == ["not-witnessed"]
    effective = outcome.measured["fault_effective", CUT]
    assert (effective.value, effective.samples) == (0.0, 1)
    assert "was not seen to bite: no bytes held" in effective.why


def test_an_undo_that_failed_is_a_failure() -> None:
    """A fault that stays is not-undone, in a record that was cut off as well."""
    steps = [*WHOLE[:3], (15.0, FaultStep.UNDOING), (16.0, FaultStep.FAILED)]
    for ended in (True, False):
        outcome = _check(steps, ended=ended)
        assert _kinds(outcome) == ["not-undone"]
        assert outcome.measured["fault_undone", CUT].value == 0.0
        assert not outcome.measured["fault_undone", CUT].why


def test_what_heals_afterwards_undoes_no_failure() -> None:
    """An undo that failed stays not-undone when `heal` says that all ended with the keeper."""
    steps = [*WHOLE[:3], (15.0, FaultStep.UNDOING), (16.0, FaultStep.FAILED)]
    events: list[Event] = [FaultEvent(at_ns=at(s), fault=CUT, step=step) for s, step in steps]
    healed = FaultEvent(at_ns=at(99.0), fault=CUT, step=FaultStep.UNDONE, after_death=True)
    cut_off = [one for one in story(faults=False) if not isinstance(one, EndEvent)]
    record = healthy_record(events=(*cut_off, *events, healed), sealed=False)
    outcome = check_faults({CUT: stories_of(record)[CUT]}, completeness_of(record))
    assert _kinds(outcome) == ["not-undone"]


def test_a_run_that_ended_without_undoing_failed() -> None:
    """A complete record without an undo proves that there was none."""
    assert _kinds(_check(WHOLE[:3])) == ["not-undone"]


def test_a_record_that_ends_in_the_fault_says_nothing_about_its_undo() -> None:
    """Cut off while the fault is in force: undecided, since nobody was left to write it down."""
    outcome = _check(WHOLE[:3], ended=False)
    assert outcome.findings == []
    assert "while a fault is in force" in outcome.measured["fault_undone", CUT].why
    assert "while a fault is in force" in outcome.measured["fault_residue", CUT].why


def test_residue_is_a_failure() -> None:
    """What a fault leaves behind is counted and named."""
    steps = [*WHOLE[:4], (16.1, FaultStep.RESIDUE)]
    outcome = _check(steps, detail="3 held connections")
    assert _kinds(outcome) == ["residue"]
    assert "3 held connections" in outcome.findings[0].title
    assert outcome.measured["fault_residue", CUT].value == 1.0


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([(4.1, FaultStep.SKIPPED)], "cache-cut was skipped"),
        ([], "cache-cut was never reached"),
        ([(12.0, FaultStep.INTENT), (12.1, FaultStep.FAILED)], "was not seen to bite"),
    ],
)
def test_a_fault_that_never_was_proves_nothing(steps: Steps, why: str) -> None:
    """Skipped, never reached or refused: a finding, and every measurement of it in doubt; a record
    that was cut off has reasons enough."""
    outcome = _check(steps)
    assert _kinds(outcome) == ["not-witnessed"]
    assert why in outcome.findings[0].title
    assert _kinds(_check(steps, ended=False)) == []
    assert why in outcome.measured["fault_effective", CUT].why
    assert outcome.measured["fault_undone", CUT].why
    assert outcome.measured["fault_residue", CUT].why


def test_a_fault_cut_short_proves_nothing() -> None:
    """A cut of 4 s that lasted 0.3 s bit, and is in doubt all the same; 3.7 s are enough."""
    short: Steps = [(s, step) for s, step in WHOLE if s < 16] + [
        (12.4, FaultStep.UNDONE),
        (12.5, FaultStep.CLEAN),
    ]
    outcome = _check(short)
    assert _kinds(outcome) == ["too-short"]
    effective = outcome.measured["fault_effective", CUT]
    assert (effective.value, effective.why) == (0.0, f"{CUT} was in force for 0.3 s of its 4 s")
    enough: Steps = [(min(s, 15.8), step) for s, step in WHOLE]
    assert _kinds(_check(enough)) == []


def test_a_fault_that_ended_by_itself_proves_nothing() -> None:
    """What was found to be over already when it was to be undone may have broken nothing for most
    of its time, though it was seen to bite."""
    lapsed: Steps = [*WHOLE[:3], (15.9, FaultStep.NOT_WITNESSED), *WHOLE[3:]]
    outcome = _check(lapsed)
    assert _kinds(outcome) == ["too-short"]
    effective = outcome.measured["fault_effective", CUT]
    assert effective.value == 0.0
    assert f"{CUT} did not last" in effective.why


def test_residue_that_nobody_looked_for_is_unknown() -> None:
    """Without CLEAN or RESIDUE, zero residue is no measurement, and a finding says so."""
    outcome = _check([(s, step) for s, step in WHOLE if step is not FaultStep.CLEAN])
    assert _kinds(outcome) == ["not-searched"]
    assert f"looked for what {CUT}" in outcome.measured["fault_residue", CUT].why
    assert outcome.measured["fault_residue", ""].why
    assert not outcome.measured["fault_undone", CUT].why
