"""Answer objectives on slopes: what the load saw or a source said, before the judge of leaks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import msgspec
import numpy as np

from stormproof.checks.bench import (
    Bench,
    Doubt,
    breach_text,
    doubt_record,
    doubt_seen,
    doubt_validity,
    evidence_of,
    judged_of,
)
from stormproof.checks.gauges import Sampled, gauge_readings
from stormproof.checks.leaks import LONGER_S_MAX, Answer, Leak, Readings, judge_leak
from stormproof.kernel.units import SECOND_NS, duration_text
from stormproof.model.objective import Objective, Status
from stormproof.model.series import AnyFrame
from stormproof.model.verdict import Judged
from stormproof.rules.aggregate import DROPPED, NO_VALUE, Value, value_of_cell
from stormproof.rules.catalog import metric_of
from stormproof.rules.evidence import SLOPE_STEP_S
from stormproof.rules.fold import Cell, merge_cells
from stormproof.rules.measure import measure_record

HALF_SECOND_NS = SECOND_NS // 2


def judge_drift(objective: Objective, bench: Bench) -> Judged:
    """Answer how much a metric grows by the hour, against the bar.

    A step of ten seconds is worth its median (times), its share (failures) or its last value
    (gauges of the load); of a source's gauge each reading counts. Left out are warm-up, faults and
    their recovery, and, of the load, seconds in which the generator was not itself. The whole 95 %
    interval must lie below the bar to pass and above it to fail.
    """
    calm = bench.windows.seconds(objective.window) & bench.windows.seconds("calm")
    sampled = (
        gauge_readings(objective, bench, calm)
        if metric_of(objective).is_observed
        else _load_readings(objective, bench, calm - bench.validity.invalid(calm))
    )
    leak = _judge(objective, bench, sampled)
    slope = leak.per_hour
    is_bounded = slope is not None and math.isfinite(slope.reach)
    value = Value(
        value=None if slope is None else slope.value,
        beyond=NO_VALUE if slope is None else "",
        samples=leak.samples,
        interval=(slope.low, slope.high) if slope is not None and is_bounded else None,
    )
    doubt = (
        doubt_record(objective, bench, calm)
        or doubt_validity(bench, calm, answered_twice=not metric_of(objective).is_observed)
        or sampled.doubt
        or _doubt_leak(leak)
    )
    judged = judged_of(objective, value, doubt, evidence_of(objective, leak.samples, calm))
    return _with_operations(objective, judged, value, leak)


def steps_of(cells: Mapping[int, Cell], seconds: Iterable[int]) -> dict[int, Cell]:
    """Add the cells of some seconds up to steps, each by the first of these seconds in it."""
    first: dict[int, int] = {}
    members: dict[int, list[Cell]] = {}
    for second in sorted(seconds):
        step = first.setdefault(second // SLOPE_STEP_S, second)
        if second in cells:
            members.setdefault(step, []).append(cells[second])
    return {second: merge_cells(found) for second, found in members.items()}


def _value(objective: Objective, step: Cell) -> Value:
    """Return what a step was worth: its median, its share, or its last value."""
    return value_of_cell(msgspec.structs.replace(objective, aggregation="med"), step, SLOPE_STEP_S)


def _load_readings(objective: Objective, bench: Bench, seconds: set[int]) -> Sampled:
    """Return what the load saw, step by step."""
    measured = measure_record(objective, bench.record, bench.windows.origin_ns, seconds)
    steps = steps_of(measured.cells, seconds)
    values = {second: _value(objective, steps[second]) for second in sorted(steps)}
    origin_ns = bench.windows.origin_ns or 0
    return Sampled(
        at_ns=[origin_ns + second * SECOND_NS + HALF_SECOND_NS for second in values],
        values=[math.nan if one.value is None else one.value for one in values.values()],
        doubt=doubt_seen(objective, bench, measured) or _doubt_dropped(values),
    )


def _judge(objective: Objective, bench: Bench, sampled: Sampled) -> Leak:
    origin_ns = bench.windows.origin_ns or 0
    done = operations_by_second(bench.record.frames)
    seconds = [bench.windows.second_of(at_ns) for at_ns in sampled.at_ns]
    readings = Readings(
        instants_ns=np.array(sampled.at_ns, np.int64),
        values=np.array(sampled.values, np.float64),
        operations=np.array([done.get(second, 0) for second in seconds], np.int64),
    )
    spans = bench.windows.spans("disturbed")
    return judge_leak(
        readings,
        bar_per_hour=objective.bar,
        warm_until_ns=origin_ns + bench.record.plan.warmup_ns,
        disturbed=[
            (origin_ns + start * SECOND_NS, origin_ns + stop * SECOND_NS) for start, stop in spans
        ],
    )


def operations_by_second(frames: Iterable[AnyFrame]) -> dict[int, int]:
    """Return how many operations all workers had done by the end of each second that was seen.

    A worker whose frame is missing has done what it had said before.
    """
    last: dict[int, int] = {}
    done: dict[int, int] = {}
    for frame in frames:
        last[frame.worker] = frame.generator.recorded
        done[frame.second] = sum(last.values())
    return done


def _doubt_dropped(values: Mapping[int, Value]) -> Doubt | None:
    """Return why the times of a step are not known: they would be missing where it is worst."""
    dropped = sum(one.beyond == DROPPED for one in values.values())
    if not dropped:
        return None
    why = f"in {dropped} of {len(values)} steps half of the iterations were dropped"
    return Doubt(why=why, remedy="lower the rate, or allow more users (maxVUs)")


def _doubt_leak(leak: Leak) -> Doubt | None:
    if leak.answer is not Answer.TOO_SHORT:
        return None
    if leak.longer_s is None:
        hours = f"more than {LONGER_S_MAX // 3_600} hours"
        return Doubt(why=leak.why, remedy=f"take another bar: this one would need {hours}")
    longer_ns = max(SECOND_NS, round(leak.longer_s) * SECOND_NS)
    return Doubt(
        why=f"too short to say: {leak.why}", remedy=f"run {duration_text(longer_ns)} longer"
    )


def _with_operations(objective: Objective, judged: Judged, value: Value, leak: Leak) -> Judged:
    """Say how much a growth is by the operation, too: the load decides how long an hour is."""
    each = leak.per_1000_operations
    if judged.status is not Status.FAIL or each is None:
        return judged
    unit = objective.unit.removesuffix("/h")
    told = f"{each.value:.3g} {unit}".rstrip() + " per 1,000 operations"
    return msgspec.structs.replace(judged, why=f"{breach_text(objective, value)}: {told}")
