"""What a plan promises beforehand is what its schedules start."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import plan

from stormproof.model.plan import Scenario, Stage
from stormproof.rules.promise import Span, least_promised, lines_of, promised
from stormproof.workload.ramping_arrival_rate import RampingArrivalRate
from stormproof.workload.ramping_vus import RampingVus

SECOND_NS = 1_000_000_000
RATES = st.integers(0, 40).map(float)
STAGES = st.lists(
    st.builds(Stage, duration_ns=st.integers(0, 8).map(lambda s: s * SECOND_NS), target=RATES),
    min_size=1,
    max_size=5,
)
STARTS = st.integers(0, 6)
UNITS = st.sampled_from([SECOND_NS, SECOND_NS // 2, 60 * SECOND_NS])
SPANS = st.lists(st.floats(0, 50), min_size=2, max_size=6, unique=True).map(
    lambda ends: list(zip(sorted(ends)[::2], sorted(ends)[1::2], strict=False))
)


def ramping(start_s: int, rate: float, stages: Sequence[Stage], unit_ns: int) -> Scenario:
    return msgspec.structs.replace(
        plan().scenarios[0],
        executor="ramping-arrival-rate",
        start_ns=start_s * SECOND_NS,
        duration_ns=sum(stage.duration_ns for stage in stages),
        time_unit_ns=unit_ns,
        start_rate=rate,
        stages=tuple(stages),
    )


def instants_s(scenario: Scenario) -> list[float]:
    """Return when the scenario's own schedule starts iterations."""
    schedule = RampingArrivalRate(
        start_rate=scenario.start_rate,
        stages=scenario.stages,
        time_unit_ns=scenario.time_unit_ns,
    )
    starts_ns = schedule.instants_ns(0, 1)
    return [(scenario.start_ns + one_ns) / SECOND_NS for one_ns in starts_ns]


@given(start_s=STARTS, rate=RATES, stages=STAGES, unit_ns=UNITS, spans=SPANS)
def test_spans_hold_what_was_promised(
    start_s: int, rate: float, stages: list[Stage], unit_ns: int, spans: list[Span]
) -> None:
    """In any span the schedule starts what was promised for it, within one at its edges."""
    scenario = ramping(start_s, rate, stages, unit_ns)
    lines = lines_of(scenario)
    assert lines is not None
    started = instants_s(scenario)
    for from_s, to_s in spans:
        inside = sum(from_s <= one < to_s for one in started)
        assert abs(promised(lines, [(from_s, to_s)]) - inside) <= 1.001


@given(start_s=STARTS, rate=RATES, stages=STAGES, other=RATES, length_s=st.integers(1, 12))
def test_no_stretch_is_poorer_than_the_poorest(
    start_s: int, rate: float, stages: list[Stage], other: float, length_s: int
) -> None:
    """However a stretch lies in the window, it is promised what the poorest is, which exists."""
    ramp, even = ramping(start_s, rate, stages, SECOND_NS), plan().scenarios[0]
    lines = [
        *(lines_of(ramp) or ()),
        *(lines_of(msgspec.structs.replace(even, rate=other)) or ()),
    ]
    window = (3.0, 33.0)
    least = least_promised(lines, [window], length_s)
    grid = [3.0 + step / 8 for step in range((30 - length_s) * 8 + 1)]
    counts = [promised(lines, [(one, one + length_s)]) for one in grid]
    assert least <= min(counts) + 1e-6
    assert min(counts) - least <= 40 / 8


@given(
    start_s=STARTS,
    users=st.integers(0, 20),
    stages=STAGES,
    pace_s=st.sampled_from([0.1, 1.0, 2.5]),
    spans=SPANS,
)
def test_users_who_come_and_go_start_what_was_promised(
    start_s: int, users: int, stages: list[Stage], pace_s: float, spans: list[Span]
) -> None:
    """Of ramping users at a pace no more is promised than they are, and at most one user less."""
    scenario = msgspec.structs.replace(
        ramping(start_s, 0.0, stages, SECOND_NS),
        executor="ramping-vus",
        start_vus=users,
        env={"pace_s": str(pace_s)},
    )
    lines = lines_of(scenario)
    assert lines is not None
    for span in spans:
        user_s = user_seconds(scenario, span)
        sure = promised(lines, [span]) * pace_s
        assert sure <= user_s + 1e-6
        assert user_s <= sure + (span[1] - span[0]) + 1e-6


def user_seconds(scenario: Scenario, span: Span) -> float:
    """Return how long the users of a scenario are there within a span, all together."""
    schedule = RampingVus(start_vus=scenario.start_vus, stages=scenario.stages)
    marks = [(offset_ns / SECOND_NS, users) for offset_ns, users in schedule.changes()]
    marks.append((scenario.duration_ns / SECOND_NS, 0))
    start_s, total = scenario.start_ns / SECOND_NS, 0.0
    for (from_s, users), (to_s, _) in pairwise(marks):
        seen_s = min(to_s + start_s, span[1]) - max(from_s + start_s, span[0])
        total += users * max(0.0, seen_s)
    return total


def test_ramping_users_without_a_pace_promise_nothing() -> None:
    """Nobody knows how often users go round who do not say at which pace."""
    scenario = msgspec.structs.replace(
        ramping(0, 0.0, [Stage(duration_ns=SECOND_NS, target=5.0)], SECOND_NS),
        executor="ramping-vus",
        env={},
    )
    assert lines_of(scenario) is None


def test_a_valley_is_poorest_around_its_bottom() -> None:
    """Down to nothing and up again: the poorest four seconds are those around the turn."""
    stages = [Stage(duration_ns=10 * SECOND_NS, target=target) for target in (0.0, 20.0)]
    lines = lines_of(ramping(0, 10.0, stages, SECOND_NS))
    assert lines is not None
    assert least_promised(lines, [(0.0, 20.0)], 4.0) == pytest.approx(16 / 3)
    assert least_promised(lines, [(0.0, 3.0)], 4.0) == 0.0
