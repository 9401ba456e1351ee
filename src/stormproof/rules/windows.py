"""The windows of a run: which whole seconds since the origin belong to what.

    warmup    [0, warm-up)
    load      [warm-up, start of the drain) = calm + fault + recovery
    steady    the load before the first fault's intent
    fault     seconds that overlap [intent, undone] of any fault
    recovery  seconds that overlap [undone, ready again], at most the plan's bar, and no fault;
              of faults that were in force together, from when the last of them was undone
    disturbed fault + recovery
    calm      the rest of the load
    run       every second that was seen, preparation and drain included

A second belongs to a fault as soon as it touches it, so that calm seconds are wholly calm. Whatever
ends before the drain was intended in the load: the load's last seconds wait for its slowest
operations. What a truncated record does not say lasts until the end of what was seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stormproof.kernel.units import SECOND_NS
from stormproof.model.event import (
    FaultEvent,
    FaultStep,
    OriginEvent,
    Phase,
    PhaseEvent,
    ProbeSample,
)
from stormproof.model.objective import Window
from stormproof.model.plan import Plan
from stormproof.model.record import Record

READY_PROBE = "ready"
# "Ready again" must hold this long, or until the next fault or the end of the load. A flap after
# it is not the fault's recovery any more: `probe_failed` judges the calm.
READY_STABLE_NS = 5 * SECOND_NS


class FaultLife(NamedTuple):
    """The instants of one fault in nanoseconds; it starts at its intent.

    Faults that are in force together make one disturbance: it begins with the first of them, is
    over with the last, and all of them have the same recovery, that of the disturbance.
    """

    fault: str
    start_ns: int
    undone_ns: int | None  # None: not undone in this record
    end_ns: int  # `undone_ns`, at most the end of what was seen (healers come hours later)
    back_ns: int | None
    first_ns: int  # when the disturbance began
    over_ns: int | None  # the `end_ns` of its last fault; None: one of them was not undone
    next_ns: int | None  # when the next disturbance begins


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Which whole seconds belong to which window; empty before the load began."""

    origin_ns: int | None
    faults: tuple[FaultLife, ...]
    load_end_ns: int  # the start of the drain, or the end of what was seen
    by_window: dict[Window, frozenset[int]]

    def seconds(self, window: Window) -> set[int]:
        """Return the seconds since the origin that belong to `window`."""
        return set(self.by_window[window])

    def spans(self, window: Window) -> list[tuple[int, int]]:
        """Return the window as spans [from, to) of whole seconds since the origin."""
        return spans_of(self.by_window[window])

    def at_s(self, at_ns: int) -> float:
        """Return an instant in seconds since the origin (the instant itself without one)."""
        return (at_ns - (self.origin_ns or 0)) / SECOND_NS

    def second_of(self, at_ns: int) -> int:
        """Return the whole second since the origin that holds an instant."""
        return (at_ns - (self.origin_ns or 0)) // SECOND_NS


def spans_of(seconds: Iterable[int]) -> list[tuple[int, int]]:
    """Return whole seconds as maximal spans [from, to), rising."""
    spans: list[tuple[int, int]] = []
    for second in sorted(seconds):
        if spans and spans[-1][1] == second:
            spans[-1] = (spans[-1][0], second + 1)
        else:
            spans.append((second, second + 1))
    return spans


def windows_of(record: Record) -> Windows:
    """Return the windows of a run, complete or truncated."""
    origin_ns = next((e.at_ns for e in record.events if isinstance(e, OriginEvent)), None)
    seen_ns = _end_of_seen_ns(record, origin_ns)
    load_end_ns = _load_end_ns(record, seen_ns)
    faults = _fault_lives(record, seen_ns, load_end_ns)
    seen = {frame.second for frame in record.frames}
    run = frozenset(range(min(seen), max(seen) + 1)) if seen else frozenset[int]()
    if origin_ns is None:
        nothing = _nothing_but(run)
        return Windows(origin_ns=None, faults=faults, load_end_ns=load_end_ns, by_window=nothing)
    return Windows(
        origin_ns=origin_ns,
        faults=faults,
        load_end_ns=load_end_ns,
        by_window=_share_out(record.plan, origin_ns, load_end_ns - origin_ns, faults, run),
    )


def _nothing_but(run: frozenset[int]) -> dict[Window, frozenset[int]]:
    empty: frozenset[int] = frozenset()
    return {
        "warmup": empty,
        "load": empty,
        "steady": empty,
        "calm": empty,
        "fault": empty,
        "recovery": empty,
        "disturbed": empty,
        "run": run,
    }


def _share_out(
    plan: Plan, origin_ns: int, end_ns: int, faults: Sequence[FaultLife], run: frozenset[int]
) -> dict[Window, frozenset[int]]:
    warm = -(-plan.warmup_ns // SECOND_NS)
    end = max(0, -(-end_ns // SECOND_NS))
    load = frozenset(range(warm, end))
    in_force: set[int] = set()
    after: set[int] = set()
    for life in faults:
        start_ns, until_ns = life.start_ns - origin_ns, life.end_ns - origin_ns
        in_force.update(_touching(start_ns, until_ns))
        if life.over_ns is not None:
            over_ns = life.over_ns - origin_ns
            bar_ns = over_ns + plan.recovery_bar_ns
            back_ns = bar_ns if life.back_ns is None else min(life.back_ns - origin_ns, bar_ns)
            after.update(_touching(over_ns, back_ns))
    first_fault = min((life.start_ns - origin_ns for life in faults), default=end * SECOND_NS)
    fault = load & in_force
    recovery = (load & after) - fault
    return {
        "warmup": frozenset(range(min(warm, end))),
        "load": load,
        "steady": frozenset(s for s in load if (s + 1) * SECOND_NS <= first_fault),
        "calm": load - fault - recovery,
        "fault": fault,
        "recovery": recovery,
        "disturbed": fault | recovery,
        "run": run,
    }


def _touching(from_ns: int, to_ns: int) -> range:
    first = from_ns // SECOND_NS
    return range(first, max(first + 1, -(-to_ns // SECOND_NS)))


def _load_end_ns(record: Record, seen_ns: int) -> int:
    ends = (Phase.DRAIN, Phase.STOP)
    marks = (e.at_ns for e in record.events if isinstance(e, PhaseEvent) and e.phase in ends)
    return min(marks, default=seen_ns)


def _end_of_seen_ns(record: Record, origin_ns: int | None) -> int:
    """Return the end of steady observation; events written by the healer may be hours later."""
    seen = [sample.end_ns for sample in record.probes]
    if origin_ns is not None and record.frames:
        seen.append(origin_ns + (max(f.second for f in record.frames) + 1) * SECOND_NS)
    return max(seen, default=max((event.at_ns for event in record.events), default=0))


def _fault_lives(record: Record, seen_ns: int, load_end_ns: int) -> tuple[FaultLife, ...]:
    steps: dict[str, list[FaultEvent]] = {}
    for event in record.events:
        if isinstance(event, FaultEvent):
            steps.setdefault(event.fault, []).append(event)
    tried = [
        (name, start_ns, events)
        for name, events in steps.items()
        if (start_ns := _first(events, FaultStep.INTENT, FaultStep.INJECTED)) is not None
    ]
    tried.sort(key=lambda one: (one[1], one[0]))
    ready = [sample for sample in record.probes if sample.probe == READY_PROBE]
    spans = []
    for name, start_ns, events in tried:
        undone_ns = _undone_ns(events)
        end_ns = max(start_ns, seen_ns if undone_ns is None else min(undone_ns, seen_ns))
        spans.append(_InForce(name, start_ns, undone_ns, end_ns))
    disturbances = _disturbances(spans)
    lives: list[FaultLife] = []
    for together, following in zip(disturbances, [*disturbances[1:], None], strict=False):
        first_ns, over_ns = together[0].start_ns, _over_ns(together)
        next_ns = None if following is None else following[0].start_ns
        back_ns = None if over_ns is None else ready_again_ns(ready, over_ns, next_ns, load_end_ns)
        lives += [FaultLife(*one, back_ns, first_ns, over_ns, next_ns) for one in together]
    return tuple(lives)


class _InForce(NamedTuple):
    """One fault, from its intent to its end; the beginning of a `FaultLife`."""

    fault: str
    start_ns: int
    undone_ns: int | None
    end_ns: int


def _disturbances(spans: Iterable[_InForce]) -> list[list[_InForce]]:
    """Group faults, by start, that are in force together, one after the other or all at once."""
    groups: list[list[_InForce]] = []
    for one in spans:
        if groups and one.start_ns < max(other.end_ns for other in groups[-1]):
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _over_ns(together: Sequence[_InForce]) -> int | None:
    is_over = all(one.undone_ns is not None for one in together)
    return max(one.end_ns for one in together) if is_over else None


def _first(events: Iterable[FaultEvent], *steps: FaultStep) -> int | None:
    return next((event.at_ns for event in events if event.step in steps), None)


def _undone_ns(events: Sequence[FaultEvent]) -> int | None:
    """Return when the fault was over; one that could not be injected was over when it failed."""
    over_ns = _first(events, FaultStep.UNDONE, FaultStep.CLEAN)
    if over_ns is None and _first(events, FaultStep.INJECTED) is None:
        return _first(events, FaultStep.FAILED)
    return over_ns


def ready_again_ns(
    ready: Sequence[ProbeSample], undone_ns: int, next_fault_ns: int | None, load_end_ns: int
) -> int | None:
    """Return when readiness was back for good after a fault was undone.

    It is when the first ready answer to what was asked after `undone_ns` had come that only ready
    answers follow for `READY_STABLE_NS`, or until the next fault's intent or the end of the load;
    what is asked then and answered later belongs to what came between. None when there is none.
    """
    until_ns = load_end_ns if next_fault_ns is None else next_fault_ns
    within = [one for one in ready if one.start_ns >= undone_ns and one.end_ns <= until_ns]
    back_ns: int | None = None
    for sample in within:
        if not sample.ok:
            back_ns = None
        elif back_ns is None:
            back_ns = sample.end_ns
        if back_ns is not None and sample.end_ns - back_ns >= READY_STABLE_NS:
            return back_ns
    if back_ns is None or next_fault_ns is not None:
        return back_ns
    return back_ns if within[-1].end_ns - back_ns >= SECOND_NS else None
