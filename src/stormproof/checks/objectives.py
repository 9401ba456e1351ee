"""Answer objectives: validity first, then the value against the bar."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from stormproof.checks.completeness import Completeness
from stormproof.checks.faults import FaultStory
from stormproof.checks.outage import silence_in_load
from stormproof.checks.outcome import Key, Measurement
from stormproof.kernel.seeds import derive
from stormproof.kernel.units import SECOND_NS
from stormproof.model.objective import Objective, Status
from stormproof.model.record import Record
from stormproof.model.verdict import Evidence, Judged
from stormproof.rules.aggregate import DROPPED, Value, value_of
from stormproof.rules.catalog import CATALOG, PROBES, Reading
from stormproof.rules.gate import holds
from stormproof.rules.measure import measure_record
from stormproof.rules.own_error import FINER, too_fine
from stormproof.rules.validity import Validity
from stormproof.rules.windows import Windows, spans_of

LONGER = "run longer or at a higher rate"
LISTED_MAX = 5
TO_THE_END = "let the run go to its end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Everything that an objective is judged with."""

    record: Record
    windows: Windows
    validity: Validity
    completeness: Completeness
    stories: Mapping[str, FaultStory]
    measured: Mapping[Key, Measurement]
    plan_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Why an objective cannot be decided, and what to do about it."""

    why: str
    remedy: str


def judge_objective(objective: Objective, bench: Bench) -> Judged:
    """Answer one objective.

    Evidence is asked first: was the metric seen, often enough, by a valid generator, under a fault
    that bit, in a record that is whole? If not, INCONCLUSIVE whatever the value, but for one exact
    witness, which needs none of this. Then the point estimate counts; the interval is shown.
    """
    if CATALOG[objective.metric].reading is Reading.MEASURED:
        return _judge_measured(objective, bench)
    seconds = bench.windows.seconds(objective.window)
    measured = measure_record(objective, bench.record, bench.windows.origin_ns, seconds)
    seed = derive(0, bench.plan_sha256, objective.name)
    value = value_of(objective, measured.cells, _length_s(objective, bench, seconds), seed)
    doubt = (
        _doubt_window(objective, bench, seconds)
        or _doubt_samples(objective, value, seen=measured.seen, hidden=measured.hidden)
        or _doubt_tolerated(objective, bench, seconds, value)
    )
    if objective.exact and not _meets(objective, value) and _is_witnessed(objective, value):
        doubt = None  # it was seen to happen: no validity makes that unseen
    return _judged(objective, value, doubt, _evidence(objective, value.samples, seconds))


def _is_witnessed(objective: Objective, value: Value) -> bool:
    """Return whether a breach was seen that nothing unseen could mend.

    A share is broken by one witness. A count only grows: what is over its bar stays over it, what
    is under its floor may not be all. A time and a rate per second are what our clock said.
    """
    reading = CATALOG[objective.metric].reading
    if reading is Reading.COUNT:
        number, is_ceiling = value.value or 0.0, objective.operator in ("<", "<=", "==")
        return objective.aggregation == "count" and is_ceiling and number >= objective.bar
    return reading in (Reading.FAILED_SHARE, Reading.PASSED_SHARE) and value.value is not None


def _length_s(objective: Objective, bench: Bench, seconds: set[int]) -> int:
    """Return the length that rates are over: what ends after the load was intended in it."""
    if objective.window == "run":
        return len(seconds)
    end_s = -(-bench.record.plan.duration_ns // SECOND_NS)
    return sum(second < end_s for second in seconds)


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
    rest = seconds - invalid
    cells = measure_record(objective, bench.record, bench.windows.origin_ns, rest).cells
    without = value_of(objective, cells, _length_s(objective, bench, rest))
    if objective.aggregation != "count" and without.samples < objective.samples_min:
        why = f"{without.samples} samples outside the invalid seconds, "
        return Doubt(why=f"{why}{objective.samples_min} needed", remedy=LONGER)
    if _meets(objective, value) == _meets(objective, without):
        return None
    listed = ", ".join(str(second) for second in sorted(invalid)[:LISTED_MAX])
    why = f"seconds in which the measurement is not valid decide its answer ({listed})"
    return Doubt(why=why, remedy="run again on a quieter machine")


def _doubt_samples(objective: Objective, value: Value, *, seen: bool, hidden: bool) -> Doubt | None:
    if not seen:
        return Doubt(
            why=f"{objective.metric} was never seen in window {objective.window}",
            remedy="check the tags of the objective and what the journey does",
        )
    if hidden:
        why = "some of its samples are in the series `other`: too many names or tag values"
        return Doubt(why=why, remedy="use templates instead of formatted names")
    is_counter = CATALOG[objective.metric].reading is Reading.COUNT  # none of them is an answer
    if not is_counter and value.samples < objective.samples_min:
        why = f"{value.samples} samples, {objective.samples_min} needed"
        return Doubt(why=why, remedy=LONGER)
    return None


def _doubt_window(objective: Objective, bench: Bench, seconds: set[int]) -> Doubt | None:
    """Return what speaks against judging a window at all, whatever was measured in it."""
    if not bench.completeness.is_complete:
        return Doubt(why=bench.completeness.why, remedy=TO_THE_END)
    if not seconds:
        return Doubt(why=f"window {objective.window} is empty", remedy=TO_THE_END)
    if objective.window in ("fault", "recovery", "disturbed"):
        for story in bench.stories.values():
            why, remedy = story.doubt()
            if why:
                return Doubt(why=why, remedy=remedy)
    if CATALOG[objective.metric].base == PROBES:
        silence = silence_in_load(bench.record, bench.windows, objective.tags["probe"])
        if silence:
            return Doubt(why=silence, remedy="make sure that the probe is asked all through")
    why, remedy = bench.validity.doubt(seconds, answered_twice=True)
    if not why:
        valid = seconds - bench.validity.invalid(seconds)
        why, remedy = too_fine(objective, bench.record.frames, valid), FINER
    return Doubt(why=why, remedy=remedy) if why else None


def _judge_measured(objective: Objective, bench: Bench) -> Judged:
    found = bench.measured.get((objective.metric, objective.tags.get("fault", "")))
    about = _measured_about(objective, bench.windows)
    if found is None:
        why, remedy = f"nothing measures {objective.metric} in this run", "name its checker"
        found = Measurement(value=None, samples=0, why=why, remedy=remedy)
    return _judged(
        objective,
        Value(value=found.value, beyond=found.beyond, samples=found.samples),
        _doubt_measured(objective, found, about, bench),
        _evidence(objective, found.samples, about),
    )


def _measured_about(objective: Objective, windows: Windows) -> set[int]:
    """Return the seconds in which a checker's measurement was made."""
    if "fault" in CATALOG[objective.metric].tags:
        return windows.seconds("disturbed")
    return windows.seconds(objective.window)


def _doubt_measured(
    objective: Objective, found: Measurement, about: set[int], bench: Bench
) -> Doubt | None:
    if found.why:
        return Doubt(why=found.why, remedy=found.remedy)
    metric = CATALOG[objective.metric]
    if not metric.exact and not bench.completeness.is_complete:
        return Doubt(why=bench.completeness.why, remedy=TO_THE_END)
    if metric.timed:
        why, remedy = bench.validity.doubt(about & bench.windows.seconds("load"))
        if why:
            return Doubt(why=why, remedy=remedy)
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


def _judged(objective: Objective, value: Value, doubt: Doubt | None, evidence: Evidence) -> Judged:
    status, why, remedy = _answer(objective, value, doubt)
    return Judged(
        name=objective.name,
        status=status,
        value=value.value,
        beyond=value.beyond,
        bar=objective.bar,
        operator=objective.operator,
        unit=objective.unit,
        interval=value.interval,
        evidence=evidence,
        blocking=objective.blocking,
        exact=objective.exact,
        why=why,
        remedy=remedy,
    )


def _answer(objective: Objective, value: Value, doubt: Doubt | None) -> tuple[Status, str, str]:
    bar = f"{objective.operator} {objective.bar:g}{f' {objective.unit}' if objective.unit else ''}"
    if doubt is not None:
        return Status.INCONCLUSIVE, doubt.why, doubt.remedy
    if _meets(objective, value):
        return Status.PASS, "", ""
    if value.value is None:
        beyond = "dropped iterations" if value.beyond == DROPPED else value.beyond
        return Status.FAIL, f"beyond every bar ({beyond}), wanted {bar}", ""
    return Status.FAIL, f"{value.value:.6g}, wanted {bar}", ""


def _meets(objective: Objective, value: Value) -> bool:
    """Hold a value against the bar; one that is beyond counts as infinite."""
    number = math.inf if value.value is None else value.value
    return holds(number, objective.operator, objective.bar)


def _evidence(objective: Objective, samples: int, seconds: set[int]) -> Evidence:
    return Evidence(
        samples=samples,
        samples_min=objective.samples_min,
        seconds=len(seconds),
        window=objective.window,
        at_s=[list(span) for span in spans_of(seconds)],
    )
