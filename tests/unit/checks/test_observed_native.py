"""Objectives on native histograms of a target: as on classic ones, all instances together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest
from tests.builders import at, healthy_record, plan
from tests.families import observing
from tests.unit.checks.judging import judge_one
from tests.unit.checks.observed import TARGET

from stormproof.model.native import NativeBuckets, packed
from stormproof.model.objective import Status
from stormproof.model.observed import ObservedKind
from stormproof.model.reading import ObservedSeries, SourceReading
from stormproof.model.record import Record
from stormproof.report.sources import source_tables
from stormproof.rules.figures import figures_of
from stormproof.rules.target_now import target_now

NAME = "request_latency_ms"
TICKS = (0.0, 4.0, *(5.0 * tick for tick in range(2, 9)), 42.0)  # seconds of the load, 4 to 40
FAST = [1.0 + step / 100 for step in range(900)]  # ms, 900 of them from 1 to 10
SLOW = [100.0 + step for step in range(100)]
Said = tuple[float, float, NativeBuckets | str | None]  # observed, their sum, buckets if native


def growing(samples: Sequence[float], schema: int) -> Callable[[int], Said]:
    """Return what a keeper says at a tick: it observes `samples` between any two."""
    once = observing(samples, schema)

    def said(tick: int) -> Said:
        return (
            len(samples) * tick,
            sum(samples) * tick,
            NativeBuckets(
                once.schema,
                once.zero_threshold,
                once.zero_count * tick,
                {index: count * tick for index, count in once.positive.items()},
                {},
            ),
        )

    return said


def record(keepers: Mapping[str, Callable[[int], Said]]) -> Record:
    """Return the record of a run whose target has an instance a keeper."""
    series: dict[tuple[str, str], ObservedSeries] = {}

    def key_of(name: str, instance: str, kind: ObservedKind, **tags: str) -> int:
        made = ObservedSeries(
            id=len(series), source="target", name=name, tags={"i": instance, **tags}, kind=kind
        )
        return series.setdefault((name + str(tags), instance), made).id

    readings = []
    for tick, at_s in enumerate(TICKS):
        values, natives = dict[int, float](), dict[int, bytes]()
        for instance, keeper in keepers.items():
            count, total, buckets = keeper(tick)
            values[key_of(f"{NAME}_count", instance, ObservedKind.COUNTER)] = count
            values[key_of(f"{NAME}_sum", instance, ObservedKind.COUNTER)] = total
            if isinstance(buckets, str):
                continue
            if buckets is None:
                last = key_of(f"{NAME}_bucket", instance, ObservedKind.COUNTER, le="+Inf")
                values[last] = count
                continue
            key = key_of(NAME, instance, ObservedKind.NATIVE)
            values[key], natives[key] = count, packed(buckets)
        readings.append(
            SourceReading(
                source="target",
                start_ns=at(at_s),
                end_ns=at(at_s),
                ids=list(values),
                values=list(values.values()),
                natives=natives,
            )
        )
    observed = {one.id: one for one in series.values()}
    return healthy_record(plan(sources=(TARGET,)), observed=observed, readings=tuple(readings))


BOTH = {"a": growing(FAST, 5), "b": growing(SLOW, 3)}


@pytest.mark.parametrize(
    ("metric", "threshold", "low", "high", "status"),
    [
        (NAME, "p(50)<10", 5.5, 6.2, Status.PASS),
        (NAME, "p(95)<300", 140.0, 160.0, Status.PASS),
        (NAME, "p(95)<100", 140.0, 160.0, Status.FAIL),
        (NAME + "{i:a}", "p(95)<10", 9.3, 9.7, Status.PASS),
        (NAME, "med<10", 5.5, 6.2, Status.PASS),
        (NAME, "avg<30", 19.0, 20.5, Status.PASS),
        (NAME, "count>=7000", 7_000, 7_000, Status.PASS),
        (NAME + "{i:b}", "rate<30", 19.4, 19.5, Status.PASS),
    ],
)
def test_a_native_histogram_is_judged(
    metric: str, threshold: str, low: float, high: float, status: Status
) -> None:
    """Quantiles, means and counts are those of all instances together, whatever their schemas; the
    interval is the bucket, which is as wide as the coarser schema has it."""
    judged = judge_one(f"target:{metric}", threshold, record(BOTH))
    assert judged.status is status, judged.why
    assert judged.value is not None
    assert low <= judged.value <= high
    if threshold.startswith("p(95)") and metric == NAME:
        assert judged.interval is not None
        assert judged.interval[1] / judged.interval[0] == pytest.approx(2 ** (1 / 8))


def begins_again(tick: int) -> Said:
    return growing(FAST, 5)(tick if tick < 5 else tick - 5)


def gets_finer(tick: int) -> Said:
    return growing(FAST, 3 if tick < 5 else 4)(tick)


def has_no_numbers(tick: int) -> Said:
    count, total, buckets = growing(FAST, 5)(tick)
    return count * 1.2, total, buckets


def goes_silent(tick: int) -> Said:
    return growing(FAST, 5)(tick) if tick < 5 else is_gone(tick)


def is_gone(tick: int) -> Said:
    return *growing(FAST, 5)(tick)[:2], "gone"


def observes_nothing(tick: int) -> Said:
    return 0, 0, NativeBuckets(3)


def is_classic(tick: int) -> Said:
    return *growing(FAST, 5)(tick)[:2], None


@pytest.mark.parametrize(
    ("keepers", "why"),
    [
        ({"a": begins_again}, "its counters began again"),
        ({"a": gets_finer}, "its counters began again"),
        ({"a": has_no_numbers}, "observed lie in no native bucket"),
        ({"a": goes_silent, "b": growing(SLOW, 3)}, "observed lie in no native bucket"),
        ({"a": is_gone, "b": growing(SLOW, 3)}, "observed lie in no native bucket"),
        ({"a": observes_nothing}, "observed nothing in the window"),
        ({"a": is_classic, "b": growing(SLOW, 3)}, "some histograms of request_latency_ms are"),
    ],
)
def test_native_histograms_that_cannot_answer_are_undecided(
    keepers: Mapping[str, Callable[[int], Said]], why: str
) -> None:
    """A restart, also one that only a finer schema tells, observations without a bucket, instances
    of both kinds: no quantile is made of them."""
    judged = judge_one(f"target:{NAME}", "p(95)<300", record(keepers))
    assert judged.status is Status.INCONCLUSIVE
    assert why in judged.why


def test_what_else_is_asked_of_one_is_refused_with_what_is_right() -> None:
    """A native histogram has no maximum, and the verdict says what it has."""
    judged = judge_one(f"target:{NAME}", "max<300", record(BOTH))
    assert judged.status is Status.INCONCLUSIVE
    assert "it is a histogram" in judged.remedy


def test_the_report_and_the_live_view_show_its_percentile() -> None:
    """A native histogram is one row with its p95, and the live view has that of the last two."""
    whole = record(BOTH)
    (table,) = source_tables(whole)
    (row,) = table.rows
    assert (row.name, row.what, row.series) == (NAME, "p95", 2)
    assert 140 <= row.low <= row.whole <= row.high <= 160
    assert row.total == 1_000 * 8
    now = target_now(figures_of("target", whole.observed, whole.readings))
    assert now.p95_ms == pytest.approx(row.last)
