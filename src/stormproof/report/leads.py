"""Which findings tell more about an objective that was not met: the kinds, the weightiest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from stormproof.model.finding import Finding
from stormproof.model.plan import OwnChecker, Plan

FINDINGS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "delivery_lost": ("lost", "refused-delivered", "never-joined", "joined-above"),
    "delivery_duplicated": ("duplicated",),
    "delivery_foreign": ("foreign",),
    "delivery_corrupted": ("corrupted", "never-announced"),
    "delivery_unexpected": ("unexpected", "refused-delivered", "never-announced"),
    "delivery_misnumbered": ("misnumbered",),
    "delivery_reordered": ("reordered", "ledger-out-of-order"),
    "messages_acknowledged": ("owed-to-nobody", "never-joined"),
    "messages_delivered": ("lost", "owed-to-nobody", "never-joined"),
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
    "fault_effective": ("not-witnessed", "too-short"),
    "fault_undone": ("not-undone",),
    "fault_residue": ("residue", "not-searched"),
    "recovery_ready_s": ("not-witnessed", "too-short", "fault-unpunctual"),
    "recovery_service_s": ("not-witnessed", "too-short", "fault-unpunctual"),
    "health_unready_lag_s": ("not-witnessed", "too-short", "fault-unpunctual"),
}
# Of these nothing is found beside the objective's own value: what was not seen has no witness.
WITHOUT: Final = frozenset({"seen", "health_false_ready"})
OF_OWN: Final = "own-"


def lead_of(metric: str, findings: Sequence[Finding], plan: Plan) -> int | None:
    """Return the place of the finding that tells most about an objective; None where none does.

    What a checker of the trial's own file found begins with the checker's name.
    """
    for kind in FINDINGS_OF.get(metric, ()):
        for place, one in enumerate(findings):
            if one.kind == kind:
                return place
    names = [f"{own.source.function}: " for own in plan.own_checkers if _measures(own, metric)]
    own = (
        place
        for place, one in enumerate(findings)
        if one.kind.startswith(OF_OWN) and one.title.startswith(tuple(names))
    )
    return next(own, None)


def _measures(own: OwnChecker, metric: str) -> bool:
    return any(one.name == metric for one in own.metrics)
