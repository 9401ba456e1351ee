"""Is the target's readiness honest? It says no soon enough, and yes only when it works."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from stormproof.checks.faults import FaultStory
from stormproof.checks.outage import (
    CANARY,
    Failing,
    Sample,
    Span,
    Streak,
    answers_of,
    interval_ns,
    is_planned,
    operations_of,
    silence_in_load,
    silence_of,
    streaks_of,
)
from stormproof.checks.outcome import Key, Measurement, Outcome
from stormproof.checks.recovery import Outage, unmeasured, worst_recovery
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import Phase, PhaseEvent, ProbeSample
from stormproof.model.record import Record
from stormproof.rules.windows import READY_PROBE, Windows

LAG_METRIC, FALSE_METRIC = "health_unready_lag_s", "health_false_ready"
GRACE_NS = 2 * SECOND_NS  # readiness may learn of a failure this late
FLAPPING_NS = 2 * SECOND_NS
FLAPPING_SHARE = 0.2  # of the canary's answers that fail: too many to say ready
QUIETER = "run on a quieter machine"
USABLE = "make sure that the probe is asked all through and is let in"


def check_health(
    record: Record,
    windows: Windows,
    outages: Sequence[Outage],
    stories: Mapping[str, FaultStory],
) -> Outcome:
    """Compare what the probe "ready" said with what operations did at that time.

    What it does: groups the failures of the canary and the 5xx of the load into streaks with hardly
    a success between them. `health_unready_lag_s` is, over the streaks of each fault, the longest
    time from the instant the first failure was known to the first not-ready answer, at most to the
    last failing operation; 0 where readiness said no before. `health_false_ready` counts the ready
    answers that were asked more than 2 s (and a probe's interval) after a streak began and came
    (an interval) before an operation was sent that failed in the same streak, and those while a
    fifth of the canary's answers failed for 4 s before and 2 s after them; of failures only those
    count that came since the same fault's intent.
    Why it matters: a load balancer believes this answer. What a failure looks like: ready, ready,
    ready, while every ticket is refused. Limits: as fine as the probes' intervals; a fault that
    made nothing fail has no lag, if both probes were asked all through it. A probe that is silent
    over part of the load is no evidence at all.
    Source: Kubernetes' readiness contract; Jepsen's rule to trust operations over status pages.
    """
    measured: dict[Key, Measurement] = {}
    silence = _silence(record, windows)
    every = {one.life.fault: silence or _lag(record, one) for one in outages}
    lags = {fault: every.get(fault) or unmeasured(story) for fault, story in stories.items()}
    measured |= {(LAG_METRIC, fault): lag for fault, lag in lags.items()}
    measured[LAG_METRIC, ""] = worst_recovery(list(lags.values()))
    measured[FALSE_METRIC, ""] = silence or _false_ready(record, windows)
    return Outcome(measured=measured)


def _silence(record: Record, windows: Windows) -> Measurement | None:
    """Return that one of the two probes was silent under load, None when neither was."""
    for probe in (READY_PROBE, CANARY):
        why = silence_in_load(record, windows, probe)
        if why:
            return Measurement(value=None, samples=0, why=why, remedy=USABLE)
    return None


def _lag(record: Record, outage: Outage) -> Measurement:
    why, remedy = outage.story.doubt()
    if why:
        return Measurement(value=None, samples=0, why=why, remedy=remedy)
    streaks = streaks_of(outage.operations)
    if not streaks:
        return _unfelt(record, outage)
    until_ns = min(streaks[-1].end_ns, outage.limit_ns)
    silence = silence_of(record, READY_PROBE, outage.life.start_ns, until_ns)
    if silence:
        return Measurement(value=None, samples=0, why=silence, remedy=QUIETER)
    lag_ns = max(_lag_ns(streak, outage.ready) for streak in streaks)
    return Measurement(value=lag_ns / SECOND_NS, samples=len(streaks))


def _unfelt(record: Record, outage: Outage) -> Measurement:
    """Return no lag for a fault that made nothing fail, if both probes saw all of it."""
    from_ns, to_ns = outage.life.start_ns, outage.life.end_ns
    for probe in (READY_PROBE, CANARY):
        silence = silence_of(record, probe, from_ns, to_ns)
        if silence:
            return Measurement(value=None, samples=0, why=silence, remedy=QUIETER)
    return Measurement(value=0.0, samples=len(outage.ready))


def _lag_ns(streak: Streak, ready: Sequence[ProbeSample]) -> int:
    """Return how long a streak was known before readiness said so; `ready` since the fault."""
    before = [one for one in ready if one.end_ns <= streak.known_ns]
    if before and not before[-1].ok:
        return 0
    said_ns = next(
        (one.end_ns for one in ready if not one.ok and one.end_ns >= streak.known_ns),
        streak.sent_ns,
    )
    return max(0, min(said_ns, max(streak.sent_ns, streak.known_ns)) - streak.known_ns)


def _false_ready(record: Record, windows: Windows) -> Measurement:
    if windows.origin_ns is None:
        return Measurement(value=None, samples=0, why="the load never began", remedy="run again")
    if not is_planned(record.plan, READY_PROBE) or not is_planned(record.plan, CANARY):
        why = f"the plan lacks the probe {READY_PROBE!r} or {CANARY!r}"
        return Measurement(value=None, samples=0, why=why, remedy="plan both")
    stop_ns = next(
        (e.at_ns for e in record.events if isinstance(e, PhaseEvent) and e.phase is Phase.STOP),
        max((sample.end_ns for sample in record.probes), default=windows.origin_ns),
    )
    ready = [
        one
        for one in answers_of(record, READY_PROBE)
        if one.start_ns >= windows.origin_ns and one.end_ns <= stop_ns
    ]
    operations = [
        one
        for one in operations_of(record)
        if one.start_ns >= windows.origin_ns and one.end_ns <= stop_ns
    ]
    failing = Failing(operations)
    edge_ns = max(interval_ns(record.plan, READY_PROBE), interval_ns(record.plan, CANARY))
    intents = {life.first_ns for life in windows.faults if windows.origin_ns < life.first_ns}
    marks = [windows.origin_ns, *sorted(intents), stop_ns + 1]
    false = sum(
        _false_within(span, ready, operations, failing, edge_ns)
        for span in itertools.pairwise(marks)
    )
    return Measurement(value=float(false), samples=len(ready))


def _false_within(
    span: Span,
    ready: Sequence[ProbeSample],
    operations: Sequence[Sample],
    failing: Failing,
    edge_ns: int,
) -> int:
    """Count the false answers from one fault's intent to the next one's.

    What failed before an intent is another fault's: between two faults that follow each other
    closely a service may well have been whole.
    """
    start_ns, stop_ns = span
    own = [one for one in operations if start_ns <= one.start_ns and one.end_ns < stop_ns]
    streaks = streaks_of(own)
    return sum(
        _is_false(one, streaks, edge_ns) or _is_in_flapping(one, failing, span)
        for one in ready
        if one.ok and start_ns <= one.start_ns < stop_ns
    )


def _is_false(answer: ProbeSample, streaks: Sequence[Streak], edge_ns: int) -> bool:
    return any(
        answer.start_ns > streak.known_ns + GRACE_NS + edge_ns
        and answer.end_ns + edge_ns < streak.sent_ns
        for streak in streaks
    )


def _is_in_flapping(answer: ProbeSample, failing: Failing, within: Span) -> bool:
    """Return whether a fifth of the canary's answers failed well before, before and after it.

    Before alone would blame the first true answer after an outage, after alone the last one.
    """
    start_ns, end_ns = answer.start_ns, answer.end_ns
    around = (
        (start_ns - GRACE_NS - FLAPPING_NS, start_ns - GRACE_NS),
        (start_ns - FLAPPING_NS, start_ns),
        (end_ns, end_ns + FLAPPING_NS),
    )
    return all(failing.share(span, within) >= FLAPPING_SHARE for span in around)
