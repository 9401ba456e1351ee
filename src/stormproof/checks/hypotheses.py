"""What must hold all the while, before, during and after the faults, as spans in which it did not.

What it does: asks each hypothesis second by second over the judged load, and joins the seconds that
broke it to spans; nothing is stopped at the first. Why it matters: a deviation that heals before
the end is one all the same, and how long it lasted is what a drill is run for. What a failure looks
like: "feed-answers broken for 7 s: 12 to 19 s (cache-cut)". Limits: as fine as a second; a second
without a sample may have been a broken one, so that it meets no bar that it would break.
Source: Chaos Toolkit's steady-state hypothesis, whose probes end at the first failure.
"""

from __future__ import annotations

from stormproof.checks.outcome import Key, Measurement, Outcome, worst_of
from stormproof.model.plan import NamedObjective
from stormproof.model.record import Record
from stormproof.model.verdict import Broken, HypothesisSpans
from stormproof.rules.aggregate import value_of_cell
from stormproof.rules.bar import meets
from stormproof.rules.drill_metrics import HYPOTHESIS_BROKEN
from stormproof.rules.grammar import format_objective
from stormproof.rules.measure import measure_record
from stormproof.rules.windows import Windows, spans_of

SPANS_MAX = 200  # told of one hypothesis; the time is of all


def check_hypotheses(record: Record, windows: Windows) -> Outcome:
    """Measure for how many seconds each hypothesis was broken; see the module."""
    measured: dict[Key, Measurement] = {}
    for one in record.plan.hypotheses:
        broken, unknown = _seconds(one, record, windows)
        asked = len(windows.seconds("load"))
        open_s = f"{unknown} of the load's {asked} s have no sample of {one.name}"
        measured[HYPOTHESIS_BROKEN, one.name] = Measurement(
            value=float(len(broken)),
            samples=asked - unknown,
            why=open_s if unknown or not asked else "",
            remedy="ask more often, or let the load go on all through",
            between=(float(len(broken)), float(len(broken) + unknown)) if asked else None,
        )
    if measured:
        measured[HYPOTHESIS_BROKEN, ""] = worst_of(list(measured.values()))
    return Outcome(measured=measured)


def spans_of_hypotheses(record: Record, windows: Windows) -> list[HypothesisSpans]:
    """Return when each hypothesis of the plan was broken, with the faults around it."""
    told = []
    for one in record.plan.hypotheses:
        broken, unknown = _seconds(one, record, windows)
        spans = [
            Broken(from_s=from_s, to_s=to_s, faults=_faults_around(windows, from_s, to_s))
            for from_s, to_s in spans_of(broken)
        ]
        told.append(
            HypothesisSpans(
                name=one.name,
                asked=format_objective(one.objective),
                broken_s=len(broken),
                unknown_s=unknown,
                spans=spans[:SPANS_MAX],
            )
        )
    return told


def _seconds(one: NamedObjective, record: Record, windows: Windows) -> tuple[set[int], int]:
    """Return the seconds of the load that broke a hypothesis, and how many say nothing."""
    seconds = windows.seconds("load")
    cells = measure_record(one.objective, record, windows.origin_ns, seconds).cells
    broken: set[int] = set()
    unknown = 0
    for second in seconds:
        cell = cells.get(second)
        value = None if cell is None else value_of_cell(one.objective, cell, 1)
        if value is None or (value.value is None and value.samples == 0):
            unknown += 1
        elif not meets(one.objective, value):
            broken.add(second)
    return broken, unknown


def _faults_around(windows: Windows, from_s: int, to_s: int) -> list[str]:
    """Return the faults in force, or being recovered from, in a span of seconds."""
    return [
        life.fault
        for life in windows.faults
        if windows.at_s(life.start_ns) < to_s
        and windows.at_s(max(life.end_ns, life.back_ns or life.end_ns)) > from_s
    ]
