"""Stretches of a window, and what an objective is worth in each of them.

`over` and `every` ask for the value over a stretch, `for` for the best of its seconds: only when
every second breaks the bar is it broken for so long.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from stormproof.model.objective import Objective, Stretch
from stormproof.rules.aggregate import NO_VALUE, Value, value_of_cell
from stormproof.rules.bar import badness, meets
from stormproof.rules.catalog import Reading, metric_of
from stormproof.rules.evidence import is_counted
from stormproof.rules.fold import Cell, merge_cells
from stormproof.rules.moving import moving_counts, moving_times
from stormproof.rules.windows import spans_of

_NOTHING = Cell()


def stretches_of(seconds: Iterable[int], stretch: Stretch) -> list[range]:
    """Return the stretches of a window, rising; a piece of it that is too short holds none.

    Side by side, the last one ends where its piece does and shares seconds with the one before.
    """
    found: list[range] = []
    for start, stop in spans_of(seconds):
        last = stop - stretch.seconds
        step = stretch.seconds if stretch.kind == "every" else 1
        starts = list(range(start, last + 1, step))
        if starts and starts[-1] != last:
            starts.append(last)
        found += [range(one, one + stretch.seconds) for one in starts]
    return found


def value_in(objective: Objective, cells: Mapping[int, Cell], stretch: range) -> Value:
    """Return what an objective is worth in one stretch."""
    (value,) = values_in(objective, cells, [stretch])
    return value


def value_without(
    objective: Objective, rest: Mapping[int, Cell], stretch: range, left_out: AbstractSet[int]
) -> Value:
    """Return what an objective is worth in a stretch without some of its seconds.

    Args:
        objective: what to ask.
        rest: the cells of the other seconds.
        stretch: the whole of it.
        left_out: the seconds that say nothing.
    """
    if objective.stretch is None or objective.stretch.kind != "for":
        whole = merge_cells(cell for second, cell in rest.items() if second in stretch)
        return value_of_cell(objective, whole, len(stretch) - len(left_out))
    kept = [one for one in stretch if one not in left_out]
    return best_of(
        [value_of_cell(objective, rest.get(one, _NOTHING), 1) for one in kept], objective
    )


def values_in(
    objective: Objective, cells: Mapping[int, Cell], stretches: Sequence[range]
) -> Iterator[Value]:
    """Yield what an objective is worth in each of `stretches`, which rise and are equally long."""
    if objective.stretch is not None and objective.stretch.kind == "for":
        yield from _best_seconds(objective, cells, stretches)
    elif metric_of(objective).reading is Reading.LEVEL:
        for stretch in stretches:
            whole = merge_cells(cells[second] for second in stretch if second in cells)
            yield value_of_cell(objective, whole, len(stretch))
    elif metric_of(objective).reading in (Reading.RESPONSE, Reading.SERVICE):
        yield from moving_times(objective, cells, stretches)
    else:
        yield from moving_counts(objective, cells, stretches)


def _best_seconds(
    objective: Objective, cells: Mapping[int, Cell], stretches: Sequence[range]
) -> Iterator[Value]:
    """Yield the value of the best second of each stretch, the others having been no better.

    There is no value where a second that shows nothing might have been the one that held.
    """
    asked = {second for stretch in stretches for second in stretch}
    values = {second: value_of_cell(objective, cells.get(second, _NOTHING), 1) for second in asked}
    for stretch in stretches:
        yield best_of([values[second] for second in stretch], objective)


def best_of(seconds: Sequence[Value], objective: Objective) -> Value:
    """Return the best value of some seconds; none where one that shows nothing might be better."""
    seen = [one for one in seconds if one.beyond != NO_VALUE or is_counted(objective)]
    best = min(seen, key=lambda one: badness(objective, one), default=None)
    if best is None or (len(seen) < len(seconds) and not meets(objective, best)):
        return Value(value=None, beyond=NO_VALUE, samples=0)
    return replace(best, samples=sum(one.samples for one in seconds), interval=None)
