"""A run that a live decision ended: decide again from the record, and judge what was broken.

The objective that ended it is judged on the seconds that it was decided on: they are the evidence,
whole and on disk, although the run is not. It is FAIL where the verdict's own rules agree;
everything else lacks the evidence that the rest of the run would have brought.
"""

from __future__ import annotations

from stormproof.checks.bench import TO_THE_END, Bench, Doubt
from stormproof.checks.objectives import judge_whole
from stormproof.checks.steady import ABORT, irreproducible
from stormproof.checks.stretches import judge_stretch
from stormproof.model.event import DecisionEvent
from stormproof.model.finding import Finding
from stormproof.model.objective import Objective, Status
from stormproof.model.record import Record
from stormproof.model.series import AnyFrame
from stormproof.model.verdict import Judged
from stormproof.rules.abort import AbortRules, Breach


def replay_aborts(record: Record) -> tuple[dict[str, DecisionEvent], list[Finding]]:
    """Return the decisions that ended the run, by rule, and what the record does not bear out.

    A decision that cannot be computed again is our own fault: it leaves the run undecided.
    """
    decisions = [e for e in record.events if isinstance(e, DecisionEvent) and e.action == ABORT]
    if not decisions:
        return {}, []
    again = {breach.objective.name: breach for breach in _breaches(record, decisions[0].to_second)}
    borne_out = {one.rule: one for one in decisions if _agrees(one, again.get(one.rule))}
    findings = [
        irreproducible(one, _told(again.get(one.rule)))
        for one in decisions
        if one.rule not in borne_out
    ]
    return borne_out, findings


def _breaches(record: Record, to_second: int) -> list[Breach]:
    """Take the stored frames as the live rules did, and return what was broken at `to_second`."""
    by_second: dict[int, list[AnyFrame]] = {}
    for frame in record.frames:
        by_second.setdefault(frame.second, []).append(frame)
    rules, broken = AbortRules(record.plan), list[Breach]()
    for second in range(min(by_second, default=to_second), to_second):
        broken = rules.take(second, by_second.get(second, []), record.series)
    return broken


def _agrees(decision: DecisionEvent, again: Breach | None) -> bool:
    return again is not None and (
        (decision.from_second, decision.to_second, decision.value, decision.bar, decision.status)
        == (again.from_second, again.to_second, again.value, again.objective.bar, Status.FAIL)
    )


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
