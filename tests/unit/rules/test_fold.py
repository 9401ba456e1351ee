"""Cells from frames."""

from __future__ import annotations

from tests.builders import ITERATIONS, counted, frame, frames, healthy_record, operations, series

from stormproof.model.histogram import index_of
from stormproof.rules.fold import fold_frames, merge_cells, per_second

BOTH = {0: series(), 1: series()}


def test_workers_are_merged() -> None:
    """The operations of all workers in one second make one cell."""
    cells = fold_frames(frames(seconds=3, rate=5), BOTH, "http_req", {"scenario": "feed"})
    assert {second: cell.count for second, cell in cells.items()} == {0: 10, 1: 10, 2: 10}


def test_tags_must_all_match() -> None:
    """A series counts only when it carries every tag that is asked for."""
    some = frames(seconds=1)
    assert fold_frames(some, BOTH, "http_req", {"scenario": "feed", "name": "GET /feed"})
    assert not fold_frames(some, BOTH, "http_req", {"scenario": "chat"})
    assert not fold_frames(some, BOTH, "http_req", {"scenario": "feed", "name": "GET /other"})


def test_metrics_are_kept_apart() -> None:
    """A counter of the same frame is not mixed into the operations."""
    one = frame(0, 0, [operations([1.0, 2.0], failed=1), counted(ITERATIONS, 7)])
    cell = fold_frames([one], BOTH, "http_req", {})[0]
    assert (cell.count, cell.failed, cell.response.total) == (2, 1, 2)
    assert cell.response.counts == {index_of(1_000): 1, index_of(2_000): 1}
    assert fold_frames([one], BOTH, "iterations", {})[0].count == 7


def test_merged_cells_keep_every_figure() -> None:
    """Merging cells adds counts, sums and buckets."""
    whole = merge_cells(per_second(healthy_record(), "http_req", {}).values())
    assert whole.count == whole.response.total == whole.service.total == 4_200
    assert whole.response.sum_us == 4_200 * 20_000
