"""Figures of sources around a fault: a counter that goes on, and what is taken over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec
import pytest
from tests.builders import CUT, RESTART, fault_events, plan, story
from tests.unit.checks.observed import Said, observed

from stormproof.checks.fault_figures import check_fault_figures, figures_told
from stormproof.checks.faults import stories_of
from stormproof.checks.judge import judge
from stormproof.checks.outcome import Measurement
from stormproof.kernel.units import SECOND_NS
from stormproof.model.plan import PlannedFault, PlannedSource
from stormproof.model.record import Record
from stormproof.rules.fault_figures import sources_asked
from stormproof.rules.grammar import objective
from stormproof.rules.questions import problems_of
from stormproof.rules.windows import windows_of

RELAYED = PlannedSource(
    name="dispatcher", path="/metrics", interval_ns=SECOND_NS, timeout_ns=SECOND_NS
)
RESUMED = f"figure_resumed_s{{fault:{CUT},figure:dispatcher:relayed_total}}"
OFF = f"takeover_off{{fault:{CUT},held:dispatcher:pending,taken:dispatcher:taken_total}}"


def _every_second(relayed: Mapping[int, float], until: int = 42) -> list[tuple[float, Said]]:
    """Return a reading a second; the counter has each value from its second on."""
    said: list[tuple[float, Said]] = []
    value = 0.0
    for second in range(until):
        value = relayed.get(second, value)
        said.append((second + 0.5, {"relayed_total": value}))
    return said


def _measured(record: Record, metric: str, threshold: str) -> Measurement:
    asked = objective(metric, threshold)
    stories, windows = stories_of(record), windows_of(record)
    measured = check_fault_figures(record, windows, stories, [asked]).measured
    return measured[asked.metric, asked.name]


@pytest.mark.parametrize(
    ("relayed", "value", "at_least", "why"),
    [
        ({1: 5.0, 11: 100.0, 18: 130.0}, 2.5, None, ""),
        ({1: 5.0, 11: 100.0, 20: 130.0, 23: 131.0}, 4.5, None, ""),
        ({1: 5.0, 11: 100.0, 17: 0.0, 19: 30.0}, 3.5, None, ""),  # its keeper began again
        ({1: 5.0, 11: 100.0, 17: 30.0}, 1.5, None, ""),
        ({1: 5.0, 11: 100.0, 16: 120.0, 18: 130.0}, 2.5, None, ""),  # perhaps before the undo
        ({1: 5.0, 11: 100.0}, None, 9.5, ""),  # the next fault is at 26 s
        ({1: 5.0, 11: 100.0, 28: 130.0}, None, 9.5, ""),
    ],
)
def test_a_counter_is_followed_from_the_undo(
    relayed: dict[int, float], value: float | None, at_least: float | None, why: str
) -> None:
    """A counter has resumed at the first reading that is higher, and never past the next fault."""
    found = _measured(observed(_every_second(relayed), RELAYED), RESUMED, "max<60")
    assert (found.value, found.at_least, found.why) == (value, at_least, why)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ([(1.0, {"other_total": 1.0})], "was never seen"),
        (_every_second({1: 5.0}, until=15), "was not read after the fault"),
        ([*_every_second({1: 5.0}, until=16), (22.0, {"relayed_total": 9.0})], "for 6 s"),
    ],
)
def test_what_was_not_read_resumes_nothing(said: list[tuple[float, Said]], why: str) -> None:
    """A counter that was never seen, or not read after the fault, decides nothing."""
    assert why in _measured(observed(said, RELAYED), RESUMED, "max<60").why


def test_what_another_fault_still_breaks_is_asked_of_that() -> None:
    """While another fault is in force a counter's return after the first one is not its own."""
    both = [*fault_events(CUT, 12, 16), *fault_events(RESTART, 14, 20)]
    events = sorted([*story(faults=False), *both], key=lambda one: one.at_ns)
    said = _every_second({1: 5.0, 11: 100.0, 22: 130.0})
    record = observed(said, RELAYED, events=tuple(events))
    assert "cache-restart was in force" in _measured(record, RESUMED, "max<60").why
    last = f"figure_resumed_s{{fault:{RESTART},figure:dispatcher:relayed_total}}"
    assert _measured(record, last, "max<60").value == 2.5


def _takeover(
    pending: Mapping[int, float],
    taken: Mapping[int, float],
    part: str = "dispatcher",
    kind: str = "process-restart",
) -> Measurement:
    said: list[tuple[float, Said]] = []
    held = done = 0.0
    for second in range(42):
        held, done = pending.get(second, held), taken.get(second, done)
        is_away = 12 <= second < 16
        figures = {"pending": held} if is_away else {"pending": held, "taken_total": done}
        said.append((second + 0.5, figures))
    record = observed(said, RELAYED)
    faults = [one for one in record.plan.faults if one.name != CUT]
    cut = PlannedFault(name=CUT, kind=kind, part=part, at_ns=12 * SECOND_NS, for_ns=4 * SECOND_NS)
    of_part = msgspec.structs.replace(record.plan, faults=(cut, *faults))
    return _measured(replace(record, plan=of_part), OFF, "count==0")


@pytest.mark.parametrize(
    ("pending", "taken", "value", "why"),
    [
        ({12: 40.0, 17: 0.0}, {18: 40.0}, 0.0, ""),
        ({12: 40.0, 17: 0.0}, {3: 40.0, 17: 40.0}, 0.0, ""),  # what it counts is its own alone
        ({12: 40.0, 17: 0.0}, {18: 30.0}, 10.0, ""),
        ({12: 40.0, 17: 0.0}, {18: 40.0, 19: 55.0}, 15.0, ""),
        ({12: 40.0, 17: 0.0}, {}, 40.0, ""),
        ({}, {18: 0.0}, None, "was 0 while"),
        ({12: 40.0, 14: 50.0}, {18: 50.0}, None, "went from 40 to 50"),
        ({12: 40.0, 17: 0.0}, {18: 40.0, 20: 3.0}, None, "began again"),
    ],
)
def test_what_was_held_is_taken_over(
    pending: dict[int, float], taken: dict[int, float], value: float | None, why: str
) -> None:
    """What a part that is broken held must be what is taken over from then on, neither more nor
    less; where it held nothing, or that moved, nothing is decided."""
    found = _takeover(pending, taken)
    assert found.value == value
    assert why in found.why


@pytest.mark.parametrize(
    ("taken", "value", "why"),
    [
        ({18: 40.0, 28: 65.0}, 0.0, ""),
        ({18: 55.0, 28: 65.0}, 15.0, ""),
        ({18: 30.0, 28: 65.0}, None, "came before all was taken over"),
        ({18: 30.0}, 10.0, ""),
    ],
)
def test_what_a_later_fault_left_is_not_held_against_an_earlier_one(
    taken: dict[int, float], value: float | None, why: str
) -> None:
    """What is taken over after the next fault (at 26 s) is that one's; where the first one's was
    not all taken over by then, nobody knows whose it is."""
    found = _takeover({12: 40.0, 17: 0.0, 26: 25.0, 28: 0.0}, taken)
    assert found.value == value
    assert why in found.why


def test_a_counter_goes_on_where_a_fault_ended_no_process() -> None:
    """A part that was only paused counts on from what it had counted before."""
    found = _takeover({12: 40.0, 17: 0.0}, {3: 5.0, 18: 45.0}, kind="process-pause")
    assert (found.value, found.why) == (0.0, "")


def test_another_parts_counter_goes_on() -> None:
    """Of a part that was not broken only what its counter grew by since the fault counts."""
    assert _takeover({12: 40.0, 17: 0.0}, {3: 5.0, 18: 45.0}, part="cache").value == 0.0


def test_the_verdict_says_what_figures_did() -> None:
    """An objective on a counter's return is met by one that resumes and failed by one that never
    does."""
    goes_on = observed(_every_second({1: 5.0, 11: 100.0, 18: 130.0}), RELAYED)
    asked = [objective(RESUMED, "max<5"), objective(RESUMED, "max<2")]
    judged = judge(goes_on, objectives=asked, version="0").objectives
    assert [one.status for one in judged[-2:]] == ["pass", "fail"]
    stands = observed(_every_second({1: 5.0, 11: 100.0}), RELAYED)
    assert judge(stands, objectives=asked[:1], version="0").objectives[-1].status == "fail"


@pytest.mark.parametrize(
    ("figure", "problem"),
    [
        ("dispatcher:relayed_total", ""),
        ("relayed_total", "is no figure of a source"),
        ("consumer:relayed_total", "reads no figures for"),
        ("dispatcher:a{b", "tags are written as"),
    ],
)
def test_a_figure_that_is_not_read_is_refused(figure: str, problem: str) -> None:
    """A tag that names no figure, or one of a source that the plan does not read, is bad input."""
    asked = objective(f'figure_resumed_s{{figure:"{figure}"}}', "max<5")
    told = problems_of(asked, plan(sources=(RELAYED,)))
    assert (not told) if not problem else any(problem in one for one in told)


def test_sources_in_tags_are_needed() -> None:
    """The sources of figures that stand in tags are asked for like those of the metric itself."""
    assert sources_asked(objective(OFF, "count==0")) == {"dispatcher"}
    assert sources_asked(objective("consumer:lag", "max<5")) == {"consumer"}
    assert sources_asked(objective("http_reqs", "count>5")) == set()


def test_explain_shows_what_figures_said_around_their_fault() -> None:
    """Whoever asks why an objective was answered so reads its figures, wherever they changed."""
    record = observed(_every_second({1: 5.0, 11: 100.0, 18: 130.0, 30: 900.0}), RELAYED)
    asked = objective(RESUMED, "max<5")
    (told,) = figures_told(asked, record, windows_of(record))
    assert told == "dispatcher:relayed_total: 5 at 7.5 s, 100 at 11.5 s, 130 at 18.5 s"
    assert (
        list(figures_told(objective("recovery_ready_s", "max<5"), record, windows_of(record))) == []
    )
