"""Answer objectives: validity first, then the value against the bar."""

from __future__ import annotations

from dataclasses import replace

from stormproof.checks.bench import (
    LONGER,
    TO_THE_END,
    Bench,
    Doubt,
    doubt_finer,
    doubt_record,
    doubt_samples,
    doubt_seen,
    doubt_validity,
    evidence_of,
    handicapped,
    judged_of,
    length_s,
)
from stormproof.checks.drift import judge_drift
from stormproof.checks.observed import judge_observed
from stormproof.checks.outcome import Measurement
from stormproof.checks.stretches import judge_stretches
from stormproof.kernel.seeds import derive
from stormproof.model.objective import Objective
from stormproof.model.verdict import Judged
from stormproof.rules.aggregate import Value, value_of
from stormproof.rules.bar import holds, meets
from stormproof.rules.catalog import Reading, metric_of
from stormproof.rules.drill_metrics import OF_DISTURBANCE
from stormproof.rules.evidence import is_counted
from stormproof.rules.handicap import is_broken_anyway
from stormproof.rules.measure import Measured, measure_record
from stormproof.rules.windows import Windows

LISTED_MAX = 5


def judge_objective(objective: Objective, bench: Bench) -> Judged:
    """Answer one objective.

    Evidence is asked first: was the metric seen, often enough, by a valid generator, under a fault
    that bit, in a record that is whole? If not, INCONCLUSIVE whatever the value, but for one exact
    witness, which needs none of this. Then the point estimate counts; the interval is shown.
    """
    if metric_of(objective).reading is Reading.MEASURED:
        return _judge_measured(objective, bench)
    if objective.aggregation == "slope":
        return judge_drift(objective, bench)
    if metric_of(objective).is_observed:
        return judge_observed(objective, bench)
    if objective.stretch is not None:
        return judge_stretches(objective, bench)
    seconds = bench.windows.seconds(objective.window)
    return judge_whole(objective, bench, seconds, doubt_record(objective, bench, seconds))


def judge_whole(
    objective: Objective, bench: Bench, seconds: set[int], doubt: Doubt | None
) -> Judged:
    """Answer an objective over all of `seconds` together, unless there is a `doubt` already.

    An exact bar on checks asks what the target answered, not when: a late generator hides nothing.
    """
    if objective.exact and metric_of(objective).reading is Reading.PASSED_SHARE:
        bench = replace(bench, validity=bench.validity.blind())
    measured = measure_record(objective, bench.record, bench.windows.origin_ns, seconds)
    seed = derive(0, bench.plan_sha256, objective.name)
    value = value_of(objective, measured.cells, length_s(objective, bench, seconds), seed)
    bench = handicapped(objective, bench, value)
    if doubt is None and not _is_broken_anyway(objective, bench, seconds, value, measured):
        doubt = (
            doubt_validity(bench, seconds, answered_twice=True)
            or doubt_finer(objective, bench, seconds)
            or doubt_seen(objective, bench, measured)
            or doubt_samples(objective, value)
            or _doubt_tolerated(objective, bench, seconds, value)
        )
    if objective.exact and not meets(objective, value) and _is_witnessed(objective, value):
        doubt = None  # it was seen to happen: no validity makes that unseen
    return judged_of(objective, value, doubt, evidence_of(objective, value.samples, seconds))


def _is_witnessed(objective: Objective, value: Value) -> bool:
    """Return whether a breach was seen that nothing unseen could mend.

    A share is broken by one witness. A count only grows: what is over its bar stays over it, what
    is under its floor may not be all. A time and a rate per second are what our clock said.
    """
    reading = metric_of(objective).reading
    if reading in (Reading.COUNT, Reading.SUM):
        number, is_ceiling = value.value or 0.0, objective.operator in ("<", "<=", "==")
        return objective.aggregation == "count" and is_ceiling and number >= objective.bar
    return reading in (Reading.FAILED_SHARE, Reading.PASSED_SHARE) and value.value is not None


def _doubt_tolerated(
    objective: Objective, bench: Bench, seconds: set[int], value: Value
) -> Doubt | None:
    """Return a doubt where the invalid seconds that a window bears decide its answer, or where
    too little is left without them.

    What was counted towards a floor did happen, whatever the clock said.
    """
    invalid = bench.validity.invalid(seconds)
    if not invalid or (objective.aggregation == "count" and objective.operator in (">", ">=")):
        return None
    without = _without(objective, bench, seconds - invalid)
    if not is_counted(objective) and without.samples < objective.samples_min:
        why = f"{without.samples} samples outside the invalid seconds, "
        return Doubt(why=f"{why}{objective.samples_min} needed", remedy=LONGER)
    if meets(objective, value) == meets(objective, without):
        return None
    listed = ", ".join(str(second) for second in sorted(invalid)[:LISTED_MAX])
    why = f"seconds in which the measurement is not valid decide its answer ({listed})"
    return Doubt(why=why, remedy="run again on a quieter machine")


def _is_broken_anyway(
    objective: Objective, bench: Bench, seconds: set[int], value: Value, measured: Measured
) -> bool:
    """Return whether the valid seconds alone break a bar on a share that nothing else could mend.

    No frame may be missing, nor samples be in the series `other`: they are not even counted.
    """
    invalid = bench.validity.invalid(seconds)
    if not invalid or meets(objective, value) or measured.hidden:
        return False
    if bench.validity.blind().invalid(seconds):
        return False
    without = _without(objective, bench, seconds - invalid)
    return is_broken_anyway(objective, without, value.samples)


def _without(objective: Objective, bench: Bench, rest: set[int]) -> Value:
    """Return the value over the valid seconds alone."""
    cells = measure_record(objective, bench.record, bench.windows.origin_ns, rest).cells
    return value_of(objective, cells, length_s(objective, bench, rest))


def _judge_measured(objective: Objective, bench: Bench) -> Judged:
    about_what = next(iter(objective.tags.values()), "")  # such a metric has one tag at most
    found = bench.measured.get((objective.metric, objective.name))
    found = found or bench.measured.get((objective.metric, about_what))
    about = _measured_about(objective, bench.windows)
    if found is None:
        why, remedy = f"nothing measures {objective.metric} in this run", "name its checker"
        found = Measurement(value=None, samples=0, why=why, remedy=remedy)
    return judged_of(
        objective,
        Value(value=found.value, beyond=found.beyond, samples=found.samples),
        _doubt_measured(objective, found, about, bench),
        evidence_of(objective, found.samples, about),
    )


def _measured_about(objective: Objective, windows: Windows) -> set[int]:
    """Return the seconds in which a checker's measurement was made."""
    if "fault" in metric_of(objective).tags or objective.metric in OF_DISTURBANCE:
        return windows.seconds("disturbed")
    return windows.seconds(objective.window)


def _doubt_lateness(
    objective: Objective, found: Measurement, seconds: set[int], bench: Bench
) -> Doubt | None:
    """Return why the generator's invalid seconds leave what a checker measured undecided.

    A floor that was reached was reached, whatever the clock said. To what was counted over the
    whole load our lateness can only have added: a bound that was kept bears more of it. The time of
    a fault's recovery is too short a window for that.
    """
    value = Value(value=found.value, beyond=found.beyond, samples=found.samples)
    is_met = found.value is not None and meets(objective, value)
    if is_met and objective.operator in (">", ">="):
        return None
    bench = handicapped(objective, bench, value) if is_met else bench
    is_kept = is_met and "fault" not in metric_of(objective).tags
    return doubt_validity(bench, seconds, answered_twice=is_kept)


def _is_exceeded(objective: Objective, found: Measurement) -> bool:
    """Return whether more users or requests were hurt than a bar lets be, whatever was not seen."""
    return (
        objective.metric in OF_DISTURBANCE
        and found.value is not None
        and not holds(found.value, objective.operator, objective.bar)
    )


def _is_decided(objective: Objective, found: Measurement) -> bool:
    """Return whether the least and the most that a value can be say the same of the bar."""
    if found.between is None or found.value is None:
        return False
    low, high = found.between
    if objective.operator in ("==", "!=") and low < high and low <= objective.bar <= high:
        return False
    return holds(low, objective.operator, objective.bar) == holds(
        high, objective.operator, objective.bar
    )


def _doubt_measured(
    objective: Objective, found: Measurement, about: set[int], bench: Bench
) -> Doubt | None:
    if found.why and not _is_exceeded(objective, found) and not _is_decided(objective, found):
        return Doubt(why=found.why, remedy=found.remedy)
    metric = metric_of(objective)
    if not metric.exact and not bench.completeness.is_complete:
        return Doubt(why=bench.completeness.why, remedy=TO_THE_END)
    if metric.timed:
        late = _doubt_lateness(objective, found, about & bench.windows.seconds("load"), bench)
        if late:
            return late
    unended = found.at_least is not None and holds(
        found.at_least, objective.operator, objective.bar
    )
    if unended:
        why = f"no end was seen within the {found.at_least:.3g} s that the record shows"
        return Doubt(why=why, remedy="leave more time between the faults and after the last one")
    if found.samples < objective.samples_min:
        why = f"{found.samples} samples, {objective.samples_min} needed"
        return Doubt(why=why, remedy=LONGER)
    return None
