"""The metrics of drills: how far one reached, what it cost, and what did not hold meanwhile."""

from __future__ import annotations

from typing import Final

from stormproof.model.objective import Aggregation
from stormproof.rules.metric import SECONDS_ASKED, Metric, Reading

BLAST_REQUESTS: Final = "blast_requests"
BLAST_USERS: Final = "blast_users"
BLAST_TENANTS: Final = "blast_tenants"
BUDGET_BURNT: Final = "error_budget_burnt"
HYPOTHESIS_BROKEN: Final = "hypothesis_broken_s"
OF_DISTURBANCE: Final = (BLAST_REQUESTS, BLAST_USERS, BLAST_TENANTS)

# A share of all there are, not of a sample: `rate` would ask for as many as its bar is small.
_SHARE_ASKED: Final[frozenset[Aggregation]] = frozenset({"value"})
_NONE: Final[frozenset[str]] = frozenset()


def _share(name: str, doc: str, tags: frozenset[str] = _NONE) -> Metric:
    return Metric(
        name=name,
        doc=doc,
        reading=Reading.MEASURED,
        unit="",
        aggregations=_SHARE_ASKED,
        tags=tags,
    )


DRILL_METRICS: Final = (
    _share(
        BLAST_REQUESTS,
        "Share of operations that failed while faults were in force or recovered from.",
        frozenset({"scenario"}),
    ),
    _share(BLAST_USERS, "Share of users with at least one failed operation in that time."),
    _share(
        BLAST_TENANTS,
        "Share of the ledger's scopes into which something was refused, or unknown, in that time.",
    ),
    _share(
        BUDGET_BURNT,
        "Share of what a service level lets fail that did fail; above 1 it is broken.",
        frozenset({"slo"}),
    ),
    Metric(
        name=HYPOTHESIS_BROKEN,
        doc="Seconds of the load in which a hypothesis did not hold; without a tag the worst.",
        reading=Reading.MEASURED,
        unit="s",
        aggregations=SECONDS_ASKED,
        tags=frozenset({"hypothesis"}),
    ),
)
