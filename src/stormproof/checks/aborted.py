"""A run whose load or faults a live decision ended: decide again, and judge what was broken.

The objective that ended it is judged on the seconds that it was decided on: they are the evidence,
whole and on disk, although the run is not. It is FAIL where the verdict's own rules agree;
everything else lacks the evidence that the rest of the run would have brought.
"""

from __future__ import annotations

from stormproof.checks.bench import TO_THE_END, Bench, Doubt
from stormproof.checks.objectives import judge_whole
from stormproof.checks.steady import irreproducible
from stormproof.checks.stretches import judge_stretch
from stormproof.model.event import BREACH_ACTIONS, DecisionEvent
from stormproof.model.finding import Finding
from stormproof.model.objective import Objective, Status
from stormproof.model.plan import Plan
from stormproof.model.record import Record
from stormproof.model.series import AnyFrame
from stormproof.model.verdict import Judged
from stormproof.rules.abort import AbortRules, Breach


def replay_breaches(record: Record) -> tuple[dict[str, DecisionEvent], list[Finding]]:
    """Return the decisions that ended the run or its faults, and what the record does not bear out.

    A decision that cannot be computed again is our own fault: it leaves the run undecided.
    """
    decisions = [
        e for e in record.events if isinstance(e, DecisionEvent) and e.action in BREACH_ACTIONS
    ]
    if not decisions:
        return {}, []
    again = _breaches(record, max(one.to_second for one in decisions))
    borne_out: dict[str, DecisionEvent] = {}
    findings: list[Finding] = []
    for one in decisions:
        breach = again.get((one.rule, one.to_second))
        if _agrees(one, breach, record.plan):
            borne_out[one.rule] = one
        else:
            findings.append(irreproducible(one, _told(breach)))
    return borne_out, findings


def _breaches(record: Record, to_second: int) -> dict[tuple[str, int], Breach]:
    """Take the stored frames as the live rules did; return what was broken, by name and end."""
    by_second: dict[int, list[AnyFrame]] = {}
    for frame in record.frames:
        by_second.setdefault(frame.second, []).append(frame)
    rules, broken = AbortRules(record.plan), list[Breach]()
    for second in range(min(by_second, default=to_second), to_second):
        broken += rules.take(second, by_second.get(second, []), record.series)
    return {(one.objective.name, one.to_second): one for one in broken}


def _agrees(decision: DecisionEvent, again: Breach | None, plan: Plan) -> bool:
    if again is None or (again.objective in plan.stops) != (decision.action == "undo"):
        return False
    return (
        decision.from_second,
        decision.to_second,
        decision.value,
        decision.bar,
        decision.status,
    ) == (again.from_second, again.to_second, again.value, again.objective.bar, Status.FAIL)


def _told(again: Breach | None) -> str:
    if again is None:
        return "not broken"
    return f"{again.value} in seconds {again.from_second} to {again.to_second}"


def judge_aborting(objective: Objective, decision: DecisionEvent, bench: Bench) -> Judged:
    """Answer the objective that ended a run, on the seconds that it was decided on."""
    seconds = range(decision.from_second, decision.to_second)
    problems = bench.completeness.problems
    doubt = Doubt(why=problems[0], remedy=TO_THE_END) if problems else None
    judged = _judge_over(objective, bench, seconds, doubt)
    if judged.status is not Status.PASS:
        return judged
    cut = Doubt(why=bench.completeness.why, remedy=TO_THE_END)
    return _judge_over(objective, bench, seconds, cut)


def _judge_over(objective: Objective, bench: Bench, seconds: range, doubt: Doubt | None) -> Judged:
    if objective.stretch is not None:
        return judge_stretch(objective, bench, seconds, doubt)
    return judge_whole(objective, bench, set(seconds), doubt)
