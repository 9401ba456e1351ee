"""What a plan promises beforehand is what its schedules start."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import plan

from stormproof.model.plan import Scenario, Stage
from stormproof.rules.promise import Span, least_promised, lines_of, promised
from stormproof.workload.ramping_arrival_rate import RampingArrivalRate

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


def test_a_valley_is_poorest_around_its_bottom() -> None:
    """Down to nothing and up again: the poorest four seconds are those around the turn."""
    stages = [Stage(duration_ns=10 * SECOND_NS, target=target) for target in (0.0, 20.0)]
    lines = lines_of(ramping(0, 10.0, stages, SECOND_NS))
    assert lines is not None
    assert least_promised(lines, [(0.0, 20.0)], 4.0) == pytest.approx(16 / 3)
    assert least_promised(lines, [(0.0, 3.0)], 4.0) == 0.0
