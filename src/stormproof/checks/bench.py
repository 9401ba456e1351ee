"""What objectives are judged with, what speaks against judging them, and how an answer is put."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from stormproof.checks.completeness import Completeness
from stormproof.checks.faults import FaultStory
from stormproof.checks.outage import silence_in_load
from stormproof.checks.outcome import Key, Measurement
from stormproof.kernel.units import SECOND_NS
from stormproof.model.objective import Objective, Status
from stormproof.model.record import Record
from stormproof.model.verdict import Evidence, Judged
from stormproof.rules.aggregate import DROPPED, Value
from stormproof.rules.bar import meets
from stormproof.rules.catalog import PROBES, metric_of
from stormproof.rules.evidence import is_counted
from stormproof.rules.fold import STATUS
from stormproof.rules.handicap import is_harder_when_slowed
from stormproof.rules.measure import Measured
from stormproof.rules.own_error import FINER, too_fine
from stormproof.rules.questions import suggestion
from stormproof.rules.validity import Validity
from stormproof.rules.windows import Windows, spans_of

LONGER = "run longer or at a higher rate"
TO_THE_END = "let the run go to its end"
CHECK_TAGS = "check the tags of the objective and what the journey does"


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


def doubt_record(objective: Objective, bench: Bench, seconds: Collection[int]) -> Doubt | None:
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
    if metric_of(objective).base == PROBES:
        silence = silence_in_load(bench.record, bench.windows, objective.tags["probe"])
        if silence:
            return Doubt(why=silence, remedy="make sure that the probe is asked all through")
    return None


def handicapped(objective: Objective, bench: Bench, value: Value) -> Bench:
    """Return the bench for an answer: a bar met in spite of stolen time is met."""
    if meets(objective, value) and is_harder_when_slowed(objective):
        return replace(bench, validity=bench.validity.on_schedule())
    return bench


def doubt_validity(
    bench: Bench, seconds: set[int], *, answered_twice: bool = False
) -> Doubt | None:
    """Return why the generator was not itself in too many seconds."""
    why, remedy = bench.validity.doubt(seconds, answered_twice=answered_twice)
    return Doubt(why=why, remedy=remedy) if why else None


def doubt_finer(objective: Objective, bench: Bench, seconds: set[int]) -> Doubt | None:
    """Return why the bar is too fine for what our own timing errs by."""
    valid = seconds - bench.validity.invalid(seconds)
    why = too_fine(objective, bench.record.frames, valid)
    return Doubt(why=why, remedy=FINER) if why else None


def doubt_seen(objective: Objective, bench: Bench, measured: Measured) -> Doubt | None:
    """Return why what was looked for may not be what is there."""
    if not measured.seen:
        why = f"{objective.metric} was never seen in window {objective.window}"
        return Doubt(why=why, remedy=_near_value(objective, bench.record) or CHECK_TAGS)
    if measured.hidden:
        why = "some of its samples are in the series `other`: too many names or tag values"
        return Doubt(why=why, remedy="use templates instead of formatted names")
    return None


def _near_value(objective: Objective, record: Record) -> str:
    """Suggest a value for the first tag that no series of the metric had with this one."""
    base = metric_of(objective).base
    for key, value in objective.tags.items():
        known = {
            one.tags[key]
            for mine in record.series.values()
            for one in mine.values()
            if one.metric == base and key in one.tags
        }
        if key != STATUS and value not in known:
            return f"no {key} of this run was {value!r}: {suggestion(value, known)}"
    return ""


def doubt_samples(objective: Objective, value: Value) -> Doubt | None:
    """Return why there is too little to go by."""
    if not is_counted(objective) and value.samples < objective.samples_min:
        why = f"{value.samples} samples, {objective.samples_min} needed"
        return Doubt(why=why, remedy=LONGER)
    return None


def length_s(objective: Objective, bench: Bench, seconds: Collection[int]) -> int:
    """Return the length that rates are over: what ends after the load was intended in it."""
    if objective.window == "run":
        return len(seconds)
    end_s = -(-bench.record.plan.duration_ns // SECOND_NS)
    return sum(second < end_s for second in seconds)


def judged_of(
    objective: Objective,
    value: Value,
    doubt: Doubt | None,
    evidence: Evidence,
    *,
    worst: range | None = None,
) -> Judged:
    """Put an answer; `worst` is the stretch that the value is of."""
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
        worst_at_s=[] if worst is None else [worst.start, worst.stop],
    )


def _answer(objective: Objective, value: Value, doubt: Doubt | None) -> tuple[Status, str, str]:
    if doubt is not None:
        return Status.INCONCLUSIVE, doubt.why, doubt.remedy
    if meets(objective, value):
        return Status.PASS, "", ""
    return Status.FAIL, breach_text(objective, value), ""


def breach_text(objective: Objective, value: Value) -> str:
    """Say that a value is not what was wanted."""
    bar = f"{objective.operator} {objective.bar:g}{f' {objective.unit}' if objective.unit else ''}"
    if value.value is None:
        beyond = "dropped iterations" if value.beyond == DROPPED else value.beyond
        return f"beyond every bar ({beyond}), wanted {bar}"
    return f"{value.value:.6g}, wanted {bar}"


def evidence_of(objective: Objective, samples: int, seconds: Collection[int]) -> Evidence:
    """Say what an answer rests on."""
    return Evidence(
        samples=samples,
        samples_min=objective.samples_min,
        seconds=len(seconds),
        window=objective.window,
        at_s=[list(span) for span in spans_of(seconds)],
    )
