"""Answer objectives that ask about stretches of their window: each is judged, the worst is told.

A stretch in which the bar is broken on enough evidence is FAIL, whatever the others say; one that
cannot be decided keeps the rest from passing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from stormproof.checks.bench import (
    LONGER,
    Bench,
    Doubt,
    breach_text,
    doubt_finer,
    doubt_record,
    doubt_samples,
    doubt_seen,
    doubt_validity,
    evidence_of,
    handicapped,
    judged_of,
)
from stormproof.kernel.seeds import derive
from stormproof.kernel.units import SECOND_NS
from stormproof.model.objective import Objective, Status, Stretch
from stormproof.model.verdict import Judged
from stormproof.rules.aggregate import NO_VALUE, Value, value_of
from stormproof.rules.bar import badness, meets
from stormproof.rules.catalog import metric_of
from stormproof.rules.evidence import is_counted
from stormproof.rules.fold import Cell
from stormproof.rules.measure import measure_record
from stormproof.rules.stretches import stretches_of, value_in, value_without, values_in

_ORDER = [Status.PASS, Status.INCONCLUSIVE, Status.FAIL]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """One stretch with what was found in it."""

    seconds: range
    value: Value
    doubt: Doubt | None
    status: Status


def judge_stretches(objective: Objective, bench: Bench) -> Judged:
    """Answer an objective over every stretch of its window."""
    assert objective.stretch is not None
    seconds = _asked_seconds(objective, bench)
    stretches = stretches_of(seconds, objective.stretch)
    covered = {second for one in stretches for second in one}
    measured = measure_record(objective, bench.record, bench.windows.origin_ns, seconds)
    on_time = replace(bench, validity=bench.validity.on_schedule())
    doubt = (
        doubt_record(objective, bench, seconds)
        or _doubt_length(objective, objective.stretch, stretches)
        or doubt_finer(objective, on_time, covered)
        or doubt_seen(objective, bench, measured)
    )
    held = [
        _hold(objective, bench, measured.cells, one, value)
        for one, value in zip(
            stretches, values_in(objective, measured.cells, stretches), strict=True
        )
    ]
    evidence = evidence_of(objective, _samples(objective, measured.cells, covered), covered)
    if not held:
        none = Value(value=None, beyond=NO_VALUE, samples=0)
        return judged_of(objective, none, doubt, evidence)
    worst = max(held, key=lambda one: _severity(objective, one))
    value = replace(worst.value, interval=_interval(objective, bench, measured.cells, worst))
    judged = judged_of(objective, value, doubt or worst.doubt, evidence, worst=worst.seconds)
    return _with_tally(objective, judged, held, worst) if doubt is None else judged


def judge_stretch(
    objective: Objective, bench: Bench, seconds: range, doubt: Doubt | None
) -> Judged:
    """Answer an objective over one stretch alone, unless there is a `doubt` already."""
    measured = measure_record(objective, bench.record, bench.windows.origin_ns, seconds)
    value = value_in(objective, measured.cells, seconds)
    held = _hold(objective, bench, measured.cells, seconds, value)
    on_time = replace(bench, validity=bench.validity.on_schedule())
    doubt = (
        doubt
        or doubt_finer(objective, on_time, set(seconds))
        or doubt_seen(objective, bench, measured)
        or held.doubt
    )
    evidence = evidence_of(objective, value.samples, seconds)
    return judged_of(objective, value, doubt, evidence, worst=seconds)


def _asked_seconds(objective: Objective, bench: Bench) -> set[int]:
    """Return the seconds of the window; counts end with the planned load, answers come later."""
    seconds = bench.windows.seconds(objective.window)
    if metric_of(objective).is_share or objective.window == "run":
        return seconds
    end_s = -(-bench.record.plan.duration_ns // SECOND_NS)
    return {second for second in seconds if second < end_s}


def _doubt_length(objective: Objective, stretch: Stretch, found: list[range]) -> Doubt | None:
    if found:
        return None
    why = f"window {objective.window} has no {stretch.seconds} s in a row"
    return Doubt(why=why, remedy=f"run longer, or ask for a shorter `{stretch.kind}`")


def _hold(
    objective: Objective, bench: Bench, cells: Mapping[int, Cell], seconds: range, value: Value
) -> _Held:
    bench = handicapped(objective, bench, value)
    doubt = (
        doubt_validity(bench, set(seconds), answered_twice=True)
        or doubt_samples(objective, value)
        or _doubt_tolerated(objective, bench, cells, seconds, value)
    )
    status = Status.PASS if meets(objective, value) else Status.FAIL
    found = Status.INCONCLUSIVE if doubt is not None else status
    return _Held(seconds=seconds, value=value, doubt=_placed(doubt, seconds), status=found)


def _doubt_tolerated(
    objective: Objective, bench: Bench, cells: Mapping[int, Cell], seconds: range, value: Value
) -> Doubt | None:
    """Return a doubt where the invalid seconds that a stretch bears decide its answer."""
    invalid = bench.validity.invalid(set(seconds))
    if not invalid or objective.stretch is None:
        return None
    rest = {one: cells[one] for one in seconds if one in cells and one not in invalid}
    without = value_without(objective, rest, seconds, invalid)
    if not is_counted(objective) and without.samples < objective.samples_min:
        why = f"{without.samples} samples outside the invalid seconds"
        return Doubt(why=f"{why}, {objective.samples_min} needed", remedy=LONGER)
    if meets(objective, without) == meets(objective, value):
        return None
    why = "seconds in which the measurement is not valid decide its answer"
    return Doubt(why=why, remedy="run again on a quieter machine")


def _placed(doubt: Doubt | None, seconds: range) -> Doubt | None:
    if doubt is None:
        return None
    return Doubt(
        why=f"in seconds {seconds.start} to {seconds.stop}: {doubt.why}", remedy=doubt.remedy
    )


def _severity(objective: Objective, held: _Held) -> tuple[int, float]:
    """Rank stretches: the worst answer first, then the worst value."""
    return _ORDER.index(held.status), badness(objective, held.value)


def _interval(
    objective: Objective, bench: Bench, cells: Mapping[int, Cell], held: _Held
) -> tuple[float, float] | None:
    if objective.stretch is None or objective.stretch.kind == "for":
        return None
    seed = derive(0, bench.plan_sha256, objective.name)
    inside = {second: cells[second] for second in held.seconds if second in cells}
    return value_of(objective, inside, len(held.seconds), seed).interval


def _samples(objective: Objective, cells: Mapping[int, Cell], covered: set[int]) -> int:
    inside = {second: cell for second, cell in cells.items() if second in covered}
    return value_of(objective, inside, len(covered)).samples


def _with_tally(objective: Objective, judged: Judged, held: list[_Held], worst: _Held) -> Judged:
    """Say where the bar was broken, and in how many of the stretches."""
    if worst.status is not Status.FAIL:
        return judged
    broken = sum(one.status is Status.FAIL for one in held)
    where = f"in seconds {worst.seconds.start} to {worst.seconds.stop}"
    told = f"{where}: {breach_text(objective, worst.value)}"
    of = f" ({broken} of {len(held)} stretches)" if len(held) > 1 else ""
    return msgspec.structs.replace(judged, why=told + of)
