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
SEEN: Final = "seen"
SEEN_DOC: Final = "How often journeys told the ledger that they saw `what`."
WHAT: Final = "what"
