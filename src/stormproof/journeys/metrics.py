"""A journey's own metrics: values at the top of its file, added to by its users.

    basket = Trend("basket_value", unit="EUR", doc="What a customer pays.", tags=("currency",))

    @journey
    async def buy(user):
        ...
        basket.add(user, 12.5, currency="EUR")

They are named in the plan and can be asked for like any other metric, under their scenario, the
tags they declare and those that the user wears: `basket_value{currency:EUR}: p(95)<80`. A value
that cannot be kept is left out with a warning, which keeps the run from passing. Kept are
thousandths, a trend's with three significant digits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

from stormproof.model.metric import CustomMetric, MetricKind


class Measuring(Protocol):
    """Whoever values are added by: the user of a journey."""

    def record_metric(self, metric: CustomMetric, value: float, tags: Mapping[str, str]) -> None:
        """Keep a value of a custom metric; call its `add` instead."""
        ...


class Metric:
    """What the four kinds share.

    Args:
        name: how thresholds ask for it: letters, digits and _.
        unit: of its values, for people.
        doc: what it says, for people.
        tags: the keys of the tags that its values may carry.
    """

    kind: ClassVar[MetricKind]
    __slots__ = ("declared",)

    def __init__(
        self, name: str, *, unit: str = "", doc: str = "", tags: Sequence[str] = ()
    ) -> None:
        self.declared = CustomMetric(
            name=name, kind=self.kind, unit=unit, doc=doc, tags=tuple(tags)
        )


class Counter(Metric):
    """A sum, asked for by `count` and, per second, by `rate`."""

    kind = MetricKind.COUNTER
    __slots__ = ()

    def add(self, user: Measuring, value: float = 1, **tags: str) -> None:
        """Add `value`, which is not negative."""
        user.record_metric(self.declared, value, tags)


class Gauge(Metric):
    """A level, asked for by `value` (the last one), `min` and `max`."""

    kind = MetricKind.GAUGE
    __slots__ = ()

    def add(self, user: Measuring, value: float, **tags: str) -> None:
        """Say what the level is now."""
        user.record_metric(self.declared, value, tags)


class Rate(Metric):
    """A share of what was true, 0 to 1, asked for by `rate`."""

    kind = MetricKind.RATE
    __slots__ = ()

    def add(self, user: Measuring, value: object, **tags: str) -> None:
        """Count whether `value` is true."""
        user.record_metric(self.declared, 1 if value else 0, tags)


class Trend(Metric):
    """A distribution, asked for by `avg`, `min`, `med`, `max` and `p(N)`."""

    kind = MetricKind.TREND
    __slots__ = ()

    def add(self, user: Measuring, value: float, **tags: str) -> None:
        """Add a value, which is not negative and at most 3,600,000."""
        user.record_metric(self.declared, value, tags)
