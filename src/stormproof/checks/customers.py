"""How far a drill reached: the share of requests, users and tenants hurt, and of budgets burnt.

What it does: over the seconds in which faults were in force or being recovered from, divides the
operations that failed by all, the users with at least one failed operation by all users there were,
and the scopes of the ledger (channels, conversations) into which something was refused, or left
unknown, by all into which anything was sent. A budget is what a service level allows to fail over
the whole judged load: burnt is the share of it that did.
Why it matters: a drill that hurts more than was agreed is an incident.
A failure looks like: `blast_users` 0.7 where 0.2 was declared, or a scenario outside of it failing.
Limits: failures beyond 10,000 a kind are kept in part, so that the users they hit are a lower
bound: enough to break a bar, not to meet it. So is what a fault hurt that was cut short.
Source: Principles of Chaos Engineering, "Minimize Blast Radius"; Google's SRE Workbook, chapter 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from stormproof.checks.completeness import Completeness
from stormproof.checks.faults import FaultStory
from stormproof.checks.outcome import Key, Measurement, Outcome
from stormproof.kernel.units import SECOND_NS
from stormproof.model.ledger import EntryKind
from stormproof.model.plan import NamedObjective, Plan
from stormproof.model.record import Record
from stormproof.model.series import SeriesKind
from stormproof.rules.aggregate import value_of_cell
from stormproof.rules.drill_metrics import (
    BLAST_REQUESTS,
    BLAST_TENANTS,
    BLAST_USERS,
    BUDGET_BURNT,
    OF_DISTURBANCE,
)
from stormproof.rules.fold import THOUSANDTHS, fold_users, merge_cells
from stormproof.rules.measure import measure_record
from stormproof.rules.tags import format_metric
from stormproof.rules.windows import Windows

LONGER = "let more of the load run while the faults are in force"


def check_customers(
    record: Record, windows: Windows, stories: Mapping[str, FaultStory], completeness: Completeness
) -> Outcome:
    """Measure the blast radius and the budgets of a drill; see the module.

    Args:
        record: everything observed.
        windows: of the run.
        stories: of its faults.
        completeness: whether every ledger is there to its end.
    """
    measured: dict[Key, Measurement] = {}
    seconds = windows.seconds("disturbed")
    for scenario in ("", *(one.name for one in record.plan.scenarios)):
        measured[BLAST_REQUESTS, scenario] = _requests(record, seconds, scenario)
    measured[BLAST_USERS, ""] = _users(record, windows, seconds)
    measured[BLAST_TENANTS, ""] = _tenants(record, windows, completeness)
    why, remedy = next((one.doubt() for one in stories.values() if one.doubt()[0]), ("", ""))
    if why:  # what was seen stays seen: enough to break a bar, not to meet it
        measured = {key: replace(one, why=why, remedy=remedy) for key, one in measured.items()}
    for slo in record.plan.slos:
        measured[BUDGET_BURNT, slo.name] = _burnt(slo, record, windows)
    return Outcome(measured=measured)


def _counts(record: Record, seconds: set[int], scenario: str) -> tuple[int, int]:
    """Return how many operations ended in some seconds, and how many of them failed."""
    wanted = {
        worker: {
            one.id
            for one in known.values()
            if one.kind is SeriesKind.OPERATION and scenario in ("", one.tags.get("scenario"))
        }
        for worker, known in record.series.items()
    }
    count = failed = 0
    for frame in record.frames:
        if frame.second in seconds:
            for counts in frame.counts_of(wanted.get(frame.worker, set())):
                count += counts.count
                failed += counts.failed
    return count, failed


def _requests(record: Record, seconds: set[int], scenario: str) -> Measurement:
    count, failed = _counts(record, seconds, scenario)
    return _share(failed, count, "no operation ended while faults were in force")


def _users(record: Record, windows: Windows, seconds: set[int]) -> Measurement:
    """Return the share of users hurt; a bound from below where failures were kept in part."""
    inside = [frame for frame in record.frames if frame.second in seconds]
    levels = merge_cells(fold_users(inside, busy=False).values()).level
    users = 0 if levels is None else round(levels.high / THOUSANDTHS)
    kept = [
        one
        for one in record.failures
        if windows.second_of(one.end_ns) in seconds
        and _is_operation(record, one.worker, one.series)
    ]
    hurt = min(users, len({(one.worker, one.user) for one in kept}))
    share = _share(hurt, users, "there were no users while faults were in force")
    _, failed = _counts(record, seconds, "")
    if len(kept) >= failed or share.value is None:
        return share
    missing = f"{failed - len(kept)} of {failed} failures were not kept, nor whom they hit"
    return Measurement(value=share.value, samples=users, why=missing, remedy="lower the rate")


def _is_operation(record: Record, worker: int, series: int) -> bool:
    known = record.series.get(worker, {}).get(series)
    return known is not None and known.kind is SeriesKind.OPERATION


def _tenants(record: Record, windows: Windows, completeness: Completeness) -> Measurement:
    """Return the share of scopes into which something was sent and refused, or left unknown."""
    touched: set[int] = set()
    hurt: set[int] = set()
    spans = [
        tuple((windows.origin_ns or 0) + second * SECOND_NS for second in span)
        for span in windows.spans("disturbed")
    ]
    for entries in record.ledger:
        at_ns, kinds = entries["at_ns"].astype(np.int64), entries["kind"]
        inside = np.zeros(len(entries), dtype=bool)
        for from_ns, to_ns in spans:
            inside |= (at_ns >= from_ns) & (at_ns < to_ns)
        sent = inside & (kinds == EntryKind.INVOKE)
        refused = inside & np.isin(kinds, (EntryKind.FAIL, EntryKind.UNKNOWN))
        touched.update(np.unique(entries["scope"][sent | refused]).tolist())
        hurt.update(np.unique(entries["scope"][refused]).tolist())
    share = _share(len(hurt), len(touched), "nothing was sent into a scope while faults were there")
    if completeness.workers_whole or share.value is None:
        return share
    why, remedy = "a worker's ledger is not whole", "run again"
    return Measurement(value=share.value, samples=share.samples, why=why, remedy=remedy)


def _share(hurt: int, every: int, nothing: str) -> Measurement:
    if every == 0:
        return Measurement(value=None, samples=0, why=nothing, remedy=LONGER)
    return Measurement(value=hurt / every, samples=every)


def _burnt(slo: NamedObjective, record: Record, windows: Windows) -> Measurement:
    """Return the share of what a service level allows to fail that did fail."""
    seconds = windows.seconds(slo.objective.window)
    cells = measure_record(slo.objective, record, windows.origin_ns, seconds).cells
    value = value_of_cell(slo.objective, merge_cells(cells.values()), len(seconds))
    if value.value is None:
        why = f"{slo.name} was never asked of the target"
        return Measurement(value=None, samples=0, why=why, remedy="let the load use it")
    lowers = slo.objective.operator in (">", ">=")
    failed, allowed = (
        (1 - value.value, 1 - slo.objective.bar) if lowers else (value.value, slo.objective.bar)
    )
    return Measurement(value=failed / allowed, samples=value.samples)


def reach_of(plan: Plan, measured: Mapping[Key, Measurement]) -> dict[str, float]:
    """Return how far the faults of a plan were seen to reach, by metric."""
    asked = [*((metric, "") for metric in OF_DISTURBANCE)] if plan.faults else []
    found = [(key, measured.get(key)) for key in (*asked, *_budgets(plan))]
    return {
        format_metric(metric, {"slo": of} if of else {}): round(one.value, 6)
        for (metric, of), one in found
        if one is not None and one.value is not None
    }


def _budgets(plan: Plan) -> list[Key]:
    return [(BUDGET_BURNT, one.name) for one in plan.slos]
