"""What speaks against a source's figures: what may be missing from them, however good they look."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

from stormproof.kernel.units import SECOND_NS
from stormproof.model.objective import Objective
from stormproof.model.observed import UNREAD, ObservedKind
from stormproof.rules.figures import (
    Bracket,
    Figures,
    Instant,
    Span,
    comes_back,
    falls_of,
    increases_of,
)
from stormproof.rules.observed import (
    LOST,
    counters_of,
    family_of,
    matching,
    name_of,
    unknown_of,
)

GAP_INTERVALS_MAX: Final = 3
FALLS_SHARE_MAX: Final = 1 / 4  # of the readings: more are several processes that take turns
UNCOVERED_NS_MAX: Final = SECOND_NS  # the grain of windows
CLOSER: Final = "read the source more often: `sources` of the profile, `interval`"


class Against(NamedTuple):
    """Why some figures are not the whole truth, and what to do about it."""

    why: str
    remedy: str


def several_processes(objective: Objective, figures: Figures) -> Against | None:
    """Say that counters of different processes seem to be taken for those of one."""
    family = counters_of(figures, name_of(objective), objective.tags)
    falls, pairs = len(falls_of(figures.instants, family)), len(figures.instants) - 1
    is_often = falls >= 2 and falls > FALLS_SHARE_MAX * pairs
    if not is_often and not comes_back(figures.instants, family):
        return None
    why = f"its counters fell {falls} times in {pairs}: several processes answer in turn"
    return Against(why, "read each of them by itself, or add their counters up")


def against_any(
    objective: Objective,
    figures: Figures,
    spans: Sequence[Span],
    interval_ns: int,
    ids: Collection[int],
) -> Against | None:
    """Say why not all of some figures was seen: series left out, a gap, readings at which they were
    not known, lines unread or lost.

    Args:
        objective: what is asked.
        figures: of its source.
        spans: of the window, rising.
        interval_ns: how often the source was to be read.
        ids: the series that answer.
    """
    names = {*family_of(name_of(objective)), ""}
    if any(one.is_rest and one.name in names for one in figures.series.values()):
        why = "some of its series were left out: too many, too many values of a tag, no numbers"
        return Against(why, "have its keeper use fewer of them")
    around = [figures.bracket(span).outer for span in spans]
    if unknown := _unknown(objective, figures, around):
        return unknown
    gap_ns = figures.longest_gap_ns(spans)
    if gap_ns <= GAP_INTERVALS_MAX * interval_ns:
        gauges = [key for key in ids if figures.series[key].kind is ObservedKind.GAUGE]
        gap_ns = figures.longest_gap_ns(spans, gauges)
    if gap_ns > GAP_INTERVALS_MAX * interval_ns:
        why = f"it was not read for {gap_ns / SECOND_NS:.3g} s"
        return Against(why, "see why in the readings: the target may have been away")
    return _unread(figures, around) or _lost(objective, figures, around)


def _unknown(
    objective: Objective, figures: Figures, around: Sequence[Sequence[Instant]]
) -> Against | None:
    """Say that whoever keeps a figure did not know it at some readings in or around the window."""
    tags = objective.tags
    ids = [
        key
        for name in unknown_of(name_of(objective))
        for key in matching(figures, name, tags, ObservedKind.GAUGE)
    ]
    times = sum(
        any(one.values.get(key, 0.0) > 0 for key in ids) for bracket in around for one in bracket
    )
    if not times:
        return None
    why = f"the server did not know it at {times} of the readings: entries were deleted, or trimmed"
    return Against(why, "trim no entry that a group has not read, or ask stream_pending and length")


def _unread(figures: Figures, around: Sequence[Sequence[Instant]]) -> Against | None:
    unread = matching(figures, UNREAD, {}, ObservedKind.GAUGE)
    said = (one.values.get(key, 0.0) for bracket in around for one in bracket for key in unread)
    lines = max(said, default=0.0)
    if lines <= 0:
        return None
    why = f"{lines:.6g} lines of what the source gives cannot be read: its series may be there"
    return Against(why, f"mend what the source gives; see {UNREAD}")


def _lost(
    objective: Objective, figures: Figures, around: Sequence[Sequence[Instant]]
) -> Against | None:
    lost = counters_of(figures, LOST, objective.tags)
    lines = increases_of(around, lost)  # how often, or how many: either is one too many
    if lines <= 0:
        return None
    why = f"lines of the log were lost before they were read, {lines:.6g} times"
    return Against(why, "have the log kept until it is read, or write less of it")


def against_growth(
    objective: Objective, figures: Figures, brackets: Sequence[Bracket], interval_ns: int
) -> Against | None:
    """Say why counters may have counted more in a window than its readings show."""
    return next(_against_growth(objective, figures, brackets, interval_ns), None)


def _against_growth(
    objective: Objective, figures: Figures, brackets: Sequence[Bracket], interval_ns: int
) -> Iterator[Against]:
    family = counters_of(figures, name_of(objective), objective.tags)
    if any(falls_of(one.outer, family) for one in brackets):
        why = "its counters began again: what they had counted since the reading before is lost"
        yield Against(why, "choose a window without the restart")
    if any(family and family_is_gone(one, family) for one in brackets):
        yield Against("it is missing from the last reading of the window", CLOSER)
    uncovered_ns = max((one.uncovered_ns for one in brackets), default=0)
    if uncovered_ns > UNCOVERED_NS_MAX:
        why = f"{uncovered_ns / SECOND_NS:.3g} s of the window lie outside all readings"
        yield Against(why, "have the source answer from the start to the end")
    beyond_ns = max((one.beyond_ns for one in brackets), default=0)
    if beyond_ns > interval_ns + UNCOVERED_NS_MAX:
        why = f"the reading beside the window's end is {beyond_ns / SECOND_NS:.3g} s away from it"
        yield Against(why, CLOSER)


def family_is_gone(bracket: Bracket, family: Collection[int]) -> bool:
    """Return whether the last reading around a span holds none of a family."""
    return not bracket.outer or not any(key in bracket.outer[-1].values for key in family)
