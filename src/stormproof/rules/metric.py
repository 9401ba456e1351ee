"""What a metric is: which part of the evidence it reads, and what it can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, get_args

from stormproof.model.objective import Aggregation


class Reading(Enum):
    """Which part of a cell a metric reads, or that a checker measures it."""

    COUNT = "count"
    SUM = "sum"
    LEVEL = "level"
    FAILED_SHARE = "failed share"
    PASSED_SHARE = "passed share"
    RESPONSE = "response"
    SERVICE = "service"
    MEASURED = "measured"
    OBSERVED = "observed"
    OBSERVED_SHARE = "observed share"


TREND_ASKED: Final[frozenset[Aggregation]] = frozenset({"avg", "min", "med", "max", "p", "slope"})
COUNTER_ASKED: Final[frozenset[Aggregation]] = frozenset({"count", "rate"})
RATE_ASKED: Final[frozenset[Aggregation]] = frozenset({"rate"})
FAILED_ASKED: Final[frozenset[Aggregation]] = frozenset({"rate", "slope"})
COUNT_ASKED: Final[frozenset[Aggregation]] = frozenset({"count"})
SECONDS_ASKED: Final[frozenset[Aggregation]] = frozenset({"max", "value"})
GAUGE_ASKED: Final[frozenset[Aggregation]] = frozenset({"value", "min", "max", "slope"})
ANYTHING_ASKED: Final[frozenset[Aggregation]] = frozenset(get_args(Aggregation))

PROBES: Final = "probe"  # the base of what the plan's probes saw: no series, but their answers
GENERATOR: Final = "generator"  # the base of what the workers say of themselves in each frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric: `base` is what its series carry, `exact` ones need no validity to fail.

    `counts_drops` adds the scenario's dropped iterations as +infinity; `timed` ones mean
    something only when the load generator kept its schedule.
    """

    name: str
    doc: str
    reading: Reading
    unit: str
    aggregations: frozenset[Aggregation]
    tags: frozenset[str]
    base: str = ""
    counts_drops: bool = False
    timed: bool = True
    exact: bool = False
    needed: frozenset[str] = frozenset()  # the tags that it cannot be asked without

    @property
    def carries_declared_tags(self) -> bool:
        """Whether it has series, which carry the tags that scenarios declare."""
        return self.base not in ("", PROBES, GENERATOR)

    @property
    def is_share(self) -> bool:
        """Whether its `rate` is a share, 0 to 1, and not a count per second."""
        return self.reading not in (Reading.COUNT, Reading.SUM, Reading.OBSERVED)

    @property
    def is_observed(self) -> bool:
        """Whether a source of figures says it; which tags it has, only the run can tell."""
        return self.reading in (Reading.OBSERVED, Reading.OBSERVED_SHARE)
