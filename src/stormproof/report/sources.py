"""What sources said of themselves while the load ran, a row a figure: nothing here is judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from stormproof.kernel.units import SECOND_NS
from stormproof.model.observed import UNREAD, ObservedKind
from stormproof.model.reading import ObservedSeries
from stormproof.model.record import Record
from stormproof.report.axis import tick_text
from stormproof.report.number import SHARE, bytes_text, counted, figure, percent
from stormproof.report.printable import ascii_only, printable, shortened
from stormproof.rules.buckets import histograms_of, quantile_in
from stormproof.rules.figures import Bracket, Figures, Span, figures_of, increases_of
from stormproof.rules.observed import BOUND, REQUESTS, bound_of, status_of
from stormproof.rules.target_now import LATENCY, LIMITED, LOG_QUEUE, PERCENTILE
from stormproof.rules.windows import Windows, windows_of

FIRST: Final = (REQUESTS, LATENCY, LIMITED, LOG_QUEUE)
ROWS_PRINTED: Final = 12
ROWS_MAX: Final = 100
NAME_LENGTH: Final = 60
SIZED: Final = "_bytes"
PER_SECOND: Final = "per second"
LONG: Final = 1e6  # values from here on are written with a letter, `1.5 M`, or as a size
Grown = tuple[float, float, float]  # told, at least, at most
_HIDDEN: Final = ("_sum", "_count")  # of a histogram: its row has them


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """One figure over the warm-up and the load, all its series together.

    `low`, `high` and `last` are of single readings, or of the time between two; `whole` is of all
    of them: the mean of a gauge, the mean rate of a counter, the quantile of a histogram. `total`
    is what a counter grew by, by the readings nearest to the ends of that time; `least` is what it
    surely grew by and `most` what it can have, by those inside and around it.
    """

    name: str
    what: str  # "now", "per second", "p95"
    series: int
    low: float
    whole: float
    high: float
    last: float | None  # None where several series each have one
    total: float | None
    least: float | None
    most: float | None

    def text(self, value: float | None) -> str:
        """Write a value that is no total: a share as a percentage, what is long in larger units."""
        if self.what == SHARE:
            return percent(value)
        if value is None or abs(value) < LONG:
            return figure(value)
        is_size = self.name.endswith(SIZED) and self.what != PER_SECOND
        return bytes_text(round(value)) if is_size else tick_text(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What was read of a span: between the same readings as an objective on it is judged."""

    figures: Figures
    span: Span
    bracket: Bracket

    def grown(self, keys: Sequence[int]) -> Grown:
        """Return what counters grew by: told, at least, and at most."""
        brackets = (self.bracket.nearest, self.bracket.inner, self.bracket.outer)
        told, low, high = (increases_of([one], keys) for one in brackets)
        return told, low, high

    @property
    def nearest_s(self) -> float:
        """How long the time between the readings nearest to the span's ends is."""
        nearest = self.bracket.nearest
        return (nearest[-1].at_ns - nearest[0].at_ns) / SECOND_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTable:
    """What one source said; `silent` counts the readings that gave nothing, the last one's why."""

    source: str
    readings: int
    silent: int
    why: str
    rows: Sequence[SourceRow]
    left_out: int


def source_tables(record: Record, rows_max: int = ROWS_MAX) -> list[SourceTable]:
    """Return a table for each source of the plan that was read, the figures asked about first."""
    windows = windows_of(record)
    asked = [_asked(one.name) for one in record.plan.objectives]
    tables = []
    for planned in record.plan.sources:
        readings = [one for one in record.readings if one.source == planned.name]
        if not readings:
            continue
        first = [name for source, name in asked if source == planned.name]
        rows = _rows(figures_of(planned.name, record.observed, readings), _span(windows), first)
        errors = [one.error for one in readings if one.error]
        tables.append(
            SourceTable(
                source=planned.name,
                readings=len(readings),
                silent=len(errors),
                why=errors[-1] if errors else "",
                rows=rows[:rows_max],
                left_out=max(0, len(rows) - rows_max),
            )
        )
    return tables


def _asked(objective: str) -> tuple[str, str]:
    """Return the source and the figure that an objective's name begins with; else nothing."""
    source, _, rest = objective.partition(":")
    return source, rest.partition("{")[0].partition(":")[0]


def _span(windows: Windows) -> Span | None:
    if windows.origin_ns is None:
        return None
    return windows.origin_ns, windows.load_end_ns


def _rows(figures: Figures, span: Span | None, first: Iterable[str]) -> list[SourceRow]:
    if span is None or not figures.instants:
        return []
    read = _Read(figures=figures, span=span, bracket=figures.bracket(span))
    families: dict[str, list[int]] = {}
    for key, one in figures.series.items():
        if not one.is_rest and one.name != UNREAD:
            families.setdefault(_family(one), []).append(key)
    order = {name: place for place, name in enumerate([*first, *FIRST])}
    names = sorted(families, key=lambda name: (order.get(name, len(order)), name))
    rows = [_row(name, families[name], read) for name in names if not _is_part(name, families)]
    shares = _failed_row(families.get(REQUESTS, []), read)
    return [row for row in (shares, *rows) if row is not None]


def _family(series: ObservedSeries) -> str:
    return series.name.removesuffix("_bucket") if BOUND in series.tags else series.name


def _is_part(name: str, families: Mapping[str, list[int]]) -> bool:
    return any(name.endswith(part) and name.removesuffix(part) in families for part in _HIDDEN)


def _row(name: str, keys: list[int], read: _Read) -> SourceRow | None:
    series = read.figures.series
    if series[keys[0]].kind is ObservedKind.GAUGE:
        return _gauge_row(name, keys, read)
    if any(series[key].kind is ObservedKind.NATIVE or BOUND in series[key].tags for key in keys):
        return _histogram_row(name, keys, read)
    rates = [
        increases_of([pair], keys) * SECOND_NS / (pair[1].at_ns - pair[0].at_ns)
        for pair in pairwise(read.bracket.nearest)
        if pair[1].at_ns > pair[0].at_ns
    ]
    if not rates or read.span[1] <= read.span[0]:
        return None
    total, low, high = read.grown(keys)
    lasted_s = (read.span[1] - read.span[0]) / SECOND_NS
    mean = min(max(total / read.nearest_s, low / lasted_s), high / lasted_s)
    return _made(name, PER_SECOND, len(keys), rates, mean, rates[-1], (total, low, high))


def _failed_row(keys: list[int], read: _Read) -> SourceRow | None:
    """Return the share of requests that the target answered with 5xx."""
    series = read.figures.series
    failed = [key for key in keys if status_of(series[key]).startswith("5")]
    if not any(status_of(series[key]) for key in keys):
        return None
    counts = [
        (increases_of([one], failed), increases_of([one], keys))
        for one in pairwise(read.bracket.nearest)
    ]
    shares = [bad / every for bad, every in counts if every]
    every = increases_of([read.bracket.nearest], keys)
    if not shares or not every:
        return None
    grown = read.grown(failed)
    return _made("requests_failed", SHARE, len(failed), shares, grown[0] / every, shares[-1], grown)


def _gauge_row(name: str, keys: list[int], read: _Read) -> SourceRow | None:
    inside = read.figures.within([read.span])
    said = [one.values[key] for one in inside for key in keys if key in one.values]
    if not said:
        return None
    last = said[-1] if len(keys) == 1 else None
    return _made(name, "now", len(keys), said, sum(said) / len(said), last, None)


def _histogram_row(name: str, keys: list[int], read: _Read) -> SourceRow | None:
    share, series = PERCENTILE / 100, {key: read.figures.series[key] for key in keys}
    chosen = histograms_of(series)
    found = [quantile_in(share, series, pair) for pair in pairwise(read.bracket.nearest)]
    values = [one for one in found if one is not None]
    whole = quantile_in(share, series, read.bracket.nearest)
    if not values or whole is None or chosen is None:
        return None
    ends = [
        key
        for key, one in chosen.series.items()
        if chosen.is_native or bound_of(one) == float("inf")
    ]
    what = f"p{PERCENTILE}"
    return _made(name, what, len(ends), values, whole, values[-1], read.grown(ends))


def _made(
    name: str,
    what: str,
    series: int,
    values: Sequence[float],
    whole: float,
    last: float | None,
    grown: Grown | None,
) -> SourceRow:
    total, least, most = grown or (None, None, None)
    return SourceRow(
        name=name,
        what=what,
        series=series,
        low=min(values),
        whole=whole,
        high=max(values),
        last=last,
        total=total,
        least=least,
        most=most,
    )


def source_lines(record: Record) -> list[str]:
    """Write what sources said for a terminal, in ASCII; nothing where none was read."""
    lines = []
    for table in source_tables(record, ROWS_PRINTED):
        lines += ["", f"{table.source.upper()} ({_readings_text(table)})"]
        lines += [_clean(line) for line in _table_lines(table.rows)]
        if table.left_out:
            lines.append(f"  and {counted(table.left_out, 'more figure')}; see report.html")
    return lines


def _readings_text(table: SourceTable) -> str:
    told = counted(table.readings, "reading")
    if not table.silent:
        return told
    return _clean(f"{told}, {table.silent:,} without figures: {table.why}")


def _table_lines(rows: Sequence[SourceRow]) -> list[str]:
    if not rows:
        return []
    head = ("", "min", "avg", "max", "last", "total")
    cells = [head, *(_cells(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return [
        "  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in cells
    ]


def _cells(row: SourceRow) -> tuple[str, ...]:
    what = "" if row.what == "now" else f" {row.what}"
    values = (row.low, row.whole, row.high, row.last)
    told = ["-" if value is None else row.text(value) for value in values]
    total = "-" if row.total is None else figure(row.total)
    return (f"{shortened(row.name, NAME_LENGTH)}{what}", *told, total)


def _clean(text: str) -> str:
    return ascii_only(printable(text))
