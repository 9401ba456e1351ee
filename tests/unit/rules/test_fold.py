"""Cells from frames and from the answers of probes."""

from __future__ import annotations

import msgspec
from tests.builders import (
    ITERATIONS,
    ORIGIN_NS,
    counted,
    frame,
    frames,
    healthy_record,
    operations,
    probe,
    series,
)

from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import ProbeSample
from stormproof.model.histogram import index_of
from stormproof.rules.fold import fold_frames, fold_probes, merge_cells, per_second

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


def test_an_answer_belongs_to_the_second_in_which_it_was_known() -> None:
    """Ten answers a second of one probe alone, and one that hung counts where it ended."""
    answers = [*probe("ready", [(1.0, 1.25)], to_s=3), *probe("canary", [(0.0, 3.0)], to_s=3)]
    hung = replace_end(answers[19])
    cells = fold_probes([*answers[:19], hung, *answers[20:]], "ready", ORIGIN_NS)
    assert [cells[second].count for second in range(3)] == [9, 10, 11]
    assert [cells[second].failed for second in range(3)] == [0, 3, 0]


def replace_end(sample: ProbeSample) -> ProbeSample:
    """Return the answer as known two seconds later."""
    return msgspec.structs.replace(sample, end_ns=sample.end_ns + 2 * SECOND_NS)
