"""The ramping schedule against exact integrals."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormproof.model.plan import Stage
from stormproof.workload.ramping_arrival_rate import RampingArrivalRate
from stormproof.workload.rate import Ramp

SECOND_NS = 1_000_000_000
RATES = st.one_of(
    st.integers(0, 60).map(float),
    st.sampled_from([0.0, 0.1, 0.3, 7.25]),
    st.fractions(0, 50, max_denominator=1_000).map(float),
)
LENGTHS = st.one_of(st.just(0), st.integers(1, 20), st.integers(1, 2 * SECOND_NS))
STAGES = st.lists(st.builds(Stage, duration_ns=LENGTHS, target=RATES), min_size=1, max_size=4)
UNITS = st.sampled_from([SECOND_NS, SECOND_NS // 2, 60 * SECOND_NS])


def ramping(start: float, stages: Sequence[Stage], unit: int = SECOND_NS) -> RampingArrivalRate:
    return RampingArrivalRate(start_rate=start, stages=tuple(stages), time_unit_ns=unit)


def exact(rate: float) -> Fraction:
    return Fraction(rate).limit_denominator(1_000_000)


def area(start: float, stages: Sequence[Stage], unit: int, until_ns: int) -> Fraction:
    """Integrate the rate from 0 to `until_ns`, as schools teach it: trapezes."""
    total, begun_ns, low = Fraction(0), 0, exact(start)
    for stage in stages:
        high = exact(stage.target)
        inside = min(max(0, until_ns - begun_ns), stage.duration_ns)
        if inside:
            reached = low + (high - low) * Fraction(inside, stage.duration_ns)
            total += (low + reached) / 2 * Fraction(inside, unit)
        begun_ns, low = begun_ns + stage.duration_ns, high
    return total


@given(start=RATES, stages=STAGES, unit=UNITS)
def test_count_is_the_integral_of_the_rate(start: float, stages: list[Stage], unit: int) -> None:
    """A schedule holds exactly as many iterations as the rate's integral, whatever its stages."""
    schedule = ramping(start, stages, unit)
    length_ns = sum(stage.duration_ns for stage in stages)
    whole = int(area(start, stages, unit, length_ns))
    assert schedule.count == whole == len(list(schedule.instants_ns(0, 1)))


@given(start=RATES, stages=STAGES)
def test_each_instant_is_where_the_integral_reaches_it(start: float, stages: list[Stage]) -> None:
    """Iteration k is due in the very nanosecond in which the integral of the rate reaches k."""
    length_ns = sum(stage.duration_ns for stage in stages)
    instants = list(ramping(start, stages).instants_ns(0, 1))
    for k, instant in list(enumerate(instants, 1))[:: max(1, len(instants) // 20)]:
        assert 0 <= instant <= length_ns
        assert area(start, stages, SECOND_NS, instant) <= k
        assert instant == length_ns or area(start, stages, SECOND_NS, instant + 1) >= k


@given(start=RATES, stages=STAGES, segments=st.integers(1, 7))
def test_segments_united_are_the_whole(start: float, stages: list[Stage], segments: int) -> None:
    """All segments together are the one-process schedule, which rises; segment i has each i-th."""
    schedule = ramping(start, stages)
    whole = list(schedule.instants_ns(0, 1))
    assert all(one <= other for one, other in pairwise(whole))
    for segment in range(segments):
        assert list(schedule.instants_ns(segment, segments)) == whole[segment::segments]


def test_a_ramp_through_zero_is_quiet_there() -> None:
    """Down to nothing and up again: as many on both sides, and none around the turn."""
    stages = [Stage(duration_ns=10 * SECOND_NS, target=target) for target in (0.0, 100.0)]
    instants = list(ramping(100.0, stages).instants_ns(0, 1))
    down = [one for one in instants if one <= 10 * SECOND_NS]
    assert (len(down), len(instants)) == (500, 1_000)
    assert down[-1] == 10 * SECOND_NS
    assert instants[500] - down[-1] > SECOND_NS // 3


def test_a_stage_of_no_length_jumps() -> None:
    """After a jump the next stage goes on from its target."""
    stages = [
        Stage(duration_ns=SECOND_NS, target=1.0),
        Stage(duration_ns=0, target=1_000.0),
        Stage(duration_ns=SECOND_NS, target=1_000.0),
    ]
    instants = list(ramping(1.0, stages).instants_ns(0, 1))
    assert [one for one in instants if one <= SECOND_NS] == [SECOND_NS]
    assert len(instants) == 1_001
    assert instants[1] == SECOND_NS + SECOND_NS // 1_000


def test_a_day_of_ramps_does_not_drift() -> None:
    """The last of 432,000 iterations of a day-long triangle is due when the day ends."""
    half_ns = 43_200 * SECOND_NS
    stages = [Stage(duration_ns=half_ns, target=target) for target in (10.0, 0.0)]
    schedule = ramping(0.0, stages)
    assert schedule.count == 432_000
    *_, last = schedule.instants_ns(schedule.count - 1, schedule.count)
    assert last == 86_400 * SECOND_NS


@pytest.mark.parametrize(
    ("start", "stage", "unit"),
    [
        (-1.0, Stage(duration_ns=1, target=1), 1),
        (1.0, Stage(duration_ns=1, target=-1), 1),
        (1.0, Stage(duration_ns=-1, target=1), 1),
        (1.0, Stage(duration_ns=1, target=1), 0),
    ],
)
def test_nonsense_is_refused(start: float, stage: Stage, unit: int) -> None:
    """A negative rate or length, or a time unit that is not above zero, is no schedule."""
    with pytest.raises(ValueError, match="must not be below 0"):
        list(ramping(start, [stage], unit).instants_ns(0, 1))


@given(
    length=st.one_of(st.integers(1, 1_000), st.integers(1, 400_000 * SECOND_NS)),
    low=st.one_of(st.just(0), st.integers(0, 10**12)),
    high=st.one_of(st.just(0), st.integers(0, 10**12)),
    share=st.fractions(0, 1, max_denominator=10**6),
)
def test_the_root_is_exact_at_any_size(length: int, low: int, high: int, share: Fraction) -> None:
    """Over days and at any height the nanosecond is the last one whose area is not too large."""
    ramp = Ramp(start_ns=0, duration_ns=length, start_units=0, low=low, rise=high - low)
    units = int(share * ramp.end_units)
    x = ramp.instant_ns(units)

    def area_times_length(at: int) -> int:
        return (2 * low * length + (high - low) * at) * at

    assert 0 <= x <= length
    if units and low != high:
        assert area_times_length(x) <= length * units
        assert x == length or area_times_length(x + 1) > length * units
