"""What was measured, as a page that the program writes itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure: `values` are those of the pairs, the median counts; `bar` is for people."""

    what: str
    values: Sequence[float]
    unit: str
    bar: str = ""
    met: bool | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The rows of one measurement, or why it could not be made."""

    title: str
    rows: Sequence[Row] = ()
    failure: str = ""
    about: str = ""


def at_least(what: str, values: Sequence[float], bar: float, unit: str = "") -> Row:
    """Return a row that meets its bar when the median is not below it."""
    met = median(values) >= bar
    return Row(what=what, values=values, unit=unit, bar=f"≥ {bar:g}", met=met)


def at_most(what: str, values: Sequence[float], bar: float, unit: str = "") -> Row:
    """Return a row that meets its bar when the median is not above it."""
    met = median(values) <= bar
    return Row(what=what, values=values, unit=unit, bar=f"≤ {bar:g}", met=met)


def figure(what: str, values: Sequence[float], unit: str = "", note: str = "") -> Row:
    """Return a row without a bar."""
    return Row(what=what, values=values, unit=unit, note=note)


def page(head: Sequence[str], sections: Sequence[Section]) -> str:
    """Return the page in Markdown."""
    lines = ["# Results", "", "Written by `make bench`; do not edit.", ""]
    lines += [f"- {line}" for line in head]
    for section in sections:
        lines += ["", f"## {section.title}", ""]
        if section.about:
            lines += [section.about, ""]
        if section.failure:
            lines.append(f"**Not measured**: {section.failure}")
            continue
        lines += [
            "| what | median | least | most | runs | bar | met |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [_line(row) for row in section.rows]
        lines += [f"\n{row.what}: {row.note}" for row in section.rows if row.note]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    values = sorted(row.values)
    met = "" if row.met is None else "yes" if row.met else "**no**"
    cells = [
        row.what,
        _text(median(values), row.unit),
        _text(values[0], row.unit),
        _text(values[-1], row.unit),
        str(len(values)),
        row.bar,
        met,
    ]
    return f"| {' | '.join(cells)} |"


def _text(value: float, unit: str) -> str:
    digits = f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
    return f"{digits} {unit}".strip()
