"""Runs that a live decision ended, or should have: decide again, and judge what was broken.

The objective that ended a run is judged on the seconds that it was decided on: they are the
evidence, whole and on disk, although the run is not. It is FAIL where the verdict's own rules
agree; everything else lacks the evidence that the rest of the run would have brought.

What is broken in the record and was never decided on is our own fault, unless the run said that it
could not decide, or had no time left to: then a stop condition is judged like an objective.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from stormproof.checks.bench import TO_THE_END, Bench, Doubt
from stormproof.checks.completeness import warned
from stormproof.checks.objectives import judge_objective, judge_whole
from stormproof.checks.steady import irreproducible
from stormproof.checks.stretches import judge_stretch
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import (
    BREACH_ACTIONS,
    BREACHES_UNSEEN,
    ControlEvent,
    DecisionEvent,
    OriginEvent,
    Phase,
    PhaseEvent,
)
from stormproof.model.finding import Finding, Witness
from stormproof.model.objective import Objective, Status
from stormproof.model.plan import Plan
from stormproof.model.record import Record
from stormproof.model.series import AnyFrame
from stormproof.model.verdict import Judged
from stormproof.rules.abort import AbortRules, Breach

LAST_S: Final = 2  # of a load, in which a decision may not be carried out any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaches:
    """What was broken that has the power to end a run or its faults.

    `seconds`: of each such objective by name, those that it was broken in. `findings`: what the
    record does not bear out. `stops`: the stop conditions that are to be judged.
    """

    seconds: Mapping[str, range]
    findings: tuple[Finding, ...]
    stops: tuple[Objective, ...]


def replay_breaches(record: Record) -> Breaches:
    """Decide again over the whole load, and hold it against what was decided live.

    A decision that cannot be computed again, and a breach that nobody decided on, is our own
    fault: it leaves the run undecided.
    """
    plan = record.plan
    decisions = [
        e for e in record.events if isinstance(e, DecisionEvent) and e.action in BREACH_ACTIONS
    ]
    end = min(_load_end(record), _sent_by_all(record))
    again = _breaches(record, max((end, *(one.to_second for one in decisions))))
    by_place = {(one.objective.name, one.to_second, _action(one, plan)): one for one in again}
    seconds: dict[str, range] = {}
    findings: list[Finding] = []
    for decision in decisions:
        breach = by_place.get((decision.rule, decision.to_second, decision.action))
        if breach is not None and _agrees(decision, breach):
            seconds[decision.rule] = range(decision.from_second, decision.to_second)
        else:
            findings.append(irreproducible(decision, _told(breach)))
    is_blind = bool(warned(record, BREACHES_UNSEEN))
    for breach in _undecided(again, decisions, end, plan):
        if not is_blind and breach.to_second <= end - LAST_S:
            findings.append(_unnoticed(breach, record))
        elif breach.objective in plan.stops:
            seconds[breach.objective.name] = range(breach.from_second, breach.to_second)
    stops = tuple(one for one in plan.stops if is_blind or one.name in seconds)
    return Breaches(seconds=seconds, findings=tuple(findings), stops=stops)


def _breaches(record: Record, to_second: int) -> list[Breach]:
    """Take the stored frames as the live rules did; return what was broken, in order."""
    plan, broken = record.plan, list[Breach]()
    if not plan.stops and all(one.abort is None for one in plan.objectives):
        return broken
    by_second: dict[int, list[AnyFrame]] = {}
    for frame in record.frames:
        by_second.setdefault(frame.second, []).append(frame)
    rules = AbortRules(plan)
    for second in range(min(by_second, default=to_second), to_second):
        broken += rules.take(second, by_second.get(second, []), record.series)
    return broken


def _load_end(record: Record) -> int:
    """Return the last whole second of the load; 0 where the record does not say when it ended.

    Who has a load stopped has its end decided: nothing is decided live any more.
    """
    origin_ns = next((e.at_ns for e in record.events if isinstance(e, OriginEvent)), 0)
    phases = [one for one in record.events if isinstance(one, PhaseEvent)]
    drains = [one.at_ns for one in phases if one.phase is Phase.DRAIN]
    orders = [one for one in record.events if isinstance(one, ControlEvent)]
    if not drains:
        return 0
    stops = [one.at_ns for one in orders if one.kind == "stop"]
    return (min([*drains, *stops]) - origin_ns) // SECOND_NS


def _sent_by_all(record: Record) -> int:
    """Return the second before which every worker has sent its frames: later ones are not decided
    on, live, as when a load that counts its iterations has done them all."""
    newest: dict[int, int] = {}
    for frame in record.frames:
        newest[frame.worker] = max(frame.second, newest.get(frame.worker, frame.second))
    return min(newest.values()) + 1 if len(newest) >= record.plan.workers else 0


def _undecided(
    again: list[Breach], decisions: list[DecisionEvent], end: int, plan: Plan
) -> list[Breach]:
    """Return the first breach of each objective that no decision is about.

    Nothing is decided after an abort, and each objective once at most.
    """
    aborts = [one.to_second for one in decisions if one.action == "abort"]
    last = min((end, *aborts))
    first: dict[tuple[str, str], Breach] = {}
    decided = {one.rule for one in decisions}
    for breach in again:
        if breach.to_second <= last and breach.objective.name not in decided:
            first.setdefault((breach.objective.name, _action(breach, plan)), breach)
    return list(first.values())


def _action(breach: Breach, plan: Plan) -> str:
    return "undo" if breach.objective in plan.stops else "abort"


def _agrees(decision: DecisionEvent, again: Breach) -> bool:
    return (
        decision.from_second,
        decision.value,
        decision.bar,
        decision.status,
    ) == (again.from_second, again.value, again.objective.bar, Status.FAIL)


def _told(again: Breach | None) -> str:
    if again is None:
        return "not broken"
    return f"{again.value} in seconds {again.from_second} to {again.to_second}"


def _unnoticed(breach: Breach, record: Record) -> Finding:
    """Return the finding that a run went on although the record says that it should not have."""
    origin_ns = next((e.at_ns for e in record.events if isinstance(e, OriginEvent)), 0)
    at_ns = origin_ns + breach.to_second * SECOND_NS
    return Finding(
        kind="irreproducible-decision",
        title=f"{breach.objective.name} was broken, and the run did not decide on it",
        count=1,
        witnesses=[Witness(what=f"from the record: {_told(breach)}; live: nothing", at_ns=at_ns)],
        advice="report this with the record: it is a defect of stormproof",
    )


def judge_asked(objective: Objective, breaches: Breaches, bench: Bench) -> Judged:
    """Answer an objective: on the seconds that it was broken in, where that had consequences."""
    seconds = breaches.seconds.get(objective.name)
    if seconds is None:
        return judge_objective(objective, bench)
    return _judge_breach(objective, seconds, bench)


def _judge_breach(objective: Objective, seconds: range, bench: Bench) -> Judged:
    """Answer the objective that ended a run, on the seconds that it was decided on."""
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
