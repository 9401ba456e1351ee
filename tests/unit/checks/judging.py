"""Judge one objective of a record in a line."""

from __future__ import annotations

from collections.abc import Mapping

from tests.builders import healthy_record

from stormproof.checks.bench import Bench
from stormproof.checks.completeness import completeness_of
from stormproof.checks.faults import stories_of
from stormproof.checks.objectives import judge_objective
from stormproof.checks.outcome import Key, Measurement
from stormproof.model.record import Record
from stormproof.model.verdict import Judged
from stormproof.rules.grammar import objective
from stormproof.rules.questions import declared_by
from stormproof.rules.validity import validity_of
from stormproof.rules.windows import windows_of


def bench_of(record: Record, measured: Mapping[Key, Measurement] | None = None) -> Bench:
    """Return what the objectives of a record are judged with."""
    windows = windows_of(record)
    return Bench(
        record=record,
        windows=windows,
        validity=validity_of(record, windows),
        completeness=completeness_of(record),
        stories=stories_of(record),
        measured=measured or {},
        plan_sha256=record.plan.digest(),
    )


def judge_one(
    metric: str,
    threshold: str,
    record: Record | None = None,
    measured: Mapping[Key, Measurement] | None = None,
) -> Judged:
    """Return the answer to one objective; of a healthy record unless another is given."""
    record = record or healthy_record()
    made = objective(metric, threshold, declared=declared_by(record.plan))
    return judge_objective(made, bench_of(record, measured))
