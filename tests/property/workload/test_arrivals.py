"""Random arrivals, and arrivals whose rate is changed on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormproof.model.plan import Stage
from stormproof.workload.choice import OpenShape
from stormproof.workload.constant_arrival_rate import ConstantArrivalRate
from stormproof.workload.ramping_arrival_rate import RampingArrivalRate

SECOND_NS = 1_000_000_000
TEN_S = 10 * SECOND_NS
SEEDS = st.one_of(st.none(), st.integers(0, 2**64 - 1))
CHANGES = st.lists(
    st.tuples(st.integers(0, TEN_S), st.sampled_from([0.0, 0.25, 1.0, 1.5, 3.0])), max_size=4
)


def constant(seed: int | None = None, rate: float = 20.0) -> ConstantArrivalRate:
    return ConstantArrivalRate(rate=rate, time_unit_ns=SECOND_NS, duration_ns=TEN_S, seed=seed)


def ramp(seed: int | None = None) -> RampingArrivalRate:
    stages = (Stage(duration_ns=TEN_S, target=40.0),)
    return RampingArrivalRate(start_rate=0.0, stages=stages, time_unit_ns=SECOND_NS, seed=seed)


def steered(
    shape: OpenShape, changes: Sequence[tuple[int, float]], segment: int = 0, segments: int = 1
) -> list[int]:
    """Take the instants of a segment; each change is heard of when its instant has come."""
    arrivals = shape.arrivals(segment, segments)
    stream, heard = iter(arrivals), 0
    taken: list[int] = []
    while True:
        instant = next(stream, None)
        if heard < len(changes) and (instant is None or instant >= changes[heard][0]):
            arrivals.change(*changes[heard])
            stream, heard = iter(arrivals), heard + 1
        elif instant is None:
            return taken
        else:
            taken.append(instant)


@given(seed=st.integers(0, 2**64 - 1), segments=st.integers(2, 5))
def test_random_arrivals_follow_from_their_seed(seed: int, segments: int) -> None:
    """The same seed gives the same instants, and its segments are the whole; another seed not."""
    for shape, other in ((constant(seed), constant(seed + 1)), (ramp(seed), ramp(seed + 1))):
        whole = list(shape.instants_ns(0, 1))
        assert whole == list(shape.instants_ns(0, 1)) != list(other.instants_ns(0, 1))
        parts = [list(shape.instants_ns(one, segments)) for one in range(segments)]
        assert parts == [whole[one::segments] for one in range(segments)]


@pytest.mark.parametrize("make", [constant, ramp])
def test_random_arrivals_are_a_poisson_process(make: Callable[..., OpenShape]) -> None:
    """Over 200 seeds their number has the mean, and the variance, that the rate integrates to."""
    mean = make().count
    counts = [len(list(make(seed).instants_ns(0, 1))) for seed in range(200)]
    found = sum(counts) / len(counts)
    variance = sum((one - found) ** 2 for one in counts) / (len(counts) - 1)
    assert abs(found - mean) < 4 * sqrt(mean / len(counts))
    assert 0.6 * mean < variance < 1.5 * mean


def test_random_arrivals_follow_the_ramp() -> None:
    """In the first half of a ramp from zero lies a quarter of the arrivals."""
    early = total = 0
    for seed in range(50):
        instants = list(ramp(seed).instants_ns(0, 1))
        early += sum(one < TEN_S // 2 for one in instants)
        total += len(instants)
    assert abs(early / total - 0.25) < 0.02


@given(seed=SEEDS, changes=CHANGES, segments=st.integers(2, 4))
def test_steered_segments_are_the_steered_whole(
    seed: int | None, changes: list[tuple[int, float]], segments: int
) -> None:
    """Whatever is changed on the way, all segments together are the one-process schedule."""
    changes.sort()
    for shape in (constant(seed), ramp(seed)):
        whole = steered(shape, changes)
        assert all(one <= other for one, other in pairwise(whole))
        parts = [steered(shape, changes, one, segments) for one in range(segments)]
        assert sorted(whole) == sorted(one for part in parts for one in part)


@given(changes=CHANGES)
def test_a_steered_count_is_the_integral_of_the_steered_rate(
    changes: list[tuple[int, float]],
) -> None:
    """A factor multiplies the rate from its instant on; the count is the new integral."""
    changes.sort()
    edges = [(0, 1.0), *changes, (TEN_S, 0.0)]
    for shape, power in ((constant(), 1), (ramp(), 2)):
        wanted = sum(
            factor * shape.count * ((end / TEN_S) ** power - (begin / TEN_S) ** power)
            for (begin, factor), (end, _) in pairwise(edges)
        )
        assert (
            abs(len(steered(shape, changes)) - wanted) < 1.001
        )  # a change is taken to a unit of the area


def test_a_factor_of_one_changes_nothing() -> None:
    """Steering to what is planned leaves every instant where it was."""
    changes = [(SECOND_NS, 1.0), (5 * SECOND_NS, 1.0)]
    for shape in (constant(), ramp(), constant(3), ramp(3)):
        assert steered(shape, changes) == list(shape.instants_ns(0, 1))


def test_nothing_is_due_in_a_pause() -> None:
    """Between pause and resume there is no instant; before and after it all is as planned."""
    changes = [(3 * SECOND_NS, 0.0), (6 * SECOND_NS, 1.0)]
    instants = steered(constant(), changes)
    assert [one for one in instants if 3 * SECOND_NS <= one < 6 * SECOND_NS] == []
    assert len(instants) == 140


def test_a_change_that_is_heard_of_late_concerns_what_is_still_to_come() -> None:
    """A stream that has gone past a change goes on from there as if it had heard in time."""
    arrivals = constant(rate=10.0).arrivals(0, 1)
    stream = iter(arrivals)
    early = [next(stream) for _ in range(21)]  # the last of them is still to be released
    arrivals.change(SECOND_NS, 2.0)
    rest = list(arrivals)
    assert early[-1] == 2 * SECOND_NS
    assert rest[0] == SECOND_NS + SECOND_NS // 2
    assert len(early) - 1 + len(rest) == 10 + 2 * 90
