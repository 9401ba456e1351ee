"""The story of one objective: its window, its worst second, what was slow or failed, the faults."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

import msgspec

from stormproof.checks.fault_figures import figures_told
from stormproof.checks.figure_story import tell_figure
from stormproof.checks.surroundings import around_ns, in_order, operation_of, surroundings
from stormproof.checks.wording import counted
from stormproof.kernel.units import SECOND_NS
from stormproof.model.histogram import highest_us
from stormproof.model.objective import Objective
from stormproof.model.record import Record
from stormproof.model.story import Moment, Story
from stormproof.model.verdict import Judged, Verdict
from stormproof.rules.aggregate import MICROSECONDS_PER_MS, NO_VALUE, Value, value_of_cell
from stormproof.rules.bar import badness
from stormproof.rules.catalog import Reading, metric_of
from stormproof.rules.fold import Cell, fold_frames, merge_cells
from stormproof.rules.measure import measure_record
from stormproof.rules.windows import Windows, spans_of

STEADY_STATE: Final = "steady state: "
LISTED_MAX: Final = 5
SPANS_MAX: Final = 4
MARGIN_S: Final = 5.0
QUARTER: Final = 4
_OF_OPERATIONS: Final = (Reading.RESPONSE, Reading.SERVICE, Reading.FAILED_SHARE)


def tell_objective(record: Record, windows: Windows, verdict: Verdict, judged: Judged) -> Story:
    """Tell what an objective's answer rests on, and what was around the worst of it."""
    asked = _asked(record, judged)
    facts = [*_answer(judged), *_where(judged, verdict)]
    moments: list[Moment] = []
    if asked is None:
        facts.append("the run's own plan does not ask this: no second of it is told")
    elif metric_of(asked).reading is Reading.MEASURED:
        facts += figures_told(asked, record, windows)
        moments = _around_faults(record, windows, asked)
    else:
        seconds, tell = _seconds(judged), _told
        if metric_of(asked).is_observed:
            tell = tell_figure
        told, worst = tell(record, windows, asked, seconds)
        facts += [*told, *_failures(record, windows, asked, seconds)]
        if worst is not None:
            moments = _around(record, windows, worst)
    facts += list(_faults(windows))
    kept, left_out = in_order(moments)
    advice = [judged.remedy] if judged.remedy else []
    return Story(
        title=f"objective {judged.name}",
        facts=facts,
        moments=kept,
        left_out=left_out,
        advice=advice,
    )


def _asked(record: Record, judged: Judged) -> Objective | None:
    name = judged.name.removeprefix(STEADY_STATE)
    every = record.plan.gate if name != judged.name else record.plan.objectives
    return next((one for one in every if one.name == name), None)


def _answer(judged: Judged) -> Iterator[str]:
    bar = f"{judged.operator} {judged.bar:g} {judged.unit}".rstrip()
    value = f"no value ({judged.beyond})" if judged.beyond else "no value"
    if judged.value is not None:
        value = f"{judged.value:.6g} {judged.unit}".rstrip()
    yield f"{judged.status.value.upper()}: {value}, wanted {bar}"
    if judged.interval is not None:
        low, high = judged.interval
        yield f"95 % interval: {low:.6g} to {high:.6g} {judged.unit}".rstrip()
    if judged.why:
        yield f"why: {judged.why}"


def _where(judged: Judged, verdict: Verdict) -> Iterator[str]:
    evidence = judged.evidence
    spans = _spans_text(evidence.at_s) or "no second of it was seen"
    yield f"window {evidence.window}: {spans}; {counted(evidence.samples, 'sample')}"
    if judged.worst_at_s:
        yield f"worst stretch: {_spans_text([judged.worst_at_s])}"
    invalid = _seconds(judged) & set(verdict.generator.invalid_seconds)
    if invalid:
        spans = _spans_text([list(span) for span in spans_of(invalid)])
        yield f"the load generator was not itself: {spans}"


def _spans_text(spans: Collection[list[int]]) -> str:
    told = [f"{start} to {stop} s" for start, stop in list(spans)[:SPANS_MAX]]
    more = len(spans) - SPANS_MAX
    return ", ".join(told) + (f" and {more} more" if more > 0 else "")


def _seconds(judged: Judged) -> set[int]:
    """Return the seconds that an answer is about: of the worst stretch where there is one."""
    spans = [judged.worst_at_s] if judged.worst_at_s else judged.evidence.at_s
    return {second for start, stop in spans for second in range(start, stop)}


def _told(
    record: Record, windows: Windows, asked: Objective, seconds: set[int]
) -> tuple[list[str], int | None]:
    """Return what the seconds of a window say, and the worst of them."""
    cells = measure_record(asked, record, windows.origin_ns, seconds).cells
    if not cells:
        return [], None
    if asked.aggregation == "slope":
        return _quarters(asked, cells), None
    single = msgspec.structs.replace(asked, stretch=None)
    values = {second: value_of_cell(single, cells[second], 1) for second in sorted(cells)}
    seen = {second: one for second, one in values.items() if one.beyond != NO_VALUE}
    if not seen:
        return [], None
    worst = max(seen, key=lambda second: badness(single, seen[second]))
    told = f"worst second: {worst}, with {_value_text(seen[worst], asked.unit)}"
    return [told, *_operations(record, asked, worst)], worst


def _value_text(value: Value, unit: str) -> str:
    number = f"no end ({value.beyond})" if value.value is None else f"{value.value:.4g} {unit}"
    return f"{number.rstrip()} of {counted(value.samples, 'sample')}"


def _quarters(asked: Objective, cells: dict[int, Cell]) -> list[str]:
    """Return what the first and the last quarter of a slope's window were worth."""
    level = msgspec.structs.replace(asked, aggregation="med")
    seconds = sorted(cells)
    length = max(1, len(seconds) // QUARTER)
    unit = asked.unit.removesuffix("/h")
    return [
        f"{name} quarter ({part[0]} to {part[-1] + 1} s): "
        + _value_text(
            value_of_cell(level, merge_cells(cells[one] for one in part), len(part)), unit
        )
        for name, part in (("first", seconds[:length]), ("last", seconds[-length:]))
    ]


def _operations(record: Record, asked: Objective, second: int) -> list[str]:
    """Return what each operation did in a second, the slowest or most often failed first."""
    metric = metric_of(asked)
    if metric.reading not in _OF_OPERATIONS:
        return []
    frames = [frame for frame in record.frames if frame.second == second]
    tags = {key: value for key, value in asked.tags.items() if key != "name"}
    found = []
    for name in sorted(_names(record, asked)):
        cells = fold_frames(frames, record.series, metric.base, {**tags, "name": name})
        if second in cells:
            found.append((name, cells[second]))
    by_failures = metric.reading is Reading.FAILED_SHARE
    found.sort(key=lambda one: -(one[1].failed if by_failures else _slowest_ms(one[1])))
    return [
        f"in second {second}: {name}, {counted(cell.count, 'time')}, {cell.failed} failed,"
        f" slowest {_slowest_ms(cell):.4g} ms"
        for name, cell in found[:LISTED_MAX]
    ]


def _names(record: Record, asked: Objective) -> set[str]:
    base, wanted = metric_of(asked).base, asked.tags.items()
    return {
        one.tags["name"]
        for known in record.series.values()
        for one in known.values()
        if one.metric == base and wanted <= one.tags.items() and "name" in one.tags
    }


def _slowest_ms(cell: Cell) -> float:
    return highest_us(max(cell.response.counts, default=0)) / MICROSECONDS_PER_MS


def _failures(
    record: Record, windows: Windows, asked: Objective, seconds: set[int]
) -> Iterator[str]:
    """Tell which failures of its operations the window holds, the most frequent first."""
    base, wanted = metric_of(asked).base, asked.tags.items()
    groups: dict[str, list[float]] = {}
    for failure in record.failures:
        series = record.series.get(failure.worker, {}).get(failure.series)
        if series is None or series.metric != base or not wanted <= series.tags.items():
            continue
        if windows.second_of(failure.end_ns) in seconds:
            name = f"{operation_of(record, failure)} failed: {failure.kind}"
            groups.setdefault(name, []).append(windows.at_s(failure.end_ns))
    for name, at_s in sorted(groups.items(), key=lambda one: (-len(one[1]), one[0]))[:LISTED_MAX]:
        yield f"{name}, {counted(len(at_s), 'time')}, {min(at_s):.3f} to {max(at_s):.3f} s"


def _faults(windows: Windows) -> Iterator[str]:
    for life in windows.faults[:LISTED_MAX]:
        start_s, end_s = windows.at_s(life.start_ns), windows.at_s(life.end_ns)
        back = "never again" if life.back_ns is None else f"at {windows.at_s(life.back_ns):.3f} s"
        yield f"fault {life.fault}: {start_s:.3f} to {end_s:.3f} s, ready again {back}"


def _around(record: Record, windows: Windows, second: int) -> list[Moment]:
    start_ns = (windows.origin_ns or 0) + second * SECOND_NS
    return surroundings(record, windows, *around_ns([start_ns, start_ns + SECOND_NS], MARGIN_S))


def _around_faults(record: Record, windows: Windows, asked: Objective) -> list[Moment]:
    """Return what was around the fault that an objective names, or around all of them."""
    named = asked.tags.get("fault")
    found: list[Moment] = []
    if "fault" not in metric_of(asked).tags:
        return found
    for life in windows.faults:
        if named in (None, life.fault):
            ends = [life.start_ns, life.end_ns, *([life.back_ns] if life.back_ns else [])]
            found += surroundings(record, windows, *around_ns(ends, MARGIN_S))
    return list({(one.at_s, one.what): one for one in found}.values())
