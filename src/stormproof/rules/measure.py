"""The cells that an objective looks at: its series, its seconds, its drops."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from stormproof.model.objective import Objective
from stormproof.model.record import Record
from stormproof.model.series import AnyFrame
from stormproof.rules.catalog import GENERATOR, PROBES, USERS_BUSY, Reading, metric_of
from stormproof.rules.fold import (
    STATUS,
    Cell,
    SeriesById,
    fold_frames,
    fold_probes,
    fold_users,
)

DROPS = "dropped_iterations"
DISCONNECTS = "ws_disconnects"
ITERATIONS = "iterations"
OVERFLOW = "other"  # the metric, or a tag's value, that series beyond the limits go to


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What an objective looks at: second -> cell, and whether the metric showed at all.

    `hidden`: some of its samples may be in the series `other`.
    """

    cells: dict[int, Cell]
    seen: bool
    hidden: bool


def measure(
    objective: Objective, frames: Sequence[AnyFrame], series: SeriesById, seconds: Collection[int]
) -> Measured:
    """Return the cells of an objective over `seconds`, dropped iterations as +infinity.

    A drop of any scenario whose series the objective looks at counts once. The counter of drops,
    like one that a journey declares, is seen, and zero, where its scenario had iterations and
    nothing was counted; so is that of lost WebSockets once one was opened, and that of a status
    where there were requests and none ended with it.
    """
    metric = metric_of(objective)
    wanted = set(seconds)
    inside = [frame for frame in frames if frame.second in wanted]
    if metric.base == GENERATOR:
        users = fold_users(inside, busy=metric.name == USERS_BUSY)
        return Measured(cells=users, seen=bool(users), hidden=False)
    cells = fold_frames(inside, series, metric.base, objective.tags)
    if metric.counts_drops:
        for scenario in sorted(_scenarios(objective, series)):
            drops = fold_frames(inside, series, DROPS, {"scenario": scenario})
            for second, dropped in drops.items():
                cells.setdefault(second, Cell()).response.beyond += dropped.count
    seen = any(cell.count or cell.response.beyond for cell in cells.values())
    known_zero = metric.name == DROPS or metric.reading is Reading.SUM
    if not seen and (known_zero or _had_sessions(objective, series)):
        iterations = fold_frames(inside, series, ITERATIONS, objective.tags)
        seen = any(cell.count for cell in iterations.values())
    if STATUS in objective.tags and not seen:
        others = {tag: value for tag, value in objective.tags.items() if tag != STATUS}
        requests = fold_frames(inside, series, metric.base, others)
        seen = any(cell.count for cell in requests.values())
    return Measured(cells=cells, seen=seen, hidden=_is_hidden(objective, series))


def measure_record(
    objective: Objective, record: Record, origin_ns: int | None, seconds: Collection[int]
) -> Measured:
    """Return the cells of an objective over `seconds` of a run: of its frames or of its probes."""
    if metric_of(objective).base != PROBES:
        return measure(objective, record.frames, record.series, seconds)
    wanted = set(seconds)
    every = fold_probes(record.probes, objective.tags["probe"], origin_ns or 0)
    cells = {second: cell for second, cell in every.items() if second in wanted}
    return Measured(cells=cells, seen=bool(cells), hidden=False)


def _had_sessions(objective: Objective, series: SeriesById) -> bool:
    """Say whether lost WebSockets are asked about, and one was opened: it brings their series."""
    wanted = objective.tags.items()
    return objective.metric == DISCONNECTS and any(
        one.metric == DISCONNECTS and wanted <= one.tags.items()
        for known in series.values()
        for one in known.values()
    )


def _scenarios(objective: Objective, series: SeriesById) -> set[str]:
    """Return the scenarios whose drops count against an objective."""
    base, wanted = metric_of(objective).base, objective.tags.items()
    found = {
        one.tags["scenario"]
        for known in series.values()
        for one in known.values()
        if one.metric == base and wanted <= one.tags.items() and "scenario" in one.tags
    }
    return found | ({objective.tags["scenario"]} if "scenario" in objective.tags else set())


def _is_hidden(objective: Objective, series: SeriesById) -> bool:
    base = metric_of(objective).base
    return any(
        one.metric == OVERFLOW
        or (one.metric == base and any(one.tags.get(tag) == OVERFLOW for tag in objective.tags))
        for known in series.values()
        for one in known.values()
    )
