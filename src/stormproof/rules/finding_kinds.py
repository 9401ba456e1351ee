"""Which kinds of findings a metric of the history counts, or is left undecided by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# The weightiest first.
OF_HISTORY: Final[Mapping[str, tuple[str, ...]]] = {
    "set_lost": ("set-lost", "set-unread"),
    "set_stale": ("set-stale", "set-unread"),
    "set_stale_s": ("set-stale", "set-unread"),
    "set_unexpected": ("set-unexpected", "set-unread"),
    "set_repeated": ("set-repeated", "set-unread"),
    "set_refused_seen": ("set-refused-seen", "set-unread"),
    "counter_off": ("counter-off", "counter-unread"),
    "ids_duplicated": ("id-duplicated",),
    "register_nonlinearizable": ("register-nonlinearizable",),
    "reads_not_own_writes": ("read-not-own-write",),
    "reads_not_monotonic": ("read-stepped-back",),
    "reads_stale": ("read-stale",),
    "reads_stale_s": ("read-stale",),
    "isolation_foreign": ("isolation-foreign",),
    "effects_duplicated": ("effect-duplicated",),
    "totals_off": ("total-off", "total-unread"),
    "final_off": ("final-off",),
    "stored_lost": ("stored-lost", "final-unread"),
    "stored_refused": ("stored-refused", "final-unread"),
    "stored_surplus": ("stored-surplus", "final-unread"),
    "stored_repeated": ("stored-repeated", "final-unread"),
    "stored_apart": ("stored-apart", "final-unread"),
    "orphaned": ("orphaned", "final-unread"),
}
