"""Stretches of any window, and their values against those of the whole counted anew."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from stormproof.model.histogram import Histogram, index_of
from stormproof.model.objective import Objective, Stretch
from stormproof.rules.aggregate import NO_VALUE, value_of
from stormproof.rules.bar import holds
from stormproof.rules.fold import Cell
from stormproof.rules.grammar import objective
from stormproof.rules.stretches import stretches_of, values_in

WINDOWS = st.sets(st.integers(-5, 60), max_size=50)
LENGTHS = st.integers(1, 12)
VALUES_US = st.lists(st.integers(0, 5_000_000), max_size=6)
SECONDS = st.dictionaries(st.integers(0, 25), VALUES_US, max_size=26)
ASKED = st.sampled_from(["p(95)<300", "avg<300", "max<=2", "min>1", "med>100"])


def _cell(values_us: list[int]) -> Cell:
    histogram = Histogram(sum_us=sum(values_us))
    histogram.add([index_of(one) for one in values_us], [1] * len(values_us))
    return Cell(count=len(values_us), failed=len(values_us) // 2, response=histogram)


def _asked(kind: str, length: int, threshold: str) -> Objective:
    return objective(f"http_req_duration{{{kind}:{length}s}}", threshold)


@given(WINDOWS, LENGTHS)
def test_over_is_every_place_that_a_stretch_fits_into(window: set[int], length: int) -> None:
    """Each start from which the window goes on for so long gives one stretch, and nothing else."""
    found = stretches_of(window, Stretch(kind="over", seconds=length))
    fitting = [one for one in sorted(window) if window.issuperset(range(one, one + length))]
    assert found == [range(one, one + length) for one in fitting]
    assert stretches_of(window, Stretch(kind="for", seconds=length)) == found


@given(WINDOWS, LENGTHS)
def test_every_covers_what_over_covers(window: set[int], length: int) -> None:
    """Side by side, few stretches reach every second that any stretch could reach."""
    side_by_side = stretches_of(window, Stretch(kind="every", seconds=length))
    moving = stretches_of(window, Stretch(kind="over", seconds=length))
    covered = {second for one in side_by_side for second in one}
    assert covered == {second for one in moving for second in one}
    assert len(side_by_side) <= 2 * math.ceil(len(covered) / length)
    assert side_by_side == sorted(side_by_side, key=lambda one: one.start)


@given(SECONDS, LENGTHS, ASKED)
def test_a_moving_value_is_that_of_its_seconds(
    seconds: dict[int, list[int]], length: int, threshold: str
) -> None:
    """What is added and taken back along the window equals each stretch folded from nothing."""
    cells = {second: _cell(values) for second, values in seconds.items()}
    asked = _asked("over", length, threshold)
    stretches = stretches_of(range(26), Stretch(kind="over", seconds=length))
    expected = [
        value_of(asked, {second: cells[second] for second in one if second in cells}, length)
        for one in stretches
    ]
    assert list(values_in(asked, cells, stretches)) == expected


@given(SECONDS, LENGTHS, ASKED)
def test_for_is_broken_only_where_every_second_is(
    seconds: dict[int, list[int]], length: int, threshold: str
) -> None:
    """A stretch keeps a bar when one of its seconds does; an empty second decides nothing."""
    cells = {second: _cell(values) for second, values in seconds.items()}
    asked = _asked("for", length, threshold)
    stretches = stretches_of(range(26), Stretch(kind="for", seconds=length))
    for stretch, found in zip(stretches, values_in(asked, cells, stretches), strict=True):
        each = [value_of(asked, {one: cells[one]} if one in cells else {}, 1) for one in stretch]
        known = [one.value for one in each if one.beyond != NO_VALUE and one.value is not None]
        kept = any(holds(one, asked.operator, asked.bar) for one in known)
        if found.value is None:
            assert not kept
            assert len(known) < len(each)
        else:
            assert holds(found.value, asked.operator, asked.bar) is kept
