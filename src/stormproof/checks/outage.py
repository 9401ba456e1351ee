"""The failing and the answering of a target around its faults, from request times and probes.

A failing operation is an answer of the probe "canary" (an operation that needs what the faults
break) that did not come or was a 5xx, or a failed operation of the load that says the same.
Whatever the target refused on purpose (4xx) is no outage.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import Failure, ProbeSample
from stormproof.model.plan import Plan
from stormproof.model.record import Record
from stormproof.model.series import SeriesKind
from stormproof.rules.windows import Windows

CANARY: Final = "canary"
SLACK_NS: Final = SECOND_NS // 2
STREAK_GAP_NS: Final = 2 * SECOND_NS  # failures further apart are two outages
STREAK_ENDS: Final = 3  # the canary's successes in a row that end a streak
STREAK_ENDS_NS: Final = SECOND_NS // 2  # or successes over this long, of a slower canary
SILENT_NS: Final = 2 * SECOND_NS  # without a usable answer for longer, a probe is no evidence
SILENT_INTERVALS: Final = 20
Span = tuple[int, int]  # nanoseconds, [from, to)


class Sample(NamedTuple):
    """One operation: when it was sent and when its answer was known."""

    start_ns: int
    end_ns: int
    failed: bool
    admitted: bool  # a canary's answer, or a 5xx: what the target's readiness must know of
    sampling_ns: int  # how finely it was sampled: a probe's interval, 0 for the load's requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Streak:
    """Operations that failed with hardly one that succeeded between them.

    `known_ns` is when the first failure was known, `sent_ns` when the last one was sent: an
    operation that hangs beyond it says nothing about the time in which it hung.
    """

    known_ns: int
    sent_ns: int
    end_ns: int  # when the last failure was known


def interval_ns(plan: Plan, probe: str) -> int:
    """Return the interval of a planned probe, 0 without it."""
    return next((one.interval_ns for one in plan.probes if one.name == probe), 0)


def is_planned(plan: Plan, probe: str) -> bool:
    """Return whether the plan asks a probe."""
    return any(one.name == probe for one in plan.probes)


def answers_of(record: Record, probe: str) -> list[ProbeSample]:
    """Return the answers of a probe, by start."""
    return [sample for sample in record.probes if sample.probe == probe]


def is_usable(sample: ProbeSample) -> bool:
    """Return whether an answer says anything: a canary that is refused (4xx) says nothing."""
    return sample.probe != CANARY or sample.ok or sample.status == 0 or sample.status >= 500


def operations_of(record: Record) -> list[Sample]:
    """Return the canary's answers and the load's failures, by the instant they were known."""
    grain_ns = interval_ns(record.plan, CANARY)
    samples = [
        Sample(one.start_ns, one.end_ns, not one.ok, True, grain_ns)
        for one in answers_of(record, CANARY)
        if is_usable(one)
    ]
    samples += [
        Sample(one.start_ns, one.end_ns, True, one.status >= 500, 0)
        for one in record.failures
        if _is_operation(record, one) and (one.status >= 500 or one.status == 0)
    ]
    return sorted(samples, key=lambda sample: (sample.end_ns, sample.start_ns))


def _is_operation(record: Record, failure: Failure) -> bool:
    """Return whether a request failed, and not a journey or its check."""
    series = record.series.get(failure.worker, {}).get(failure.series)
    return series is not None and series.kind is SeriesKind.OPERATION


def streaks_of(samples: Iterable[Sample]) -> list[Streak]:
    """Group admitted failures, in the order in which they were known, into streaks.

    The canary's successes end a streak, three in a row or for half a second (a target that flaps
    is not back between two failures), and so do two seconds without a failure.
    """
    streaks: list[Streak] = []
    is_open = False
    successes: list[int] = []  # since the canary's last failure
    for sample in samples:
        if not sample.admitted:
            continue
        if not sample.failed:
            successes.append(sample.end_ns)
            lasted_ns = sample.end_ns - successes[0]
            if len(successes) >= STREAK_ENDS or lasted_ns >= STREAK_ENDS_NS:
                is_open = False
            continue
        if sample.sampling_ns:
            successes.clear()
        if is_open and sample.end_ns - streaks[-1].end_ns <= STREAK_GAP_NS:
            last = streaks[-1]
            sent_ns = max(last.sent_ns, sample.start_ns)
            streaks[-1] = Streak(known_ns=last.known_ns, sent_ns=sent_ns, end_ns=sample.end_ns)
        else:
            streaks.append(
                Streak(known_ns=sample.end_ns, sent_ns=sample.start_ns, end_ns=sample.end_ns)
            )
            is_open = True
    return streaks


def silence_of(record: Record, probe: str, from_ns: int, to_ns: int) -> str:
    """Say that a probe was not asked as planned within [from_ns, to_ns]; empty when it was.

    A slow answer may cost it a timeout and an interval; more is our own lateness.
    """
    planned = next((one for one in record.plan.probes if one.name == probe), None)
    if planned is None:
        return f"the plan has no probe {probe!r}"
    starts = [one.start_ns for one in answers_of(record, probe) if from_ns <= one.start_ns <= to_ns]
    if not starts:
        return f"the probe {probe!r} was not asked"
    marks = [from_ns, *starts, to_ns]
    gap_ns = max(later - earlier for earlier, later in itertools.pairwise(marks))
    if gap_ns > planned.timeout_ns + 2 * planned.interval_ns + SLACK_NS:
        return f"the probe {probe!r} was not asked for {gap_ns / SECOND_NS:.1f} s"
    return ""


def silence_in_load(record: Record, windows: Windows, probe: str) -> str:
    """Say that a probe gave no usable answer over part of the judged load; empty when it did.

    A question under way is no silence, however long its answer takes.
    """
    planned = next((one for one in record.plan.probes if one.name == probe), None)
    if planned is None or windows.origin_ns is None:
        return ""
    asked = [(one.start_ns, one.end_ns) for one in answers_of(record, probe) if is_usable(one)]
    from_ns, to_ns = windows.origin_ns + record.plan.warmup_ns, windows.load_end_ns
    limit_ns = max(SILENT_NS, SILENT_INTERVALS * planned.interval_ns)
    gap_ns = _longest_gap_ns(asked, from_ns, to_ns)
    if gap_ns > limit_ns:
        return f"the probe {probe!r} gave no usable answer for {gap_ns / SECOND_NS:.1f} s of load"
    return ""


def _longest_gap_ns(asked: Sequence[tuple[int, int]], from_ns: int, to_ns: int) -> int:
    """Return the longest time within [from_ns, to_ns] in which nothing was asked; `asked` rises."""
    longest_ns, known_ns = 0, from_ns
    for start_ns, end_ns in asked:
        longest_ns = max(longest_ns, min(start_ns, to_ns) - known_ns)
        known_ns = max(known_ns, end_ns)
    return max(longest_ns, to_ns - known_ns)


class Failing:
    """How large a share of a canary's answers failed within any span of time."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        of_canary = [one for one in samples if one.sampling_ns]  # by the instant they were known
        self._known_ns = [one.end_ns for one in of_canary]
        self._failed = [0, *itertools.accumulate(one.failed for one in of_canary)]

    def share(self, span: Span, within: Span) -> float:
        """Return the share of the answers known in a span that failed, and did so `within` another.

        0 without any answer.
        """
        low, high = self._places(span)
        first, last = self._places((max(span[0], within[0]), min(span[1], within[1])))
        if last <= first:
            return 0.0
        return (self._failed[last] - self._failed[first]) / (high - low)

    def _places(self, span: Span) -> tuple[int, int]:
        return bisect_left(self._known_ns, span[0]), bisect_left(self._known_ns, span[1])
