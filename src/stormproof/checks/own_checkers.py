"""Checkers of a trial's file: how one is asked, and what a verdict makes of its answer.

`ask` runs a user's function over a history and holds what it returns to its word; it is called in
a process of its own (`cli.own_checking`), so that nothing a checker does reaches another one or the
judge. `own_outcome` is pure: answers in, findings and measurements out. Whatever is not a whole
answer leaves all that the checker measures undecided.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real

from stormproof.checks.outcome import Key, Measurement, Outcome
from stormproof.checks.own_history import HistoryView, Operation
from stormproof.checks.own_words import Unspelt
from stormproof.checks.wording import counted
from stormproof.kernel.limits import (
    FINDINGS_LISTED_MAX,
    OWN_BREACH_OPERATIONS_MAX,
    OWN_TEXT_CHARACTERS_MAX,
)
from stormproof.model.finding import OWN_BREACH, Finding, Witness
from stormproof.model.own_checker import Checker, FoundBreach, OwnAnswer
from stormproof.model.plan import OwnChecker, Plan
from stormproof.rules.catalog import CATALOG

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F.]+")
_LOOKED_AT_MAX = 2**53
NOT_RUN = OwnAnswer(
    why="the checkers of the trial's file were not run: they are somebody's code",
    remedy="read journeys/ in the run directory, then judge with --trust-checkers",
)
REWORD = "leave out `keys`, compare words, or have the journeys use fewer or shorter texts"
MEND = "mend the checker and run again: a record is judged by the checkers it was made with"
REPEAT = "run again, to its end, and leave the record as it was sealed"


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing that is wrong, shown by the operations that it cites (at least one)."""

    what: str
    operations: Sequence[Operation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a checker says.

    Args:
        looked_at: how many things (orders, carts, ...) its answer is about; of none there is none.
        measured: a number, not negative, for each of its metrics.
        breaches: what is wrong: each fails the run, whether an objective asks or not.
        undecided: why what it measured is no basis for a verdict; empty: it is one.
        remedy: what to do about that.
        advice: what to look at where something is wrong.
    """

    looked_at: int
    measured: Mapping[str, float]
    breaches: Sequence[Breach] = ()
    undecided: str = ""
    remedy: str = ""
    advice: str = ""


def ask(checker: Checker, history: HistoryView) -> OwnAnswer:
    """Run a checker over a history, if there is what it needs.

    Raises:
        Exception: whatever the checker raises, but `Unspelt`, which is an answer.
    """
    try:
        view = history.with_keys(checker.keys) if checker.keys else history
        lacking = _lacking(checker, view)
        return lacking or answer_of(checker, view, checker.run(view))
    except Unspelt as error:
        return OwnAnswer(why=str(error.args[0]), remedy=REWORD)


def _lacking(checker: Checker, view: HistoryView) -> OwnAnswer | None:
    """Say what the checker needs and the record does not have."""
    # Where every key must have been read in the end, it does not matter who did not settle.
    gap = view.missing or ("" if checker.final_reads else view.unsettled)
    if gap and not checker.bears_cuts:
        why = f"{gap}: what is missing may explain whatever it would find"
        return OwnAnswer(why=why, remedy=REPEAT)
    on = f" on a key {checker.keys}..." if checker.keys else ""
    for one in checker.needs:
        if not any(True for _ in view.operations(one)):
            why = f"no journey told the ledger: no {one!r} was recorded{on}"
            return OwnAnswer(why=why, remedy="check what the journeys tell the ledger")
    unread = view.unread() if checker.final_reads else []
    if not unread:
        return None
    why = f"{counted(len(unread), 'key')} not read after the last change, such as by {unread[0]}"
    return OwnAnswer(why=why, remedy="read everything once more in `settle`")


def answer_of(checker: Checker, view: HistoryView, given: object) -> OwnAnswer:
    """Hold what a checker returned to its word."""
    if not isinstance(given, Checked):
        return _failed(f"returned {_short(given)} and not a Checked")
    problem = next(_problems(checker, view, given), "")
    if problem:
        return _failed(problem)
    breaches = [_found(one) for one in given.breaches[:FINDINGS_LISTED_MAX]]
    why, remedy = given.undecided, given.remedy
    if not given.looked_at and not why:
        why, remedy = "it looked at nothing", "check what the journeys tell and what it looks for"
    return OwnAnswer(
        why=_cut(why),
        remedy=_cut(remedy),
        looked_at=int(given.looked_at),
        measured={} if why else {name: float(value) for name, value in given.measured.items()},
        breaches=tuple(breaches),
        count=len(given.breaches),
        advice=_cut(given.advice),
    )


def _failed(what: str) -> OwnAnswer:
    return OwnAnswer(why=f"it {what}", remedy=MEND, failed=True)


def _problems(checker: Checker, view: HistoryView, given: Checked) -> Iterator[str]:
    """Say what is wrong with an answer; whoever wrote it may have put anything anywhere."""
    looked_at: object = given.looked_at
    if not _is_number(looked_at, Integral) or not 0 <= given.looked_at <= _LOOKED_AT_MAX:
        yield f"says that it looked at {_short(looked_at)}, which is no number of things"
    for word in ("undecided", "remedy", "advice"):
        if not isinstance(getattr(given, word), str):
            yield f"says {word}={_short(getattr(given, word))}, which is no text"
    yield from _bad_numbers(checker, given)
    if isinstance(given.breaches, list | tuple) and given.breaches and not looked_at:
        yield "found breaches, and says that it looked at nothing"
    yield from _bad_breaches(view, given.breaches)


def _bad_numbers(checker: Checker, given: Checked) -> Iterator[str]:
    measured: object = given.measured
    if not isinstance(measured, Mapping):
        yield f"measured {_short(measured)}, which is no mapping of metrics to numbers"
        return
    declared = {one.name for one in checker.metrics}
    for name, value in measured.items():
        if name not in declared:
            yield f"measured {_short(name)}, which it does not declare"
        elif not _is_number(value, Real):
            yield f"measured {name} as {_short(value)}, which is no number"
        elif not math.isfinite(value) or value < 0:
            yield f"measured {name} as {_short(value)}: it must be finite and not negative"
    for name in sorted(declared - set(measured)):
        if not given.undecided:
            yield f"did not measure {name}"


def _is_number(value: object, kind: type[Real | Integral]) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _bad_breaches(view: HistoryView, breaches: object) -> Iterator[str]:
    if not isinstance(breaches, list | tuple):
        yield f"has breaches that are no list: {_short(breaches)}"
        return
    for one in breaches:
        if not isinstance(one, Breach):
            yield f"found {_short(one)}, which is no Breach"
        elif not _is_said(one.what):
            yield f"found a breach that does not say what is wrong: {_short(one.what)}"
        elif not isinstance(one.operations, list | tuple):
            yield f"shows {_short(one.what)} by {_short(one.operations)}: give it a list of them"
        elif not one.operations:
            yield f"found {_short(one.what)} without an operation that shows it"
        elif not all(isinstance(each, Operation) for each in one.operations):
            yield f"shows {_short(one.what)} by something that is no operation"
        elif not all(each.is_of(view) for each in one.operations):
            yield f"shows {_short(one.what)} by operations of another history"


def _is_said(what: object) -> bool:
    return isinstance(what, str) and bool(what.strip())


def _found(breach: Breach) -> FoundBreach:
    shown = breach.operations[:OWN_BREACH_OPERATIONS_MAX]
    more = len(breach.operations) - len(shown)
    told = "; ".join([*map(str, shown), *([f"and {more} more"] if more > 0 else [])])
    last = max(shown, key=lambda one: one.ended_ns or one.began_ns)
    return FoundBreach(
        what=_cut(breach.what),
        shown=told,
        at_ns=last.ended_ns or last.began_ns,
        keys=tuple(dict.fromkeys(f"{one.key_id:016x}" for one in shown)),
    )


def _short(value: object) -> str:
    return without_addresses(_cut(repr(value), 80))


def without_addresses(text: str) -> str:
    """Return a text without places in memory, which are others whenever it is judged again."""
    return _ADDRESS.sub("", text)


def _cut(text: str, most: int = OWN_TEXT_CHARACTERS_MAX) -> str:
    """Return a text on one line, of a length that fits a verdict, and that can be written."""
    flat = " ".join(text.split()).encode("utf-8", "replace").decode()
    return flat if len(flat) <= most else f"{flat[: most - 3]}..."


def own_outcome(plan: Plan, answers: Mapping[str, OwnAnswer] | None) -> Outcome:
    """Return findings and measurements of the checkers that a plan names.

    Args:
        plan: of the record.
        answers: by function; None: they were not run.
    """
    findings: list[Finding] = []
    measured: dict[Key, Measurement] = {}
    claims = Counter(metric.name for own in plan.own_checkers for metric in own.metrics)
    for own in plan.own_checkers:
        answer = NOT_RUN if answers is None else answers.get(own.source.function, NOT_RUN)
        clash = next((one.name for one in own.metrics if _is_taken(one.name, claims)), "")
        if clash:
            answer = _failed(f"claims {clash}, which another checker measures")
        findings += _findings(own, answer)
        measured |= {
            (one.name, ""): _measurement(one.name, answer)
            for one in own.metrics
            if one.name not in CATALOG
        }
    return Outcome(findings=findings, measured=measured)


def _is_taken(name: str, claims: Counter[str]) -> bool:
    return name in CATALOG or claims[name] > 1


def _measurement(metric: str, answer: OwnAnswer) -> Measurement:
    value = answer.measured.get(metric)
    if answer.why or value is None:
        why = answer.why or f"its checker did not measure {metric}"
        return Measurement(value=None, samples=0, why=why, remedy=answer.remedy)
    return Measurement(value=value, samples=answer.looked_at)


def _findings(own: OwnChecker, answer: OwnAnswer) -> Iterator[Finding]:
    name = own.source.function
    if answer.breaches:
        more = answer.count - 1
        what = answer.breaches[0].what + (f" (and {more} more)" if more > 0 else "")
        yield Finding(
            kind=OWN_BREACH,
            title=f"{name}: {what}",
            count=answer.count,
            witnesses=[
                Witness(what=f"{one.what}: {one.shown}", at_ns=one.at_ns, of=one.keys)
                for one in answer.breaches[:FINDINGS_LISTED_MAX]
            ],
            advice=answer.advice,
        )
    if answer.why:
        kind = "own-failed" if answer.failed else "own-undecided"
        yield Finding(kind=kind, title=f"{name}: {answer.why}", count=1, advice=answer.remedy)


def checker_of(finding: Finding, plan: Plan) -> str:
    """Return which checker of the trial's file found something; empty: none did."""
    if not finding.kind.startswith("own-"):
        return ""
    names = (own.source.function for own in plan.own_checkers)
    return next((one for one in names if finding.title.startswith(f"{one}: ")), "")
