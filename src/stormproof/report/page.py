"""Everything that the HTML page shows, as data; the template only arranges it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from stormproof.model.event import EndEvent, WarningEvent
from stormproof.model.finding import Finding
from stormproof.model.objective import Status
from stormproof.model.observed import is_observed
from stormproof.model.plan import NotJudged, Plan
from stormproof.model.record import Record
from stormproof.model.verdict import Generator, Judged, Verdict
from stormproof.report.digest import DigestRow, digest_of
from stormproof.report.failures import Failures, failures_of
from stormproof.report.leads import lead_of
from stormproof.report.margin import Gauge, gauge_of, margin_text
from stormproof.report.number import clock, counted, wall_text
from stormproof.report.operations import OperationRow, operation_rows
from stormproof.report.recovery import InstantRow, instant_rows
from stormproof.report.settings import SettingGroup, settings_of
from stormproof.report.sources import SourceTable, source_tables
from stormproof.report.standing import finding_status, ordered
from stormproof.report.tally import Tally, tally_of
from stormproof.report.timeline import Timeline, letter_of, timeline_of
from stormproof.report.wording import (
    bar_text,
    read_name,
    title_of,
    value_text,
    where_text,
    window_text,
)
from stormproof.rules.windows import Windows, windows_of

WITNESSES_LISTED = 25
PROBLEMS_LISTED = 20
WARNINGS_LISTED = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveView:
    """An objective as the page shows it; `finding` is the kind that tells more about it."""

    judged: Judged
    title: str
    value: str
    bar: str
    margin: str
    gauge: Gauge | None
    evidence: str
    where: str
    finding: str
    finding_anchor: str
    is_observed: bool  # about a figure of a source


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessView:
    """A witness and when it was seen."""

    what: str
    at: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingView:
    """A finding with its first witnesses."""

    anchor: str
    finding: Finding
    status: Status
    witnesses: Sequence[WitnessView]
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryView:
    """What one fault did; `letter` is its sign on the timeline."""

    letter: str
    fault: str
    about: str
    rows: Sequence[InstantRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """A warning of the verdict; `at` is when the run said it, empty where judging did."""

    at: str
    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The whole report."""

    verdict: Verdict
    title: str
    headline: str
    started: str
    ended: str
    met: int
    operations_total: int
    faults: str
    objectives: Sequence[ObjectiveView]
    timeline: Timeline
    digest: Sequence[DigestRow]
    recovery: Sequence[RecoveryView]
    findings: Sequence[FindingView]
    failures: Failures
    operations: Sequence[OperationRow]
    sources: Sequence[SourceTable]
    generator: Generator
    settings: Sequence[SettingGroup]
    not_judged: Sequence[NotJudged]
    problems: Sequence[str]
    problems_left_out: int
    warnings: Sequence[Warned]
    warnings_left_out: int


def page_of(verdict: Verdict, record: Record) -> Page:
    """Return the page of a verdict over its record."""
    windows = windows_of(record)
    tally = tally_of(record)
    timeline = timeline_of(record, verdict, windows, tally)
    warnings = _warnings(verdict, record, windows)
    return Page(
        verdict=verdict,
        title=record.plan.title,
        headline=verdict.headline_tail,
        started=wall_text(record.manifest.started_wall_ns),
        ended=_ended(record),
        met=sum(judged.status is Status.PASS for judged in verdict.objectives),
        operations_total=_operations_total(tally),
        faults=_faults(record, windows),
        objectives=[
            _objective(judged, verdict, record.plan) for judged in ordered(verdict.objectives)
        ],
        timeline=timeline,
        digest=digest_of(tally, timeline),
        recovery=_recovery(verdict, record, windows),
        findings=[
            _finding(place, finding, windows) for place, finding in enumerate(verdict.findings)
        ],
        failures=failures_of(record, windows, tally),
        operations=operation_rows(tally),
        sources=source_tables(record),
        generator=verdict.generator,
        settings=settings_of(record, verdict),
        not_judged=verdict.not_judged,
        problems=verdict.problems[:PROBLEMS_LISTED],
        problems_left_out=max(0, len(verdict.problems) - PROBLEMS_LISTED),
        warnings=warnings[:WARNINGS_LISTED],
        warnings_left_out=max(0, len(warnings) - WARNINGS_LISTED),
    )


def _warnings(verdict: Verdict, record: Record, windows: Windows) -> list[Warned]:
    """Return what judging saw, which leads the verdict's, and what the run said of itself."""
    events = [event for event in record.events if isinstance(event, WarningEvent)]
    said = {f"{event.code}: {event.text}" for event in events}
    judged = takewhile(lambda line: line not in said, verdict.warnings)
    warned = [
        Warned(at="", code=code, text=text)
        for code, _, text in (line.partition(": ") for line in judged)
    ]
    return warned + [
        Warned(at=_at(windows, event.at_ns), code=event.code, text=event.text) for event in events
    ]


def _ended(record: Record) -> str:
    end = next((event for event in record.events if isinstance(event, EndEvent)), None)
    if end is None:
        return "unknown, the record stops early"
    seal = "sealed" if record.sealed else "not sealed"
    return f"{end.how}, record {seal}"


def _faults(record: Record, windows: Windows) -> str:
    planned = len(record.plan.faults)
    return f"{len(windows.faults)} of {planned} tried" if planned else "none planned"


def _operations_total(tally: Tally) -> int:
    return sum(cell.count for cell in tally.operations.values())


def _at(windows: Windows, at_ns: int) -> str:
    return clock(windows.at_s(at_ns), 1) if at_ns and windows.origin_ns is not None else ""


def _objective(judged: Judged, verdict: Verdict, plan: Plan) -> ObjectiveView:
    evidence = judged.evidence
    asked = read_name(judged.name)
    lead = None if asked is None else lead_of(asked.metric, verdict.findings, plan)
    return ObjectiveView(
        judged=judged,
        title=title_of(judged),
        value=value_text(judged),
        bar=bar_text(judged),
        margin=margin_text(judged),
        gauge=gauge_of(judged),
        evidence=f"{counted(evidence.samples, 'sample')} in {evidence.seconds:,} s, "
        f"{window_text(judged)}",
        where=where_text(judged),
        finding="" if lead is None else verdict.findings[lead].kind,
        finding_anchor="" if lead is None else _anchor(lead),
        is_observed=asked is not None and is_observed(asked.metric),
    )


def _anchor(place: int) -> str:
    return f"finding-{place + 1}"


def _finding(place: int, finding: Finding, windows: Windows) -> FindingView:
    listed = finding.witnesses[:WITNESSES_LISTED]
    return FindingView(
        anchor=_anchor(place),
        finding=finding,
        status=finding_status(finding),
        witnesses=[
            WitnessView(what=one.what, at=_at(windows, one.at_ns), key=one.key) for one in listed
        ],
        left_out=max(0, finding.count - len(listed)) if listed else 0,
    )


def _recovery(verdict: Verdict, record: Record, windows: Windows) -> list[RecoveryView]:
    letters = {life.fault: letter_of(place) for place, life in enumerate(windows.faults)}
    planned = {fault.name: fault for fault in record.plan.faults}
    views = []
    for recovery in verdict.recovery:
        fault = planned.get(recovery.fault)
        views.append(
            RecoveryView(
                letter=letters.get(recovery.fault, ""),
                fault=recovery.fault,
                about="" if fault is None else f"{fault.kind} of {fault.part}",
                rows=instant_rows(recovery),
            )
        )
    return views
