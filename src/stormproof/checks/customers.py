"""How far a drill reached: the share of requests, users and tenants hurt, and of budgets burnt.

What it does: over the seconds in which faults were in force or being recovered from, divides the
operations that failed, then or later if they were under way then, by all, the users with at least
one failed operation by all users there were, and the scopes of the ledger (channels, conversations)
into which something was refused, or left unknown, by all into which anything was sent. A budget is
what a service level allows to fail over the whole judged load: burnt is the share of it that did.
Why it matters: a drill that hurts more than was agreed is an incident.
A failure looks like: `blast_users` 0.7 where 0.2 was declared, or a scenario outside of it failing.
Limits: failures beyond 10,000 a kind are kept in part, so that the users they hit are a lower
bound: enough to break a bar, not to meet it. So is what a fault hurt that was cut short. Dropped
iterations may each be a request, and a user, that was hurt.
Source: Principles of Chaos Engineering, "Minimize Blast Radius"; Google's SRE Workbook, chapter 2.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

import numpy as np

from stormproof.checks.completeness import Completeness
from stormproof.checks.faults import FaultStory
from stormproof.checks.outcome import Key, Measurement, Outcome
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import Failure
from stormproof.model.ledger import EntryKind
from stormproof.model.plan import NamedObjective, Plan
from stormproof.model.record import Record
from stormproof.model.series import Series, SeriesKind
from stormproof.rules.aggregate import value_of_cell
from stormproof.rules.drill_metrics import (
    BLAST_REQUESTS,
    BLAST_TENANTS,
    BLAST_USERS,
    BUDGET_BURNT,
    OF_DISTURBANCE,
)
from stormproof.rules.fold import THOUSANDTHS, fold_users, merge_cells
from stormproof.rules.measure import DROPS, measure_record
from stormproof.rules.tags import format_metric
from stormproof.rules.windows import Windows

LONGER = "let more of the load run while the faults are in force"
Wanted = Callable[[Series], bool]


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
        measured[BLAST_REQUESTS, scenario] = _requests(record, windows, seconds, scenario)
    measured[BLAST_USERS, ""] = _users(record, windows, seconds)
    measured[BLAST_TENANTS, ""] = _tenants(record, windows, completeness)
    why, remedy = next((one.doubt() for one in stories.values() if one.doubt()[0]), ("", ""))
    if why:  # what was seen stays seen: enough to break a bar, not to meet it
        measured = {
            key: replace(one, why=why, remedy=remedy, between=None) for key, one in measured.items()
        }
    for slo in record.plan.slos:
        measured[BUDGET_BURNT, slo.name] = _burnt(slo, record, windows)
    return Outcome(measured=measured)


def _of(scenario: str) -> Wanted:
    """Return what picks the operations of a scenario, or all of them."""
    return lambda one: (
        one.kind is SeriesKind.OPERATION and scenario in ("", one.tags.get("scenario"))
    )


def _counts(record: Record, seconds: Collection[int], wanted: Wanted) -> tuple[int, int]:
    """Return how many rows of some series ended in some seconds, and how many of them failed."""
    ids = {
        worker: {one.id for one in known.values() if wanted(one)}
        for worker, known in record.series.items()
    }
    count = failed = 0
    for frame in record.frames:
        if frame.second in seconds:
            for counts in frame.counts_of(ids.get(frame.worker, set())):
                count += counts.count
                failed += counts.failed
    return count, failed


def _kept(record: Record, wanted: Wanted) -> list[Failure]:
    """Return the failures of some series that were kept."""
    return [
        one
        for one in record.failures
        if (series := record.series.get(one.worker, {}).get(one.series)) is not None
        and wanted(series)
    ]


def _hurt(kept: Iterable[Failure], windows: Windows) -> list[Failure]:
    """Return the failures that were under way while faults were in force or recovered from."""
    spans = _spans_ns(windows)
    return [
        one
        for one in kept
        if any(one.start_ns < to_ns and one.end_ns >= from_ns for from_ns, to_ns in spans)
    ]


def _spans_ns(windows: Windows) -> list[tuple[int, int]]:
    origin_ns = windows.origin_ns or 0
    return [
        (origin_ns + from_s * SECOND_NS, origin_ns + to_s * SECOND_NS)
        for from_s, to_s in windows.spans("disturbed")
    ]


def _later(record: Record, seconds: set[int]) -> set[int]:
    """Return the seconds in which may have ended what was sent in `seconds`."""
    first = min(seconds, default=0)
    return {one.second for one in record.frames if seconds and one.second > first} - seconds


def _unseen(record: Record, windows: Windows, seconds: set[int], wanted: Wanted) -> tuple[int, int]:
    """Return how many failures of some seconds there were, and how many of them were not kept."""
    _, failed = _counts(record, seconds, wanted)
    kept = [one for one in _kept(record, wanted) if windows.second_of(one.end_ns) in seconds]
    return failed, max(0, failed - len(kept))


def _dropped(record: Record, seconds: set[int], scenario: str) -> int:
    """Return how many iterations nobody was free for: users were hanging, who knows how many."""
    count, _ = _counts(
        record,
        seconds,
        lambda one: one.metric == DROPS and scenario in ("", one.tags.get("scenario")),
    )
    return count


def _open(share: Measurement, most: float, missing: str, dropped: int) -> Measurement:
    """Say what leaves a share open: failures that were not kept, and iterations never begun."""
    drops = f"{dropped} iterations were dropped while faults were in force" if dropped else ""
    why = "; ".join(one for one in (missing, drops) if one)
    if not why or share.value is None:
        return share
    between = (share.value, min(1.0, most))
    return replace(share, why=why, remedy="lower the rate, or give more users", between=between)


def _requests(record: Record, windows: Windows, seconds: set[int], scenario: str) -> Measurement:
    """Return the share of requests that failed, those included that failed later by a deadline."""
    wanted = _of(scenario)
    count, failed = _counts(record, seconds, wanted)
    hurt = _hurt(_kept(record, wanted), windows)
    late = sum(windows.second_of(one.end_ns) not in seconds for one in hurt)
    count, failed = count + late, failed + late
    later, unseen = _unseen(record, windows, _later(record, seconds), wanted)
    missing = f"{unseen} of {later} later failures were not kept" if unseen else ""
    dropped = _dropped(record, seconds, scenario)
    share = _share(failed, count, "no operation ended while faults were in force")
    more = unseen + dropped
    return _open(share, (failed + more) / max(1, count + more), missing, dropped)


def _users(record: Record, windows: Windows, seconds: set[int]) -> Measurement:
    """Return the share of users hurt; a bound from below where failures were kept in part."""
    inside = [frame for frame in record.frames if frame.second in seconds]
    levels = merge_cells(fold_users(inside, busy=False).values()).level
    users = 0 if levels is None else round(levels.high / THOUSANDTHS)
    kept = _hurt(_kept(record, _of("")), windows)
    hurt = min(users, len({(one.worker, one.user) for one in kept}))
    share = _share(hurt, users, "there were no users while faults were in force")
    failed, unseen = _unseen(record, windows, seconds | _later(record, seconds), _of(""))
    missing = f"{unseen} of {failed} failures were not kept, nor whom they hit" if unseen else ""
    dropped = _dropped(record, seconds, "")
    return _open(share, (hurt + unseen + dropped) / max(1, users), missing, dropped)


def _tenants(record: Record, windows: Windows, completeness: Completeness) -> Measurement:
    """Return the share of scopes into which something was sent and refused, or left unknown."""
    touched: set[int] = set()
    hurt: set[int] = set()
    spans = _spans_ns(windows)
    keys = np.zeros(0, np.uint64)  # of what was sent meanwhile; it may be refused later
    for entries in record.ledger:
        at_ns, kinds = entries["at_ns"].astype(np.int64), entries["kind"]
        inside = np.zeros(len(entries), dtype=bool)
        for from_ns, to_ns in spans:
            inside |= (at_ns >= from_ns) & (at_ns < to_ns)
        sent = inside & (kinds == EntryKind.INVOKE)
        keys = np.concatenate([keys, entries["key"][sent]])
        refused = np.flatnonzero((kinds == EntryKind.FAIL) | (kinds == EntryKind.UNKNOWN))
        refused = refused[inside[refused] | np.isin(entries["key"][refused], keys)]
        hurt.update(np.unique(entries["scope"][refused]).tolist())
        touched.update(np.unique(entries["scope"][sent]).tolist(), hurt)
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
