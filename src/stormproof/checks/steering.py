"""Was the load what the plan says, or was it steered?

What it does: turns every change that was made to the load while the run went on into one finding.
Why it matters: a paused or scaled load asks less, or more, of the target than the plan that the
verdict is about. A failure looks like: "the load was steered: pause all scenarios at 12.400 s".
Limits: a stop that a live decision gave is that decision's matter, not a steered run's.
Source: "missing evidence is never a pass", law 2.
"""

from __future__ import annotations

from stormproof.checks.outcome import Outcome
from stormproof.kernel.limits import FINDINGS_LISTED_MAX
from stormproof.model.event import ControlEvent, DecisionEvent
from stormproof.model.finding import Finding, Witness
from stormproof.model.record import Record
from stormproof.rules.windows import Windows


def check_steering(record: Record, windows: Windows) -> Outcome:
    """Find the changes that somebody made to the load."""
    aborted = any(isinstance(e, DecisionEvent) and e.action == "abort" for e in record.events)
    changes = [
        event
        for event in record.events
        if isinstance(event, ControlEvent) and not (aborted and event.kind == "stop")
    ]
    if not changes:
        return Outcome()
    told = [f"{one.order} at {windows.at_s(one.at_ns):.3f} s" for one in changes]
    more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
    finding = Finding(
        kind="steered",
        title=f"the load was steered: {told[0]}{more}",
        count=len(changes),
        witnesses=[
            Witness(what=text, at_ns=one.at_ns) for text, one in zip(told, changes, strict=True)
        ][:FINDINGS_LISTED_MAX],
        advice="to certify, let a run go as its plan says",
    )
    return Outcome(findings=[finding])
