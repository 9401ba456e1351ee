"""The history of a record, and whether all of it is there that may explain what was read."""

from __future__ import annotations

from collections.abc import Sequence

from stormproof.checks.completeness import Completeness, warned
from stormproof.checks.history import History, read_history
from stormproof.model.finding import Finding
from stormproof.model.record import Record

TOO_LARGE = "read-too-large"  # of a set, and not kept


def history_of(record: Record, completeness: Completeness, odd: Sequence[Finding]) -> History:
    """Return what journeys and final reads told.

    Args:
        record: everything observed.
        completeness: how the run ended.
        odd: what no worker can have written of it: then what is told is not all there was.

    Raises:
        ValueError: changes are not numbered as a worker numbers them.
    """
    return read_history(
        record.ledger,
        whole=completeness.workers_whole and not odd,
        has_all_reads=not warned(record, TOO_LARGE),
    )
