"""An exact bar on checks: what the target answered counts, whenever it was."""

from __future__ import annotations

import pytest
from tests.builders import frame, healthy_record, series
from tests.unit.checks.judging import bench_of

from stormproof.checks.objectives import judge_objective
from stormproof.model.objective import Status
from stormproof.model.record import Record
from stormproof.model.series import Counts, Series, SeriesKind
from stormproof.rules.grammar import objective

CHECKS = Series(id=7, kind=SeriesKind.RATE, metric="checks", tags={"scenario": "feed"})


def starved(*, failed: int = 0, missing: int = -1) -> Record:
    """Return a run without a core of its own, whose worker 1 has no frame of second `missing`."""
    frames = tuple(
        frame(worker, second, [Counts(series=7, count=5, failed=failed)], core_idle_share=0.0)
        for second in range(42)
        for worker in range(2)
        if not (worker == 1 and second == missing)
    )
    known = {**series(), 7: CHECKS}
    return healthy_record(series={0: known, 1: known}, frames=frames)


@pytest.mark.parametrize(
    ("record", "exact", "status"),
    [
        (starved(), True, Status.PASS),
        (starved(failed=1), True, Status.FAIL),
        (starved(), False, Status.INCONCLUSIVE),
        (starved(missing=20), True, Status.INCONCLUSIVE),
    ],
)
def test_a_starved_generator_hides_no_answer(record: Record, exact: bool, status: Status) -> None:
    """Checks that held did hold on a busy machine; a frame that is missing may hide a failure."""
    asked = objective("checks", "rate==1", exact=exact)
    assert judge_objective(asked, bench_of(record)).status is status
