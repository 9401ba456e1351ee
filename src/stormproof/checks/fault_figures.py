"""What figures of sources did around a fault: did a counter go on, was all taken over?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec

from stormproof.checks.faults import FaultStory
from stormproof.checks.outcome import Key, Measurement, Outcome
from stormproof.checks.recovery import NEVER, unmeasured, worst_recovery
from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import FaultStep
from stormproof.model.fault import KINDS
from stormproof.model.objective import Objective
from stormproof.model.observed import ObservedKind
from stormproof.model.record import Record
from stormproof.rules.against import CLOSER, GAP_INTERVALS_MAX
from stormproof.rules.fault_figures import FIGURE, HELD, RESUMED, TAKEN, TAKEOVER
from stormproof.rules.figures import Instant, figures_of
from stormproof.rules.observed import matching, why_unseen
from stormproof.rules.tags import parse_metric
from stormproof.rules.windows import Windows

FAULT: Final = "fault"
TOLD_AROUND_NS: Final = 5 * SECOND_NS
TOLD_MAX: Final = 12  # changes of a figure
_KINDS: Final = {
    FIGURE: ObservedKind.COUNTER,
    HELD: ObservedKind.GAUGE,
    TAKEN: ObservedKind.COUNTER,
}
LOAD_MORE: Final = "raise the load, or break it while it is at work"


class _Said(NamedTuple):
    """What one reading said, some time between when it was asked for and when it had come."""

    start_ns: int
    end_ns: int
    value: float


_NOTHING: Final = _Said(0, 0, -1.0)


class _Read(NamedTuple):
    """The readings of one figure, rising: the sum of all series that fit."""

    source: str
    said: Sequence[_Said]
    interval_ns: int
    why: str = ""
    remedy: str = ""


def check_fault_figures(
    record: Record,
    windows: Windows,
    stories: Mapping[str, FaultStory],
    asked: Sequence[Objective],
) -> Outcome:
    """Measure what objectives ask of a source's figures around a fault.

    What it does: `figure_resumed_s` is the time from a fault's undo to the first reading at which
    the counter `figure` had grown since. `takeover_off` is the difference
    between the gauge `held`, as it was read while the fault lasted, and what the counter `taken`
    grew by from the fault on, up to the next one. Why it matters: a worker that is gone leaves work
    behind; that somebody takes it up again, all of it and once, is what its queue promises.
    What a failure looks like: a counter that stands still; more or fewer taken over than were left.
    Limits: as fine as the source's interval; a gauge that moved while the fault lasted, or was
    zero, decides nothing.
    Source: Prometheus' counters, which begin again at 0 with their process.
    """
    measures: Mapping[str, Callable[[Objective], Measurement]] = {
        RESUMED: lambda one: _resumed(one, record, windows, stories),
        TAKEOVER: lambda one: _takeover(one, record, windows, stories),
    }
    measured: dict[Key, Measurement] = {
        (one.metric, one.name): measures[one.metric](one) for one in asked if one.metric in measures
    }
    return Outcome(measured=measured)


def _undecided(why: str, remedy: str) -> Measurement:
    return Measurement(value=None, samples=0, why=why, remedy=remedy)


def _read(objective: Objective, tag: str, record: Record) -> _Read:
    """Return the readings of the figure that a tag of an objective names."""
    kind = _KINDS[tag]
    name, tags = parse_metric(objective.tags[tag])
    source, _, figure = name.partition(":")
    planned = next((one for one in record.plan.sources if one.name == source), None)
    if planned is None:
        return _Read(source, (), 0, f"this run read no figures of {source}", "name the source")
    figures = figures_of(source, record.observed, record.readings)
    ids = matching(figures, figure, tags, kind)
    if not ids:
        asks = "count" if kind is ObservedKind.COUNTER else "value"
        question = msgspec.structs.replace(objective, metric=name, tags=tags, aggregation=asks)
        return _Read(source, (), 0, *why_unseen(question, figures))
    whole = [one for one in figures.instants if any(key in one.values for key in ids)]
    return _Read(source, [_said(one, ids) for one in whole], planned.interval_ns)


def _said(instant: Instant, ids: Sequence[int]) -> _Said:
    value = sum(instant.values.get(key, 0.0) for key in ids)
    at_ns, around_ns = instant.at_ns, instant.either_way_ns
    return _Said(at_ns - around_ns, at_ns + around_ns, value)


def _resumed(
    objective: Objective, record: Record, windows: Windows, stories: Mapping[str, FaultStory]
) -> Measurement:
    read = _read(objective, FIGURE, record)
    if read.why:
        return _undecided(read.why, read.remedy)
    named = objective.tags.get(FAULT)
    chosen = [one for name, one in stories.items() if named in (None, name)]
    return worst_recovery([_resumed_after(one, read, windows) for one in chosen])


def _resumed_after(story: FaultStory, read: _Read, windows: Windows) -> Measurement:
    """Measure how long after one fault's undo a counter grew again."""
    undone = story.at(FaultStep.UNDONE, FaultStep.CLEAN)
    if story.doubt()[0]:
        return unmeasured(story)
    if undone is None:
        return _undecided(f"{story.planned.name} was not undone in this record", "run to the end")
    from_ns = undone.at_ns
    others = [life for life in windows.faults if life.fault != story.planned.name]
    if busy := [one.fault for one in others if one.start_ns < from_ns < one.end_ns]:
        return _undecided(
            f"{busy[0]} was in force when {story.planned.name} ended", f"ask of {busy[0]}"
        )
    limit_ns = min((one.start_ns for one in others if one.start_ns >= from_ns), default=None)
    after = [one for one in read.said if from_ns < one.start_ns <= (limit_ns or one.start_ns)]
    before = [one.value for one in read.said if one.end_ns <= from_ns]
    grown_ns = _grown_ns(before[-1] if before else 0.0, after)
    end_ns = max((one.end_ns for one in after), default=from_ns) if grown_ns is None else grown_ns
    seen = [from_ns, *(one.end_ns for one in after if one.end_ns <= end_ns)]
    gap_ns = max((late - soon for soon, late in pairwise(seen)), default=0)
    if not after or gap_ns > GAP_INTERVALS_MAX * read.interval_ns:
        why = f"{read.source} was not read for {gap_ns / SECOND_NS:.3g} s after the fault"
        return _undecided(why if after else f"{read.source} was not read after the fault", CLOSER)
    if grown_ns is None:
        rest_s = (end_ns - from_ns) / SECOND_NS
        return Measurement(value=None, samples=1, beyond=NEVER, at_least=rest_s)
    return Measurement(value=(grown_ns - from_ns) / SECOND_NS, samples=1)


def _grown_ns(before: float, after: Sequence[_Said]) -> int | None:
    """Return when a counter was first seen to have grown since the undo.

    It must be higher than at the first reading after it, for what it grew by before nobody knows;
    one that fell began again at 0, and has grown as soon as it is not 0.
    """
    known = max(before, after[0].value) if after else before
    for one in after:
        if one.value > known or 0 < one.value < known:
            return one.end_ns
        known = one.value
    return None


def _takeover(
    objective: Objective, record: Record, windows: Windows, stories: Mapping[str, FaultStory]
) -> Measurement:
    story = stories[objective.tags[FAULT]]
    held, taken = _read(objective, HELD, record), _read(objective, TAKEN, record)
    injected = story.at(FaultStep.INJECTED, FaultStep.WITNESSED)
    undone = story.at(FaultStep.UNDONE, FaultStep.CLEAN)
    if story.doubt()[0] or injected is None or undone is None:
        return unmeasured(story)
    for read in (held, taken):
        if read.why:
            return _undecided(read.why, read.remedy)
    # The undo begins when the fault's time is over; what is read from then on may be anybody's.
    until_ns = injected.at_ns + story.planned.for_ns
    values = {
        one.value for one in held.said if injected.at_ns < one.start_ns and one.end_ns < until_ns
    }
    if unheld := _unheld(objective.tags[HELD], story.planned.name, values):
        return _undecided(*unheld)
    shape = KINDS.get(story.planned.kind)
    begins_anew = taken.source == story.planned.part and shape is not None and shape.takes_down
    before = [one.value for one in taken.said if one.end_ns <= injected.at_ns]
    before = [0.0] if begins_anew else before
    later = [one for one in windows.faults if one.start_ns >= undone.at_ns]
    after = [one for one in taken.said if one.start_ns > undone.at_ns]
    own = [one.value for one in after if not later or one.end_ns <= later[0].start_ns]
    if not own or any(late < soon for soon, late in pairwise([*before[-1:], *own])):
        why = f"{taken.source} {'began again' if own else 'was not read'} after the fault"
        return _undecided(why, "run again: what it had counted is not known")
    left = values.pop()
    off = own[-1] - (before[-1] if before else 0.0) - left
    if off < 0 and own[-1] != after[-1].value:  # the rest may be this fault's, or the later one's
        why = f"{later[0].fault} came before all was taken over"
        return _undecided(why, "leave more time between the faults")
    return Measurement(value=abs(off), samples=max(1, round(left)))


def _unheld(figure: str, fault: str, values: set[float]) -> tuple[str, str] | None:
    """Say why what was held during a fault is not known, or is nothing; None where it is known."""
    if not values:
        return f"{figure} was not read while {fault} lasted", CLOSER
    if len(values) > 1:
        low, high = min(values), max(values)
        return f"{figure} went from {low:g} to {high:g} while {fault} lasted", "break all its users"
    if values == {0.0}:
        return f"{figure} was 0 while {fault} lasted: there was nothing to take over", LOAD_MORE
    return None


def figures_told(objective: Objective, record: Record, windows: Windows) -> Iterator[str]:
    """Tell what each figure that an objective names said around its fault, wherever it changed."""
    named = objective.tags.get(FAULT)
    lives = [one for one in windows.faults if named in (None, one.fault)]
    if objective.metric not in (RESUMED, TAKEOVER) or not lives:
        return
    low_ns = min(one.start_ns for one in lives) - TOLD_AROUND_NS
    high_ns = max(one.end_ns for one in lives) + TOLD_AROUND_NS
    for tag in _KINDS:
        if tag not in objective.tags:
            continue
        read = _read(objective, tag, record)
        said = [one for one in read.said if low_ns <= one.end_ns <= high_ns]
        changes = [one for was, one in pairwise([_NOTHING, *said]) if one.value != was.value]
        told = ", ".join(
            f"{one.value:g} at {windows.at_s(one.end_ns):.1f} s" for one in changes[:TOLD_MAX]
        )
        more = f" and {len(changes) - TOLD_MAX} more" if len(changes) > TOLD_MAX else ""
        yield f"{objective.tags[tag]}: {read.why or told or 'not read'}{more}"
