"""From a record to what its checkers of one's own are given."""

from __future__ import annotations

from dataclasses import fields
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormproof.checks.completeness import completeness_of, warned
from stormproof.checks.final_looks import as_journeys_told
from stormproof.checks.history import History, Reads, Table
from stormproof.checks.ledger import Words
from stormproof.checks.operation_order import odd_operations
from stormproof.checks.own_history import HistoryView, Rows, Span, frozen
from stormproof.checks.own_words import Spelling
from stormproof.checks.record_history import TOO_LARGE, history_of
from stormproof.model.event import Phase, PhaseEvent
from stormproof.model.history import FLAG_ABSENT, FLAG_TEXT, Function
from stormproof.model.record import Record
from stormproof.rules.windows import FaultLife, Windows, windows_of


def view_of(record: Record) -> HistoryView:
    """Return a record's history for checkers of one's own.

    Raises:
        ValueError: the ledger is none that a worker writes.
    """
    windows, completeness = windows_of(record), completeness_of(record)
    odd = list(odd_operations(record))
    history = history_of(record, completeness, odd)
    missing = [completeness.why, "" if completeness.workers_whole else "a worker died"]
    missing += [*(one.title for one in odd), warned(record, TOO_LARGE)]
    return view_from(
        as_journeys_told(record, history),
        windows,
        missing=next(filter(None, missing), ""),
        unsettled=warned(record, "users-not-settled"),
        phases=_phases(record, windows),
        faults=tuple(_fault(one, windows) for one in windows.faults),
    )


def view_from(
    history: History,
    windows: Windows,
    *,
    missing: str,
    unsettled: str = "",
    phases: tuple[Span, ...],
    faults: tuple[Span, ...],
) -> HistoryView:
    """Return a history for checkers of one's own, with what is told beside it."""
    rows = _rows(history)
    return HistoryView(
        missing=missing,
        unsettled=unsettled,
        phases=phases,
        faults=faults,
        rows=rows,
        elements=frozen(history.elements.of(history.reads.first, history.reads.count)),
        spelling=Spelling(MappingProxyType(history.names), _numbers(rows)),
        windows=windows,
    )


def _numbers(rows: Rows) -> Words:
    """Return the words that operations say are numbers, sorted."""
    has_number = (rows.flags & (FLAG_TEXT | FLAG_ABSENT)) == 0
    has_number &= rows.function != Function.READ_SET
    return frozen(np.unique(rows.value[has_number]))


def _phases(record: Record, windows: Windows) -> tuple[Span, ...]:
    began = [(one.phase, one.at_ns) for one in record.events if isinstance(one, PhaseEvent)]
    began = [one for one in began if one[0] is not Phase.SEALED]
    ends: list[float | None] = [windows.at_s(at_ns) for _, at_ns in began[1:]]
    return tuple(
        Span(name=phase.value, from_s=windows.at_s(at_ns), to_s=to_s)
        for (phase, at_ns), to_s in zip(began, [*ends, None], strict=False)
    )


def _fault(life: FaultLife, windows: Windows) -> Span:
    to_s = None if life.undone_ns is None else windows.at_s(life.undone_ns)
    return Span(name=life.fault, from_s=windows.at_s(life.start_ns), to_s=to_s)


def _rows(history: History) -> Rows:
    tables: tuple[Table, ...] = (history.changes, history.reads, history.facts)
    order = np.argsort(np.concatenate([one.began_ns for one in tables]), kind="stable")
    joined = {
        one.name: frozen(np.concatenate([_column(table, one.name) for table in tables])[order])
        for one in fields(Rows)
    }
    return Rows(**joined)


def _column(table: Table, name: str) -> NDArray[Any]:
    """Return a column; `first` counts in the elements of all reads, one read after the other."""
    if name in ("first", "count") and not isinstance(table, Reads):
        return np.zeros(len(table), np.int64)
    if isinstance(table, Reads) and name == "first":
        return np.cumsum(table.count) - table.count
    column: NDArray[Any] = getattr(table, name)
    return column
