"""Which findings tell more about an objective that was not met: the kinds, the weightiest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from stormproof.model.finding import Finding
from stormproof.model.plan import OwnChecker, Plan
from stormproof.rules.finding_kinds import OF_HISTORY

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
    **OF_HISTORY,
    "fault_effective": ("not-witnessed", "too-short"),
    "fault_undone": ("not-undone",),
    "fault_residue": ("residue", "not-searched"),
    "recovery_ready_s": ("not-witnessed", "too-short", "fault-unpunctual"),
    "recovery_service_s": ("not-witnessed", "too-short", "fault-unpunctual"),
    "blast_requests": ("not-witnessed", "too-short"),
    "blast_users": ("not-witnessed", "too-short"),
    "blast_tenants": ("not-witnessed", "too-short"),
    "health_unready_lag_s": ("not-witnessed", "too-short", "fault-unpunctual"),
}
# Of these nothing is found beside the objective's own value: what was not seen has no witness.
WITHOUT: Final = frozenset(
    {
        "seen",
        "messages_recovered",
        "health_false_ready",
        "figure_resumed_s",
        "takeover_off",
        "error_budget_burnt",
        "hypothesis_broken_s",
    }
)
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
