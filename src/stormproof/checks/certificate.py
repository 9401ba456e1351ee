"""One verdict over the trials of a program: pure, so that anybody can come to it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from stormproof.checks.judge import worst
from stormproof.checks.wording import counted
from stormproof.kernel.canonical import canonical_json, sha256_hex
from stormproof.model.objective import Status
from stormproof.model.program import (
    RECOVERY,
    Certificate,
    CoverageAnswer,
    Entry,
    ProgramOrder,
    TrialAnswer,
)
from stormproof.model.verdict import Verdict


def answer_of(entry: Entry, verdict: Verdict, folder: str) -> TrialAnswer:
    """Return what a trial came to.

    Args:
        entry: the trial in its program.
        verdict: over its run.
        folder: of the run, below the program's.
    """
    excused = entry.may_fail and may_be_excused(verdict)
    met = sum(one.status is Status.PASS for one in verdict.objectives)
    return TrialAnswer(
        id=entry.id,
        trial=entry.trial,
        title=verdict.trials[0].title if verdict.trials else entry.trial,
        profile=entry.profile,
        status=verdict.verdict,
        headline=verdict.headline_tail,
        scope=verdict.scope,
        run=verdict.run,
        folder=folder,
        may_fail=entry.may_fail,
        excused=excused,
        met=met,
        objectives=len(verdict.objectives),
        not_judged=tuple(one.objective for one in verdict.not_judged),
    )


def unanswered(entry: Entry, why: str) -> TrialAnswer:
    """Return the answer of a trial that was not judged: missing evidence is never a pass."""
    return TrialAnswer(
        id=entry.id,
        trial=entry.trial,
        title=entry.trial,
        profile=entry.profile,
        status=Status.INCONCLUSIVE,
        headline="not judged",
        may_fail=entry.may_fail,
        why=why,
    )


def may_be_excused(verdict: Verdict) -> bool:
    """Tell whether a trial broke nothing but bars: no data in doubt, no recovery missed.

    What is undecided is no failure that a mark could excuse: nobody knows what it would have been.
    """
    kept = [one for one in verdict.objectives if one.exact or one.name.startswith(RECOVERY)]
    whole = all(one.status is Status.PASS for one in kept)
    return verdict.verdict is Status.FAIL and whole and not verdict.findings


def certificate_of(
    order: ProgramOrder,
    answers: Mapping[str, TrialAnswer],
    coverage: CoverageAnswer | None,
    *,
    version: str,
) -> Certificate:
    """Return the certificate of a program.

    Args:
        order: what was asked.
        answers: of its trials, by id; one that is missing was never reached.
        coverage: what the tests cover; None: it was not asked.
        version: of stormproof, for the certificate.
    """
    trials = [
        answers.get(one.id) or unanswered(one, "the program ended before it") for one in order.asked
    ]
    asked = {one.id for one in order.asked}
    left_out = [one.id for one in order.program.entries if one.id not in asked]
    counting = [one.status for one in trials if not one.excused]
    if coverage is not None:
        counting.append(coverage.status)
    # A program whose trials are all excused has shown nothing.
    verdict = worst(counting) if counting else Status.INCONCLUSIVE
    reduced = bool(left_out) or any(one.scope == "reduced" for one in trials)
    scope: Literal["full", "reduced"] = "reduced" if reduced else "full"
    return Certificate(
        stormproof=version,
        verdict=verdict,
        scope=scope,
        headline=_headline(trials, coverage, verdict, len(order.program.entries), scope),
        program=order.program.name,
        title=order.program.title,
        program_sha256=sha256_hex(canonical_json(order.program)),
        scale=order.scale,
        trials=trials,
        left_out=left_out,
        coverage=coverage,
    )


def _headline(
    trials: Sequence[TrialAnswer],
    coverage: CoverageAnswer | None,
    verdict: Status,
    in_all: int,
    scope: str,
) -> str:
    passed = sum(one.status is Status.PASS for one in trials)
    of_all = f"{passed} of {counted(in_all, 'trial')} passed"
    rehearsal = "; a rehearsal, no go-live" if scope == "reduced" else ""
    excused = [one.id for one in trials if one.excused]
    forgiven = f"; may fail and did: {', '.join(excused)}" if excused else ""
    if verdict is Status.PASS:
        return f"{of_all}{forgiven}{rehearsal}"
    decisive = [one for one in trials if one.status is verdict and not one.excused]
    if not decisive:
        why = coverage.why if coverage is not None else "no trial counted"
        return f"{why or 'no trial counted'}; {of_all}{forgiven}{rehearsal}"
    first = decisive[0]
    more = f" (and {counted(len(decisive) - 1, 'more trial')})" if len(decisive) > 1 else ""
    return f"{first.id} {first.trial}: {first.why or first.headline}{more}; {of_all}{rehearsal}"


def judge_coverage(share: float | None, bar: float, why: str) -> CoverageAnswer:
    """Judge a share of covered lines; None is missing evidence, and `why` says what is missing."""
    if share is None:
        return CoverageAnswer(status=Status.INCONCLUSIVE, value=None, bar=bar, why=why)
    if share >= bar:
        return CoverageAnswer(status=Status.PASS, value=share, bar=bar)
    told = f"tests cover {share:.1%} of the lines, wanted {bar:.1%}"
    return CoverageAnswer(status=Status.FAIL, value=share, bar=bar, why=told)
