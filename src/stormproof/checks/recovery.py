"""When did each fault hurt, and when was everything back? Instants, never sliding windows."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stormproof.checks.caught_up import caught_up
from stormproof.checks.faults import FaultStory
from stormproof.checks.outage import (
    CANARY,
    STREAK_GAP_NS,
    Sample,
    answers_of,
    is_usable,
    operations_of,
    silence_in_load,
    silence_of,
)
from stormproof.checks.outcome import Key, Measurement, Outcome, worst_of
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import FaultStep, PartEvent, ProbeSample
from stormproof.model.fault import KINDS
from stormproof.model.record import Record
from stormproof.model.verdict import Instant, Recovery
from stormproof.rules.windows import READY_PROBE, FaultLife, Windows, ready_again_ns

READY_METRIC, SERVICE_METRIC = "recovery_ready_s", "recovery_service_s"
NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One fault with everything that was seen of it; nothing is seen after `limit_ns`."""

    story: FaultStory
    life: FaultLife
    limit_ns: int  # the next disturbance's beginning, or the end of what the probes saw
    operations: Sequence[Sample]  # sent after the intent, known before the limit
    ready: Sequence[ProbeSample]
    every_ready: Sequence[ProbeSample]  # of the whole run, by when they had come
    every_canary: Sequence[ProbeSample]  # those that say anything

    @property
    def failed(self) -> list[Sample]:
        """Return the operations that failed."""
        return [sample for sample in self.operations if sample.failed]

    def served_again_ns(self) -> int | None:
        """Return when the last failure was known before two seconds without any.

        What was sent after the undo failed from then on, however long it hung; what was sent before
        it failed when that was known. The undo itself when nothing failed after it; None when no
        such end was seen.
        """
        over_ns = self.life.over_ns
        if over_ns is None:
            return None
        end_ns = over_ns
        spans = (
            (one.start_ns if one.start_ns >= over_ns else one.end_ns, one.end_ns)
            for one in self.failed
        )
        for from_ns, until_ns in sorted(spans):
            if from_ns - end_ns > STREAK_GAP_NS:
                break
            end_ns = max(end_ns, until_ns)
        return end_ns if self.limit_ns - end_ns >= STREAK_GAP_NS else None


def outages_of(record: Record, windows: Windows, stories: Mapping[str, FaultStory]) -> list[Outage]:
    """Return every fault that was tried, in order, with the operations and answers around it."""
    seen_ns = max((sample.end_ns for sample in record.probes), default=0)
    operations, ready = operations_of(record), answers_of(record, READY_PROBE)
    canary = [one for one in answers_of(record, CANARY) if is_usable(one)]
    lives = [life for life in windows.faults if life.fault in stories]
    return [
        Outage(
            story=stories[life.fault],
            life=life,
            limit_ns=limit_ns,
            operations=[
                one
                for one in operations
                if one.start_ns >= life.start_ns and one.end_ns <= limit_ns
            ],
            ready=[one for one in ready if life.start_ns <= one.start_ns < limit_ns],
            every_ready=ready,
            every_canary=canary,
        )
        for life in lives
        for limit_ns in [seen_ns if life.next_ns is None else life.next_ns]
    ]


def check_recovery(
    record: Record,
    windows: Windows,
    outages: Sequence[Outage],
    stories: Mapping[str, FaultStory],
) -> Outcome:
    """Measure how long after each fault's undo the target was ready and serving again.

    What it does: takes the undo's instant, the coming of the first ready answer after it that only
    ready answers follow until the next fault or the drain, and the last failure before two quiet
    seconds. Of a fault that another one outlasted it is known how long that took at most: until the
    target was back while the other lasted, or after both. Why it matters: a drill shows the time
    that recovery takes, not the time it should. What a failure looks like: no ready answer for
    good, or failures that go on. Limits: as fine as the probes' interval and answers; what the next
    fault cuts short is "never", with the time that was seen. Source: ISO 22301's recovery time,
    measured as Jepsen measures.
    """
    measured: dict[Key, Measurement] = {}
    for metric in (READY_METRIC, SERVICE_METRIC):
        probe = READY_PROBE if metric == READY_METRIC else CANARY
        silence = silence_in_load(record, windows, probe)
        every = {one.life.fault: _bound(metric, record, windows, one, silence) for one in outages}
        for fault, story in stories.items():
            measured[metric, fault] = every.get(fault) or unmeasured(story)
        measured[metric, ""] = worst_recovery([measured[metric, fault] for fault in stories])
    return Outcome(measured=measured)


def unmeasured(story: FaultStory) -> Measurement:
    """Return the measurement of a fault that was never tried."""
    why, remedy = story.doubt()
    return Measurement(value=None, samples=0, why=why, remedy=remedy)


def worst_recovery(measurements: Sequence[Measurement]) -> Measurement:
    """Return the largest of several recoveries; a doubt where there is no fault."""
    if not measurements:
        return Measurement(value=None, samples=0, why="the plan has no fault", remedy="plan one")
    return worst_of(measurements)


def _bound(
    metric: str, record: Record, windows: Windows, outage: Outage, silence: str
) -> Measurement:
    """Measure one fault; of one that another outlasted, how long its recovery took at most.

    What the target still recovers from after both cannot be seen, so that a bar which this most
    does not meet is undecided, and asked of the last one.
    """
    life, whole = outage.life, _measure(metric, record, outage, silence)
    if whole.why or life.over_ns is None or not _is_shared(life):
        return whole
    others = [one for one in windows.faults if one.end_ns > life.end_ns]
    changes = [at_ns for one in others for at_ns in (one.start_ns, one.end_ns)]
    limit_ns = min(at_ns for at_ns in changes if at_ns > life.end_ns)
    within = _measure(metric, record, _until(record, outage, limit_ns), silence)
    took = [] if within.value is None or within.why else [within.value]
    if whole.value is not None:
        took.append(whole.value + (life.over_ns - life.end_ns) / SECOND_NS)
    after = max(
        (one for one in others if one.first_ns == life.first_ns), key=lambda one: one.end_ns
    )
    return Measurement(
        value=min(took, default=None),
        samples=1,
        why=f"{after.fault} was in force after {life.fault} ended",
        remedy=f"ask of {after.fault}",
        between=(0.0, min(took)) if took else None,
    )


def _until(record: Record, outage: Outage, limit_ns: int) -> Outage:
    """Return a fault's outage up to the next change of those that it shares its recovery with."""
    start_ns, end_ns = outage.life.start_ns, outage.life.end_ns
    back_ns = ready_again_ns(outage.every_ready, end_ns, limit_ns, limit_ns)
    return replace(
        outage,
        life=outage.life._replace(over_ns=end_ns, back_ns=back_ns, next_ns=limit_ns),
        limit_ns=limit_ns,
        # also those that hung beyond it: nobody was served by them
        operations=[one for one in operations_of(record) if start_ns <= one.start_ns < limit_ns],
    )


def _measure(metric: str, record: Record, outage: Outage, silence: str) -> Measurement:
    """Measure one fault; `silence` says that the probe was silent over part of the load."""
    undone_ns = outage.life.over_ns
    why, remedy = outage.story.doubt()
    if not why and undone_ns is None:
        who = "a fault in force with it" if outage.life.undone_ns else outage.life.fault
        why, remedy = f"{who} was not undone in this record", "run to the end"
    if why or undone_ns is None:
        return Measurement(value=None, samples=0, why=why, remedy=remedy)
    probe = READY_PROBE if metric == READY_METRIC else CANARY
    back_ns = outage.life.back_ns if metric == READY_METRIC else outage.served_again_ns()
    until_ns = outage.limit_ns if back_ns is None else max(back_ns, undone_ns)
    silence = silence or silence_of(
        record, probe, undone_ns, min(until_ns + SECOND_NS, outage.limit_ns)
    )
    if silence:
        return Measurement(value=None, samples=0, why=silence, remedy="run on a quieter machine")
    if back_ns is None:
        rest_s = max(0.0, (outage.limit_ns - undone_ns) / SECOND_NS)
        return Measurement(value=None, samples=1, beyond=NEVER, at_least=rest_s)
    return Measurement(value=(back_ns - undone_ns) / SECOND_NS, samples=1)


def instants_of(record: Record, windows: Windows, outage: Outage) -> Recovery:
    """Return what a fault did and when each thing was back, with how finely it was sampled.

    Answers count when they had come. The end of an outage that was not seen has no instant.
    """
    story, life = outage.story, outage.life
    injected = story.at(FaultStep.INJECTED)
    witnessed = story.at(FaultStep.WITNESSED)
    seen: list[tuple[str, int | None, int]] = [
        ("fault injected", life.start_ns if injected is None else injected.at_ns, 0),
        ("seen to bite", None if witnessed is None else witnessed.at_ns, 0),
        ("first failed operation", *_first_failed(outage)),
        ("first not-ready answer", *_first_unready(outage)),
        ("fault undone", life.undone_ns, 0),
        *([("all faults undone", life.over_ns, 0)] if _is_shared(outage.life) else []),
        *_part_up(record, outage),
        ("first success", *_first_success(outage)),
        ("last failed operation", *_last_failed(outage)),
        ("ready again", life.back_ns, _since_last(outage.every_ready, life.back_ns)),
        *caught_up(record, life, outage.limit_ns),
    ]
    return Recovery(
        fault=life.fault,
        instants=[
            Instant(
                name=name,
                at_s=None if at_ns is None else windows.at_s(at_ns),
                sampling_s=sampling_ns / SECOND_NS,
            )
            for name, at_ns, sampling_ns in seen
        ],
    )


def _is_shared(life: FaultLife) -> bool:
    """Return whether another fault outlasted this one, so that its recovery began later."""
    return life.over_ns != life.end_ns and life.undone_ns is not None


def _first_failed(outage: Outage) -> tuple[int | None, int]:
    first = next(iter(outage.failed), None)
    if first is None:
        return None, 0
    return first.end_ns, _since_last(outage.every_canary, first.end_ns, ok=True)


def _first_unready(outage: Outage) -> tuple[int | None, int]:
    at_ns = next((one.end_ns for one in outage.ready if not one.ok), None)
    return at_ns, _since_last(outage.every_ready, at_ns, ok=True)


def _first_success(outage: Outage) -> tuple[int | None, int]:
    undone_ns = outage.life.over_ns
    good = (
        one.end_ns
        for one in outage.operations
        if not one.failed and undone_ns is not None and one.start_ns >= undone_ns
    )
    at_ns = next(good, None)
    return at_ns, _since_last(outage.every_canary, at_ns)


def _last_failed(outage: Outage) -> tuple[int | None, int]:
    """Return the failure that was the last one; it may have hung until the target was whole."""
    back_ns = outage.served_again_ns()
    last = [one for one in outage.failed if back_ns is not None and one.end_ns <= back_ns]
    if not last:
        return None, 0
    at_ns = last[-1].end_ns
    canary = outage.every_canary
    place = bisect_right(canary, at_ns, key=lambda one: one.end_ns)
    after = (canary[index].end_ns for index in range(place, len(canary)) if canary[index].ok)
    return at_ns, max(at_ns - last[-1].start_ns, next(after, at_ns) - at_ns)


def _since_last(
    answers: Sequence[ProbeSample], at_ns: int | None, *, ok: bool | None = None
) -> int:
    """Return how long before an instant the last answer before it was asked for; 0 without one.

    Args:
        answers: of one probe, one after the other.
        at_ns: an answer that came at this very instant is not before it.
        ok: what the answer has to have said; None: anything.
    """
    if at_ns is None:
        return 0
    place = bisect_left(answers, at_ns, key=lambda one: one.end_ns)
    before = (answers[index] for index in range(place - 1, -1, -1))
    return at_ns - next((one.start_ns for one in before if ok is None or one.ok == ok), at_ns)


def _part_up(record: Record, outage: Outage) -> list[tuple[str, int | None, int]]:
    """Return when the part that a fault took down was up again; nothing of one that takes none."""
    up_ns = (
        event.at_ns
        for event in record.events
        if isinstance(event, PartEvent)
        and event.part == outage.story.planned.part
        and event.step == "ready"
        and outage.life.start_ns <= event.at_ns < outage.limit_ns
    )
    at_ns = next(up_ns, None)
    shape = KINDS.get(outage.story.planned.kind)
    takes_down = shape is not None and shape.takes_down
    return [("part up", at_ns, 0)] if takes_down or at_ns is not None else []
