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
}
LASTED: Final[Mapping[str, str]] = {
    "set_stale_s": "Longest time from an element being known to the begin of a read without it.",
}
SEEN: Final = "seen"
SEEN_DOC: Final = "How often journeys told the ledger that they saw `what`."
WHAT: Final = "what"
