"""One verdict over one record: a pure function, equal bytes for equal records.

1. how did the run end, and is its record whole?
2. the windows, and the seconds in which the generator's own work was not valid
3. the checkers: processes, evidence, faults and their timeline, recovery, health, delivery,
   histories of any data, what servers hold at the end, what the trial's own checkers said
4. the live decisions, computed again
5. each objective: validity, then value against bar
6. the worst of all that blocks
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import msgspec

from stormproof.checks.aborted import judge_asked, replay_breaches
from stormproof.checks.bench import Bench
from stormproof.checks.completeness import Completeness, check_processes, completeness_of
from stormproof.checks.customers import check_customers, reach_of
from stormproof.checks.delivery import check_delivery
from stormproof.checks.evidence import check_evidence
from stormproof.checks.fault_figures import check_fault_figures
from stormproof.checks.faults import check_faults, stories_of
from stormproof.checks.final_looks import as_journeys_told
from stormproof.checks.final_reads import final_checkers
from stormproof.checks.health import check_health
from stormproof.checks.histories import history_checkers
from stormproof.checks.hypotheses import check_hypotheses, spans_of_hypotheses
from stormproof.checks.ledger_order import check_ledger_order
from stormproof.checks.operation_order import odd_operations
from stormproof.checks.outcome import Key, Measurement, Outcome
from stormproof.checks.own_checkers import own_outcome
from stormproof.checks.record_history import history_of
from stormproof.checks.recovery import Outage, check_recovery, instants_of, outages_of
from stormproof.checks.steady import replay_gate
from stormproof.checks.steering import check_steering
from stormproof.checks.steps import replay_steps
from stormproof.checks.timeline import check_timeline, told_of_timeline
from stormproof.checks.wording import counted
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.model.event import WarningEvent
from stormproof.model.finding import ACCUSING, Finding
from stormproof.model.objective import Objective, Status
from stormproof.model.own_checker import OwnAnswer
from stormproof.model.plan import NotJudged, Plan
from stormproof.model.record import Record
from stormproof.model.verdict import Generator, Judged, Recovery, TrialVerdict, Verdict
from stormproof.rules.catalog import CATALOG
from stormproof.rules.fault_figures import RESUMED, TAKEOVER
from stormproof.rules.history_metrics import ORPHANED, SEEN
from stormproof.rules.validity import generator_of, validity_of
from stormproof.rules.windows import windows_of

SIGNIFICANT_DIGITS = 6
MEASURED_BY = {
    "delivery": ("delivery_", "messages_"),
    "faults": ("fault_",),
    "recovery": ("recovery_",),
    "health": ("health_",),
    "customers": ("blast_", "error_budget_"),
    "hypotheses": ("hypothesis_",),
    "sets": ("set_",),
    "counters": ("counter_",),
    "unique ids": ("ids_",),
    "registers": ("register_",),
    "own writes": ("reads_not_own",),
    "monotonic reads": ("reads_not_mono",),
    "staleness": ("reads_stale",),
    "isolation": ("isolation_",),
    "effects": ("effects_",),
    "totals": ("totals_",),
    "final reads": ("final_",),
    "sometimes": (SEEN,),
    "stored": ("stored_lost", "stored_refused", "stored_surplus", "stored_repeated"),
    "stored apart": ("stored_apart",),
    "orphans": (ORPHANED,),
    "figures of faults": (RESUMED, TAKEOVER),
}
Rounded = TypeVar("Rounded", bound=msgspec.Struct)


def judge(
    record: Record,
    *,
    objectives: Sequence[Objective] | None = None,
    not_judged: Sequence[NotJudged] | None = None,
    profile: str | None = None,
    version: str,
    own: Mapping[str, OwnAnswer] | None = None,
) -> Verdict:
    """Judge a run.

    Args:
        record: everything observed.
        objectives: what must hold; the plan's own when None.
        not_judged: what this scale cannot decide; the plan's own when None.
        profile: name of the profile that the objectives are from; the plan's when None.
        version: of stormproof, for the verdict.
        own: what the checkers of the trial's file said of this record, by function; None: they
            were not run, and what they measure is undecided.
    """
    plan = record.plan
    asked = plan.objectives if objectives is None else objectives
    skipped = list(plan.not_judged if not_judged is None else not_judged)
    named = plan.profile.name if profile is None else profile
    try:
        return _judge(record, asked, skipped, named, version, own)
    except Exception as error:  # noqa: BLE001 - what cannot be judged is "unknown", never a pass
        return _undecided(record, skipped, named, version, f"{type(error).__name__}: {error}")


def _judge(
    record: Record,
    asked: Sequence[Objective],
    skipped: list[NotJudged],
    profile: str,
    version: str,
    own: Mapping[str, OwnAnswer] | None,
) -> Verdict:
    plan, inquiry = record.plan, _inquire(record, asked, own)
    bench, completeness = inquiry.bench, inquiry.bench.completeness
    steady, irreproducible = replay_gate(record, completeness)
    breaches = replay_breaches(record)
    findings = [*inquiry.findings, *irreproducible, *breaches.findings, *replay_steps(record)]
    answers = [judge_asked(one, breaches, bench) for one in (*asked, *breaches.stops)]
    judged = [*steady, *answers]
    status = _decide(steady, answers, findings, completeness)
    return Verdict(
        stormproof=version,
        verdict=status,
        scope=plan.scope,
        headline=headline(status, plan, judged, findings, completeness, skipped),
        run=record.manifest.run_id,
        plan_sha256=bench.plan_sha256,
        profile=profile,
        seed=plan.seed,
        scale=plan.scale,
        objectives=[_rounded_judged(one) for one in judged],
        findings=findings,
        trials=[TrialVerdict(name=plan.trial, title=plan.title, status=status)],
        recovery=[
            _rounded_recovery(instants_of(record, bench.windows, one)) for one in inquiry.outages
        ],
        reach=reach_of(plan, bench.measured),
        hypotheses=spans_of_hypotheses(record, bench.windows),
        generator=_rounded(generator_of(record, bench.windows, bench.validity)),
        not_judged=skipped,
        problems=list(completeness.problems),
        warnings=warnings_of(record, told_of_timeline(plan, bench.windows, bench.stories)),
    )


def _undecided(
    record: Record, skipped: list[NotJudged], profile: str, version: str, error: str
) -> Verdict:
    """Return the verdict over a record that cannot be judged: INCONCLUSIVE, the error named."""
    plan, text = record.plan, f"the record cannot be judged: {error}"
    advice = "report this with the record: it is a defect of stormproof"
    return Verdict(
        stormproof=version,
        verdict=Status.INCONCLUSIVE,
        scope=plan.scope,
        headline=f"{Status.INCONCLUSIVE.upper()}: {text}",
        run=record.manifest.run_id,
        plan_sha256=plan.digest(),
        profile=profile,
        seed=plan.seed,
        scale=plan.scale,
        objectives=[],
        findings=[Finding(kind="checker-failed", title=text, count=1, advice=advice)],
        trials=[TrialVerdict(name=plan.trial, title=plan.title, status=Status.INCONCLUSIVE)],
        recovery=[],
        generator=Generator(
            valid=False,
            why=text,
            workers=plan.workers,
            operations=0,
            dropped=0,
            schedule_lag_p99_ms=None,
            cpu_share=0.0,
            wait_share=0.0,
            loop_lag_ms_max=0.0,
            gc_pause_ms=0.0,
            core_idle_share_min=0.0,
            core_steal_share_max=0.0,
        ),
        not_judged=skipped,
        problems=list(record.problems),
        warnings=warnings_of(record),
    )


def warnings_of(record: Record, judged: Sequence[str] = ()) -> list[str]:
    """Return what judging saw and what the run said of itself, in order, and at most so many."""
    told = [*(f"profile: {note}" for note in record.plan.notes), *judged]
    told += [f"{e.code}: {e.text}" for e in record.events if isinstance(e, WarningEvent)]
    more = len(told) - FINDINGS_LISTED_MAX
    return [*told[:FINDINGS_LISTED_MAX], *([f"and {more} more"] if more > 0 else [])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """What the record says before any objective is asked."""

    bench: Bench
    outages: list[Outage]
    findings: list[Finding]


def _inquire(
    record: Record, asked: Sequence[Objective], own: Mapping[str, OwnAnswer] | None
) -> Inquiry:
    """Find windows, validity and outages, and run every checker."""
    windows, completeness = windows_of(record), completeness_of(record)
    stories = stories_of(record)
    outages = outages_of(record, windows, stories)
    odd = cache(lambda: list(odd_operations(record)))
    checkers: dict[str, Callable[[], Outcome]] = {
        "processes": lambda: check_processes(record, windows),
        "steering": lambda: check_steering(record, windows),
        "evidence": lambda: check_evidence(record),
        "ledger order": lambda: check_ledger_order(record, odd()),
        "faults": lambda: check_faults(stories, completeness),
        "timeline": lambda: check_timeline(record.plan, windows, stories),
        "recovery": lambda: check_recovery(record, windows, outages, stories),
        "health": lambda: check_health(record, windows, outages, stories),
        "customers": lambda: check_customers(record, windows, stories, completeness),
        "hypotheses": lambda: check_hypotheses(record, windows),
        "figures of faults": lambda: check_fault_figures(record, windows, stories, asked),
    }
    if "delivery" in record.plan.checkers:
        checkers["delivery"] = lambda: check_delivery(record, windows, completeness)
    history = cache(lambda: history_of(record, completeness, odd()))
    told = cache(lambda: as_journeys_told(record, history()))
    checkers |= history_checkers(record, windows, told, asked)
    checkers |= final_checkers(record, windows, history, asked)
    if record.plan.own_checkers:
        checkers["of the trial's file"] = lambda: own_outcome(record.plan, own)
    findings, measured = _run_checkers(checkers, asked)
    bench = Bench(
        record=record,
        windows=windows,
        validity=validity_of(record, windows),
        completeness=completeness,
        stories=stories,
        measured=measured,
        plan_sha256=record.plan.digest(),
    )
    return Inquiry(bench=bench, outages=outages, findings=findings)


def _decide(
    steady: Sequence[Judged],
    answers: Sequence[Judged],
    findings: Sequence[Finding],
    completeness: Completeness,
) -> Status:
    """Return the worst of everything that blocks; a steady state alone proves nothing."""
    statuses = [one.status for one in (*steady, *answers) if one.blocking]
    statuses += [Status.FAIL if one.kind in ACCUSING else Status.INCONCLUSIVE for one in findings]
    if not completeness.is_complete or not any(one.blocking for one in answers):
        statuses.append(Status.INCONCLUSIVE)
    return worst(statuses)


def worst(statuses: Iterable[Status]) -> Status:
    """Return the worst answer; PASS of none."""
    order = [Status.PASS, Status.INCONCLUSIVE, Status.FAIL]
    return max(statuses, key=order.index, default=Status.PASS)


def _run_checkers(
    checkers: dict[str, Callable[[], Outcome]], asked: Sequence[Objective]
) -> tuple[list[Finding], dict[Key, Measurement]]:
    """Run every checker; one that raises leaves its objectives undecided and says why."""
    findings: list[Finding] = []
    measured: dict[Key, Measurement] = {}
    for name, check in checkers.items():
        try:
            outcome = check()
        except Exception as error:  # noqa: BLE001 - a crashed checker is "unknown", never a pass
            text = f"the checker {name} failed: {type(error).__name__}: {error}"
            findings.append(Finding(kind="checker-failed", title=text, count=1))
            measured |= _unknown(name, text, asked)
        else:
            findings += outcome.findings
            measured |= outcome.measured
    findings.sort(key=lambda finding: finding.kind not in ACCUSING)
    return findings, measured


def _unknown(checker: str, why: str, asked: Sequence[Objective]) -> dict[Key, Measurement]:
    """Return "unknown" for all that a checker measures, and for each thing that must be seen."""
    prefixes = MEASURED_BY.get(checker, ())
    remedy = "report this with the record: it is a defect of stormproof"
    unknown = Measurement(value=None, samples=0, why=why, remedy=remedy)
    keys: set[Key] = {(metric, "") for metric in CATALOG if metric.startswith(prefixes)}
    keys |= {(one.metric, one.name) for one in asked if one.metric.startswith(prefixes)}
    return dict.fromkeys(keys, unknown)


def headline(
    status: Status,
    plan: Plan,
    judged: Sequence[Judged],
    findings: Sequence[Finding],
    completeness: Completeness,
    not_judged: Sequence[NotJudged],
) -> str:
    """Return the verdict in one sentence: the answer first, then what decided it."""
    if status is Status.PASS:
        told = counted(sum(one.status is Status.PASS for one in judged), "objective") + " met"
        if plan.faults:
            told += f", {counted(len(plan.faults), 'fault')} survived"
    else:
        told = _reason(status, judged, findings, completeness)
    limits = ["reduced scale"] if plan.scope == "reduced" else []
    if not_judged:
        missing = f"{counted(len(not_judged), 'objective')} not judged"
        at_scale = " at this scale" if plan.scale < 1 else ""
        limits = [f"reduced: {missing}{at_scale}" if limits else missing]
    return f"{status.upper()}: {told}" + "".join(f" ({limit})" for limit in limits)


def _reason(
    status: Status,
    judged: Sequence[Judged],
    findings: Sequence[Finding],
    completeness: Completeness,
) -> str:
    """Return what decided against a PASS: the weightiest first, and how many more like it."""
    deciding = [one for one in judged if one.status is status and one.blocking]
    if status is Status.FAIL:
        told = [one.title for one in findings if one.kind in ACCUSING]
        told += [f"{one.name} ({one.why})" for one in deciding if not (one.exact and told)]
    elif completeness.why:
        return completeness.why
    else:
        told = [one.title for one in findings]
        if not told and len(deciding) > 1:
            return f"{counted(len(deciding), 'objective')} undecided: {deciding[0].why}"
        told = told or [f"{one.name}: {one.why}" for one in deciding] or ["nothing was judged"]
    return told[0] + (f" (and {len(told) - 1} more)" if len(told) > 1 else "")


def round_significant(value: float) -> float:
    """Round to the digits that a verdict carries; what is not finite stays."""
    if value == 0 or not math.isfinite(value):
        return value
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def _rounded(struct: Rounded) -> Rounded:
    """Round every float field of a struct."""
    changed = {
        name: round_significant(value)
        for name in struct.__struct_fields__
        if isinstance(value := getattr(struct, name), float)
    }
    return msgspec.structs.replace(struct, **changed)


def _rounded_judged(judged: Judged) -> Judged:
    rounded = _rounded(judged)
    if rounded.interval is None:
        return rounded
    low, high = rounded.interval
    interval = (round_significant(low), round_significant(high))
    return msgspec.structs.replace(rounded, interval=interval)


def _rounded_recovery(recovery: Recovery) -> Recovery:
    instants = [
        msgspec.structs.replace(
            one,
            at_s=None if one.at_s is None else round(one.at_s, 6),
            sampling_s=round(one.sampling_s, 6),
        )
        for one in recovery.instants
    ]
    return msgspec.structs.replace(recovery, instants=instants)
