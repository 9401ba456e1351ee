"""Tag sets pick series, cells merge and are taken back: whatever there is adds up."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import frame

from stormproof.model import histogram
from stormproof.model.histogram import Histogram, index_of
from stormproof.model.series import Counts, Frame, Level, Series, SeriesKind
from stormproof.rules.fold import Cell, fold_frames, merge_cells, merge_levels

KEYS = ("scenario", "name", "region")
TAGS = st.dictionaries(st.sampled_from(KEYS), st.sampled_from("ab"), max_size=3)
VALUES = st.lists(st.integers(0, 4_000_000), max_size=5)
CELLS = st.builds(
    lambda count, values, sent: Cell(
        count=count, failed=count // 2, response=_histogram(values), bytes_sent=sent
    ),
    st.integers(0, 9),
    VALUES,
    st.integers(0, 99),
)
LEVELS = st.builds(
    lambda at, values: Level(last=values[-1], at_ns=at, low=min(values), high=max(values)),
    st.integers(0, 9),
    st.lists(st.integers(-50, 50), min_size=1, max_size=4),
)
RUNS = st.lists(st.tuples(TAGS, st.integers(0, 3), st.integers(1, 9)), max_size=12)


def _histogram(values_us: list[int]) -> Histogram:
    made = Histogram(sum_us=sum(values_us), beyond=len(values_us) % 2)
    made.add([index_of(one) for one in values_us], [1] * len(values_us))
    return made


def _record(run: list[tuple[dict[str, str], int, int]]) -> tuple[list[Frame], dict[int, Series]]:
    """Return frames in which each entry is a series of its own, with its tags and count."""
    series = {
        one: Series(id=one, kind=SeriesKind.OPERATION, metric="http_req", tags=tags)
        for one, (tags, _, _) in enumerate(run)
    }
    frames = [
        frame(0, second, [Counts(series=one, count=count)])
        for one, (_, second, count) in enumerate(run)
    ]
    return frames, series


@given(RUNS, TAGS)
def test_a_sub_metric_is_what_carries_all_its_tags(
    run: list[tuple[dict[str, str], int, int]], asked: dict[str, str]
) -> None:
    """Second by second, a question counts the series whose tags include its own, and no other."""
    frames, series = _record(run)
    found = fold_frames(frames, {0: series}, "http_req", asked)
    expected: dict[int, int] = {}
    for tags, second, count in run:
        if all(tags.get(key) == value for key, value in asked.items()):
            expected[second] = expected.get(second, 0) + count
    assert {second: cell.count for second, cell in found.items()} == expected


@given(RUNS, st.sampled_from(KEYS), TAGS)
def test_the_values_of_a_tag_share_a_metric_out(
    run: list[tuple[dict[str, str], int, int]], key: str, asked: dict[str, str]
) -> None:
    """The sub-metrics of all values of a tag, and what lacks it, add up to the metric."""
    frames, series = _record(run)
    rest = {one: value for one, value in asked.items() if one != key}
    without = {one: mine for one, mine in series.items() if key not in mine.tags}

    def total(tags: dict[str, str], of: dict[int, Series]) -> int:
        return merge_cells(fold_frames(frames, {0: of}, "http_req", tags).values()).count

    parts = sum(total({**rest, key: value}, series) for value in "ab") + total(rest, without)
    assert parts == total(rest, series)


@given(st.lists(CELLS, min_size=1, max_size=6), st.integers(0, 5))
def test_what_was_merged_can_be_taken_back(cells: list[Cell], place: int) -> None:
    """Taking back any of the merged cells leaves exactly the others, with no empty bucket."""
    gone = cells[place % len(cells)]
    whole = merge_cells(deepcopy(cells))
    whole.remove(gone)
    others = list(cells)
    others.remove(gone)
    assert whole == merge_cells(others)
    assert all(whole.response.counts.values())


@given(
    st.lists(st.tuples(VALUES, st.integers(0, 2**40), st.booleans()), max_size=9),
    st.sampled_from([0, 2, 64]),
)
def test_what_waits_to_be_merged_counts_at_once(
    parts: list[tuple[list[int], int, bool]], waiting: int
) -> None:
    """However many parts wait, and whether anybody looks between, a histogram is their sum."""
    expected: Counter[int] = Counter()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(histogram, "WAITING_MAX", waiting)
        whole = Histogram()
        for values, times, looks in parts:
            indices = [index_of(one) for one in values]
            part = Histogram()
            part.add(indices, [times] * len(indices))
            whole.merge(part)
            for index in indices:
                expected[index] += times
            assert not looks or whole.counts == expected
            assert whole.pairs() == expected
            assert whole.total == expected.total()
    assert whole.counts == expected


def test_buckets_without_a_count_each_are_no_histogram() -> None:
    """As many counts as buckets, or it is an error."""
    with pytest.raises(ValueError, match="2 buckets with 1 counts"):
        Histogram().add([1, 2], [1])


@given(st.lists(LEVELS, max_size=6), st.randoms(use_true_random=False))
def test_gauges_merge_in_any_order(levels: list[Level], random: object) -> None:
    """The latest value, the lowest and the highest do not depend on who was merged first."""

    def merged(order: list[Level]) -> Level | None:
        whole: Level | None = None
        for one in order:
            whole = merge_levels(whole, one)
        return whole

    shuffled = list(levels)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    found = merged(levels)
    assert found == merged(shuffled)
    if found is not None:
        assert found.at_ns == max(one.at_ns for one in levels)
        assert (found.low, found.high) == (
            min(one.low for one in levels),
            max(one.high for one in levels),
        )
