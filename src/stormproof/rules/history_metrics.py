"""What the checkers of the history measure, for the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

COUNTED: Final[Mapping[str, str]] = {
    "set_lost": "Elements that were known, and that every later read of their set missed.",
    "set_stale": "Elements that a read missed after they were known, and a later one held.",
    "set_unexpected": "Sightings of elements that nobody added to their set.",
    "set_repeated": "Elements that one read of their set held more than once.",
    "set_refused_seen": "Elements whose every add was refused, and that a read held.",
    "counter_off": "Reads of counters that no changes explain.",
    "ids_duplicated": "Ids that were given out more than once.",
    "register_nonlinearizable": "Keys whose reads and writes no order explains.",
    "reads_not_own_writes": "Reads older than an earlier write of their own user.",
    "reads_not_monotonic": "Reads older than an earlier read of their own user.",
    "reads_stale": "Reads of values that had been overwritten when they began.",
    "isolation_foreign": "Sights of values by users who may not see what is their owner's.",
    "effects_duplicated": "Idempotency keys that were acted on more than once.",
    "totals_off": "Reported totals that are not the number of elements there were.",
    "final_off": "Keys whose last read is not what their changes make.",
}
LASTED: Final[Mapping[str, str]] = {
    "set_stale_s": "Longest time from an element being known to the begin of a read without it.",
    "reads_stale_s": "Longest time from an overwriting to the begin of a read without it.",
}
# What final reads are held against, and the metrics that come of it: of all, or of one (`what`).
STORED: Final[Mapping[str, str]] = {
    "stored_lost": "Acknowledged elements that a final read of what is stored does not hold.",
    "stored_refused": "Elements whose every add was refused, and that were stored all the same.",
    "stored_surplus": "Rows of a final read that no change explains.",
    "stored_repeated": "Elements that a final read holds more than once.",
}
STORED_APART: Final = "stored_apart"
STORED_APART_DOC: Final = "Elements that one of two final reads holds, and the other does not."
ORPHANED: Final = "orphaned"
ORPHANED_DOC: Final = (
    "Rows of a final read that should have none, and that were not there before; of one without"
    " what was removed, rows that are."
)
FINALLY_READ: Final = {**STORED, STORED_APART: STORED_APART_DOC, ORPHANED: ORPHANED_DOC}
SEEN: Final = "seen"
SEEN_DOC: Final = "How often journeys told the ledger that they saw `what`."
WHAT: Final = "what"
