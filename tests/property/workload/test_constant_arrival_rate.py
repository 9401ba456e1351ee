"""The open schedule against exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormproof.workload.constant_arrival_rate import ConstantArrivalRate

SECOND_NS = 1_000_000_000
RATES = st.one_of(
    st.integers(1, 2_000).map(float),
    st.fractions(Fraction(1, 10), 500, max_denominator=1_000).map(float),
)
UNITS = st.sampled_from([SECOND_NS, 60 * SECOND_NS, SECOND_NS // 2, 7])


@given(rate=RATES, unit=UNITS, units=st.integers(0, 3), segments=st.integers(1, 9))
def test_segments_united_are_the_whole(rate: float, unit: int, units: int, segments: int) -> None:
    """All segments together are the one-process schedule; segment i has each k = i mod n."""
    schedule = ConstantArrivalRate(rate=rate, time_unit_ns=unit, duration_ns=units * unit)
    whole = list(schedule.instants_ns(0, 1))
    for segment in range(segments):
        assert list(schedule.instants_ns(segment, segments)) == whole[segment::segments]


@given(rate=st.integers(1, 3_000), units=st.integers(0, 5), unit=UNITS)
def test_count_is_rate_times_duration(rate: int, units: int, unit: int) -> None:
    """A whole rate over whole time units gives exactly rate x duration iterations."""
    schedule = ConstantArrivalRate(rate=float(rate), time_unit_ns=unit, duration_ns=units * unit)
    assert schedule.count == rate * units == len(list(schedule.instants_ns(0, 1)))


@given(rate=RATES, duration=st.integers(0, 2 * SECOND_NS))
def test_instants_are_exact(rate: float, duration: int) -> None:
    """Instant k is floor(k / rate) in exact arithmetic, however late, and none is missing."""
    schedule = ConstantArrivalRate(rate=rate, time_unit_ns=SECOND_NS, duration_ns=duration)
    exact = SECOND_NS / Fraction(rate).limit_denominator(1_000_000)
    instants = list(schedule.instants_ns(0, 1))
    assert instants == [int(k * exact) for k in range(len(instants))]
    assert all(instant < duration for instant in instants)
    assert int(len(instants) * exact) >= duration


def test_no_drift_over_a_day() -> None:
    """A rate that divides nothing evenly is still on time after a day."""
    day = ConstantArrivalRate(rate=7.0, time_unit_ns=SECOND_NS, duration_ns=86_400 * SECOND_NS)
    assert day.count == 7 * 86_400
    *_, last = day.instants_ns(day.count - 1, day.count)
    assert last == (day.count - 1) * SECOND_NS // 7


@pytest.mark.parametrize(("rate", "unit", "duration"), [(0.0, 1, 1), (1.0, 0, 1), (1.0, 1, -1)])
def test_nonsense_is_refused(rate: float, unit: int, duration: int) -> None:
    """A rate or time unit that is not above zero, or a negative duration, is no schedule."""
    with pytest.raises(ValueError, match="the rate must be"):
        ConstantArrivalRate(rate=rate, time_unit_ns=unit, duration_ns=duration)
