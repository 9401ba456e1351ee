"""Objectives on what the target says of itself: validity first, then the value."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from tests.builders import healthy_record
from tests.unit.checks.judging import judge_one
from tests.unit.checks.observed import Said, at_edges, every_5_s, observed

from stormproof.checks.judge import judge
from stormproof.kernel.canonical import canonical_json
from stormproof.kernel.units import SECOND_NS
from stormproof.model.objective import Status
from stormproof.model.observed import UNREAD, ObservedKind
from stormproof.model.plan import PlannedSource
from stormproof.model.reading import ObservedSeries
from stormproof.rules.grammar import objective

OK, BAD = "requests_total{status:200}", "requests_total{status:503}"
LATENCY = {f"latency_ms_bucket{{le:{bound}}}": 0.0 for bound in ("10", "50", "+Inf")}
GROWN = {
    "latency_ms_bucket{le:10}": 50.0,
    "latency_ms_bucket{le:50}": 95.0,
    "latency_ms_bucket{le:+Inf}": 100.0,
    "latency_ms_count": 100.0,
    "latency_ms_sum": 2_000.0,
}


@pytest.mark.parametrize(
    ("metric", "threshold", "value", "status"),
    [
        ("target:queue", "max<500", 35, Status.PASS),
        ("target:queue", "min>=5", 5, Status.PASS),
        ("target:queue", "avg<20", 20, Status.FAIL),
        ("target:queue", "value<35", 35, Status.FAIL),
        ("target:requests_total", "count<1000", 772, Status.PASS),
        ("target:requests_total{status:503}", "count==0", 7, Status.FAIL),
        ("target:requests_total{status:500}", "count==0", 0, Status.PASS),
        ("target:requests_total{window:run}", "rate>100", 21.007, Status.FAIL),
        ("target:latency_ms", "p(50)<=10", 10, Status.PASS),
        ("target:latency_ms", "p(95)<=50", 50, Status.PASS),
        ("target:latency_ms", "p(90)<40", 45.5556, Status.FAIL),
        ("target:latency_ms", "avg<25", 20, Status.PASS),
        ("target:latency_ms", "count>=700", 700, Status.PASS),
        ("target:requests_failed", "rate<0.05", 0.0090674, Status.PASS),
    ],
)
def test_a_figure_of_the_target_is_judged(
    metric: str, threshold: str, value: float, status: Status
) -> None:
    """Gauges, counters and histograms answer over the load, from 4 s to 40 s, by their readings."""
    start = {"queue": 0.0, OK: 0.0, BAD: 0.0, "latency_ms_count": 0.0, "latency_ms_sum": 0.0}
    step = {"queue": 5.0, OK: 109.2857142857143, BAD: 1.0, **GROWN}
    judged = judge_one(metric, threshold, observed(at_edges({**start, **LATENCY}, step)))
    assert judged.value == pytest.approx(value, rel=1e-3), judged
    assert judged.status is status, judged.why


def test_buckets_of_instances_are_added_up_before_the_quantile() -> None:
    """Of a busy fast and an idle slow instance the quantile is that of all requests together."""
    start = {f"w_bucket{{i:{i},le:{le}}}": 0.0 for i in "ab" for le in ("10", "100", "+Inf")}
    step = dict.fromkeys(start, 1.0) | {
        f"w_bucket{{i:a,le:{le}}}": 99.0 for le in ("10", "100", "+Inf")
    }
    step["w_bucket{i:b,le:10}"] = 0.0
    judged = judge_one("target:w", "p(90)<10", observed(at_edges(start, step)))
    assert judged.value == pytest.approx(10 * 90 / 99)
    assert judged.interval == (0.0, 10.0)


def test_a_counter_that_begins_again_or_late_is_counted_whole() -> None:
    """What is seen of it after a restart counts, and a series that shows up later counts from its
    beginning; but what was counted just before the restart is lost, so that nothing is passed."""
    said = [
        (0.0, {OK: 10.0}),
        (10.0, {OK: 30.0}),
        (20.0, {OK: 5.0}),
        (30.0, {OK: 9.0, BAD: 2.0}),
        (40.0, {OK: 9.0, BAD: 3.0}),
    ]
    judged = judge_one("target:requests_total", "count<1000", observed(said))
    assert judged.value == 20 + 5 + 4 + 3
    assert judged.status is Status.INCONCLUSIVE
    assert judged.why.startswith("its counters began again")
    assert judge_one("target:requests_total", "count<9", observed(said)).status is Status.FAIL


@pytest.mark.parametrize(
    ("bar", "status"), [(40, Status.FAIL), (50, Status.FAIL), (60, Status.INCONCLUSIVE)]
)
def test_beyond_the_last_bound_only_bars_up_to_it_are_broken(bar: int, status: Status) -> None:
    """A quantile above all bounds is above those, and nobody knows whether above more."""
    start = {**LATENCY, "latency_ms_count": 0.0, "latency_ms_sum": 0.0}
    judged = judge_one("target:latency_ms", f"p(96)<{bar}", observed(at_edges(start, GROWN)))
    if status is Status.FAIL:
        assert judged.beyond == "above the last bound of its buckets, 50"
    assert judged.status is status


@pytest.mark.parametrize(
    ("metric", "threshold", "why", "remedy"),
    [
        ("target:quoue", "max<1", "target:quoue was never seen", "did you mean 'queue'?"),
        ("target:queue{pool:a}", "max<1", "queue has no tag 'pool'", "known: none"),
        (
            "target:requests_total{status:2OO}",
            "count<1",
            "no series of requests_total carries status '2OO'",
            "known: 200",
        ),
        ("target:queue", "count<1", "queue cannot be asked for count", "it is a gauge"),
        ("target:requests_total", "max<1", "cannot be asked for max", "it is a counter"),
        ("target:latency_ms", "max<1", "cannot be asked for max", "it is a histogram"),
        ("target:pools", "value<1", "2 series of pools have a value each", "pool:a"),
        ("target:latency_ms", "p(99.9)<40", "700 samples, 10000 needed", "run longer"),
    ],
)
def test_what_was_not_seen_as_asked_is_undecided(
    metric: str, threshold: str, why: str, remedy: str
) -> None:
    """Each names what would be right."""
    start = {"queue": 0.0, OK: 0.0, "pools{pool:a}": 1.0, "pools{pool:b}": 1.0}
    step = {OK: 1.0, **GROWN}
    judged = judge_one(metric, threshold, observed(every_5_s({**start, **LATENCY}, step)))
    assert judged.status is Status.INCONCLUSIVE
    assert why in judged.why
    assert remedy in judged.remedy


def test_a_gap_is_undecided_and_not_bridged() -> None:
    """More than three intervals without figures say nothing, whatever is on both sides of them."""
    said = every_5_s({"queue": 1.0}, {})
    silent = [(at_s, "timeout" if 10 <= at_s <= 25 else one) for at_s, one in said]
    judged = judge_one("target:queue", "max<5", observed(silent))
    assert (judged.status, judged.why) == (Status.INCONCLUSIVE, "it was not read for 25 s")
    shorter = [(at_s, "timeout" if 10 <= at_s <= 15 else one) for at_s, one in said]
    assert judge_one("target:queue", "max<5", observed(shorter)).status is Status.PASS


def test_one_reading_shows_no_growth() -> None:
    """A counter that was read once is undecided, though it has a value."""
    judged = judge_one("target:requests_total", "count<9", observed([(20.0, {OK: 5.0})]))
    assert judged.status is Status.INCONCLUSIVE


def test_a_target_that_said_nothing_is_undecided_with_its_last_error() -> None:
    """No reading, no source in the plan: INCONCLUSIVE, and why."""
    silent = observed([(at_s, "/metrics answers 404") for at_s in range(0, 40, 5)])
    judged = judge_one("target:queue", "max<5", silent)
    assert (judged.status, judged.remedy) == (Status.INCONCLUSIVE, "/metrics answers 404")
    assert judge_one("target:queue", "max<5", healthy_record()).status is Status.INCONCLUSIVE


def test_series_that_were_left_out_leave_their_objectives_undecided() -> None:
    """Nobody knows what the series beyond the limits said; other figures are judged."""
    record = observed(every_5_s({OK: 0.0, "queue": 1.0}, {OK: 1.0}))
    rest = ObservedSeries(
        id=99, source="target", name="requests_total", tags={}, kind=ObservedKind.COUNTER,
        is_rest=True,
    )  # fmt: skip
    record = replace(record, observed={**record.observed, 99: rest})
    assert judge_one("target:requests_total", "count<99", record).status is Status.INCONCLUSIVE
    assert judge_one("target:queue", "max<5", record).status is Status.PASS


def test_lines_that_could_not_be_read_leave_what_was_met_undecided() -> None:
    """Any series may be among them: only what is broken without them is decided."""
    said = every_5_s({OK: 0.0, BAD: 0.0, UNREAD: 0.0}, {OK: 1.0})
    said[4] = (20.0, {OK: 4.0, UNREAD: 2.0})
    judged = judge_one("target:requests_total{status:503}", "count==0", observed(said))
    assert (judged.status, judged.why) == (
        Status.INCONCLUSIVE,
        "2 lines of what the source gives cannot be read: its series may be there",
    )
    asked = "target:requests_total{status:200}"
    assert judge_one(asked, "count<99", observed(said)).status is Status.INCONCLUSIVE
    assert judge_one(asked, "count<5", observed(said)).status is Status.FAIL


def test_a_lag_that_was_not_known_is_neither_zero_nor_what_it_was_before() -> None:
    """One reading at which the server could not tell leaves the lag of that group undecided, and of
    no other; a lag over its bar was over it all the same."""
    valkey = PlannedSource(name="valkey", interval_ns=5 * SECOND_NS, timeout_ns=SECOND_NS)
    groups = [f"{{stream:orders,group:{name}}}" for name in ("one", "two")]
    known = {f"stream_lag{group}": 7.0 for group in groups}
    known |= {f"stream_lag_unknown{group}": 0.0 for group in groups}
    said = every_5_s(known, {})
    not_told = {name: value for name, value in known.items() if name != f"stream_lag{groups[0]}"}
    said[4] = (20.0, {**not_told, f"stream_lag_unknown{groups[0]}": 1.0})
    record = observed(said, valkey)
    one, other = f"valkey:stream_lag{groups[0]}", f"valkey:stream_lag{groups[1]}"
    for threshold in ("max<10", "value<10", "min>=7", "avg<10"):
        judged = judge_one(one, threshold, record)
        assert judged.status is Status.INCONCLUSIVE
        assert "did not know it at 1 of the readings" in judged.why
        assert judge_one(other, threshold, record).status is Status.PASS
    assert judge_one(one, "max<7", record).status is Status.FAIL
    assert judge_one("valkey:stream_lag", "max<10", record).status is Status.INCONCLUSIVE


def test_judging_again_gives_the_same_bytes() -> None:
    """A verdict over a target's figures is a pure function of the record."""
    record = observed(at_edges({OK: 0.1, BAD: 0.2, **LATENCY}, {OK: 30.3, BAD: 2.1, **GROWN}))
    asked = [
        objective("target:requests_total", "rate<99"),
        objective("target:latency_ms", "p(95)<60"),
        objective("target:requests_failed", "rate<0.5"),
    ]
    first, second = (judge(record, objectives=asked, version="1") for _ in range(2))
    assert canonical_json(first) == canonical_json(second)
    assert [one.status for one in first.objectives[1:]] == [Status.PASS] * 3


def _six_failures(by_s: float) -> list[tuple[float, Said]]:
    """Return readings every 5 s of which those from `by_s` on know of six failures."""
    return [
        (tick * 5.0, {OK: tick * 100.0, BAD: 6.0 if tick * 5 >= by_s else 0.0}) for tick in range(9)
    ]


def test_what_a_window_shares_with_its_neighbours_is_not_laid_to_it() -> None:
    """Failures between two readings, of which one lies in the window, may be of either side: no
    FAIL and no PASS; what both readings of a side lie in is decided."""
    late = _six_failures(5)
    asked = "target:requests_total{status:503}"
    judged = judge_one(asked, "count==0", observed(late))
    assert (judged.status, judged.value) == (Status.INCONCLUSIVE, 0)
    assert judged.why.startswith("between 0 and 6")
    share = judge_one("target:requests_failed", "rate<0.005", observed(late))
    assert share.status is Status.INCONCLUSIVE
    assert judge_one(asked, "count<7", observed(late)).status is Status.PASS
    inside = _six_failures(15)
    assert judge_one(asked, "count==0", observed(inside)).status is Status.FAIL
    assert judge_one(asked, "count>=7", observed(inside)).status is Status.FAIL


def test_readings_far_outside_a_window_do_not_pass_it() -> None:
    """One interval is how far the reading beside a window's end may lie outside it."""
    said = [one for one in every_5_s({OK: 0.0}, {}) if one[0] not in (35.0, 40.0)]
    judged = judge_one("target:requests_total", "count==0", observed([*said, (52.0, {OK: 0.0})]))
    assert judged.status is Status.INCONCLUSIVE
    assert "12 s away" in judged.why
    ended = judge_one("target:requests_total", "count==0", observed(said))
    assert ended.why == "10 s of the window lie outside all readings"


@pytest.mark.parametrize(
    ("seen", "asked"),
    [
        (["requests_total{status:2xx}"], "target:requests_total{status:503}"),
        ([OK], "target:requests_total{status:503,route:/typo}"),
        (["requests{status:200}"], "target:requests{status:503}"),
        ([OK, "requests_total{status:other}"], "target:requests_total{status:503}"),
        ([OK, "requests_total{route:/a}"], "target:requests_total{status:503}"),
    ],
)
def test_a_status_is_a_true_zero_only_beside_counters_of_others(
    seen: list[str], asked: str
) -> None:
    """Classes, words, gauges, and other tags that no series carries say nothing about a status."""
    record = observed(at_edges(dict.fromkeys(seen, 0.0), dict.fromkeys(seen, 1.0)))
    assert judge_one(asked, "count==0", record).status is Status.INCONCLUSIVE


@pytest.mark.parametrize(
    ("tags", "status"),
    [
        (("status:success", "status:error"), Status.INCONCLUSIVE),
        (("code:OK,status:200", "code:ERR,status:503"), Status.FAIL),
        (("status:ok,code:200", "status:no,code:500"), Status.FAIL),
        (("status:2xx", "status:5XX"), Status.FAIL),
        (("status:200", "status:503,route:/a", "route:/b"), Status.INCONCLUSIVE),
    ],
)
def test_a_word_is_no_status(tags: tuple[str, ...], status: Status) -> None:
    """Half of the requests fail: the share is taken of numbers, whatever words stand beside."""
    names = [f"requests_total{{{one}}}" for one in tags]
    record = observed(at_edges(dict.fromkeys(names, 0.0), dict.fromkeys(names, 100.0)))
    assert judge_one("target:requests_failed", "rate<0.2", record).status is status


def test_a_series_that_is_missing_for_a_while_counts_once() -> None:
    """What it had counted before is not counted again when it is back."""
    said = every_5_s({OK: 100.0, BAD: 100.0}, {OK: 1.0})
    said[4] = (20.0, {OK: 104.0})
    judged = judge_one("target:requests_total{status:503}", "count==0", observed(said))
    assert (judged.status, judged.value) == (Status.PASS, 0)


def test_a_counter_whose_family_is_gone_is_no_zero() -> None:
    """A target that stops counting has not stopped failing."""
    said = every_5_s({OK: 0.0, BAD: 0.0, "queue": 1.0}, {OK: 1.0})
    gone = [(at_s, one if at_s < 30 else {"queue": 1.0}) for at_s, one in said]
    judged = judge_one("target:requests_total{status:503}", "count==0", observed(gone))
    assert judged.status is Status.INCONCLUSIVE
    assert judged.why == "it is missing from the last reading of the window"


def test_counters_that_fall_and_come_back_are_of_several_processes() -> None:
    """Replicas behind one address are no restarts, and what they differ by is no growth."""
    said = [(tick * 5.0, {OK: 1_000.0 if tick % 2 else 10.0}) for tick in range(9)]
    rarely = [(tick * 5.0, {OK: 10.0 if tick == 4 else 1_000.0 + tick}) for tick in range(9)]
    for one in (said, rarely):
        judged = judge_one("target:requests_total", "count<100", observed(one))
        assert judged.status is Status.INCONCLUSIVE
        assert "several processes answer in turn" in judged.why


def test_a_restart_leaves_quantiles_and_shares_undecided() -> None:
    """What was observed between the last reading and the restart may have been the slowest."""
    said = at_edges({**LATENCY, OK: 0.0}, {**GROWN, OK: 100.0})
    first = {name: value / 50 for name, value in dict(said[5][1]).items()}  # type: ignore[arg-type]
    said[5] = (said[5][0], first)
    said[6:] = [
        (at_s, {name: value + place * 100 for name, value in first.items()})
        for place, (at_s, _) in enumerate(said[6:], 1)
    ]
    for metric, threshold in (
        ("target:latency_ms", "p(50)<90"),
        ("target:requests_failed", "rate<1"),
    ):
        judged = judge_one(metric, threshold, observed(said))
        assert judged.why.startswith("its counters began again"), judged


def test_a_gauge_that_is_missing_from_most_readings_is_undecided() -> None:
    """Those that have it do not answer for those that have not."""
    said = every_5_s({"queue": 1.0, OK: 0.0}, {})
    mostly = [(at_s, one if at_s in (5, 10) else {OK: 0.0}) for at_s, one in said]
    assert judge_one("target:queue", "max<5", observed(mostly)).status is Status.INCONCLUSIVE
    assert judge_one("target:queue", "max<1", observed(mostly)).status is Status.FAIL


def test_the_mean_of_a_summary_is_not_that_of_its_quantiles() -> None:
    """It is the sum by the count; a quantile is a gauge that is asked for by its tag."""
    start = {"s{quantile:0.5}": 1.0, "s{quantile:0.99}": 2.0, "s_sum": 0.0, "s_count": 0.0}
    said = at_edges(start, {"s_sum": 5_000.0, "s_count": 100.0})
    record = observed(said)
    record = replace(
        record,
        observed={
            key: msgspec.structs.replace(one, kind=ObservedKind.COUNTER) if "_" in one.name else one
            for key, one in record.observed.items()
        },
    )
    mean = judge_one("target:s", "avg<10", record)
    assert (mean.status, mean.value) == (Status.FAIL, 50)
    assert judge_one("target:s{quantile:0.99}", "max<3", record).status is Status.PASS
    unnamed = judge_one("target:s", "max<3", record)
    assert (unnamed.status, "summary" in unnamed.remedy) == (Status.INCONCLUSIVE, True)


def test_sums_beyond_all_numbers_are_no_value() -> None:
    """A counter of 1e308 is nothing to add up, and no crash."""
    twice = {f"requests_total{{status:{code}}}": 1e308 for code in (200, 201)}
    record = observed([(0.0, dict.fromkeys(twice, 0.0)), (4.0, dict.fromkeys(twice, 0.0)),
                       *((at_s, twice) for at_s in (15.0, 30.0, 40.0))])  # fmt: skip
    for metric, threshold in (
        ("target:requests_total", "count<5"),
        ("target:requests_failed", "rate<0.5"),
    ):
        judged = judge_one(metric, threshold, record)
        assert (judged.status, judged.value) == (Status.INCONCLUSIVE, None)


def test_histograms_with_different_bounds_are_not_added_up() -> None:
    """A bound that one of them lacks would count that one's as nothing."""
    start = dict.fromkeys(
        ["w_bucket{i:a,le:10}", "w_bucket{i:a,le:+Inf}", "w_bucket{i:b,le:20}",
         "w_bucket{i:b,le:+Inf}"], 0.0)  # fmt: skip
    record = observed(at_edges(start, dict.fromkeys(start, 100.0)))
    judged = judge_one("target:w", "p(90)<30", record)
    assert judged.status is Status.INCONCLUSIVE
    assert "differ in their bounds" in judged.why


def test_lines_that_a_log_lost_leave_its_counts_undecided() -> None:
    """An error may be among them; one that was seen is one."""
    names = ["errors_total{part:api}", "lines_lost_total{part:api}", "lines_lost_total{part:db}"]
    for lost, status in ((names[1], Status.INCONCLUSIVE), (names[2], Status.PASS)):
        record = observed(at_edges(dict.fromkeys(names, 0.0), {lost: 3.0}))
        judged = judge_one("target:errors_total{part:api}", "count==0", record)
        assert judged.status is status, judged
    record = observed(at_edges(dict.fromkeys(names, 0.0), {names[1]: 3.0, names[0]: 1.0}))
    judged = judge_one("target:errors_total{part:api}", "count==0", record)
    assert judged.status is Status.FAIL


@pytest.mark.parametrize(
    ("metric", "threshold", "status"),
    [
        ("target:latency_ms", "p(90)<50", Status.PASS),
        ("target:requests_failed", "rate<0.5", Status.PASS),
        ("target:requests_total", "count<5000", Status.INCONCLUSIVE),
        ("target:queue", "max<500", Status.INCONCLUSIVE),
    ],
)
def test_stolen_time_is_borne_only_where_it_can_do_no_good(
    metric: str, threshold: str, status: Status
) -> None:
    """A load that the host slowed asks less of the target: a count or a gauge that stays low is no
    merit of the target's."""
    start = {"queue": 0.0, OK: 0.0, "latency_ms_count": 0.0, "latency_ms_sum": 0.0, **LATENCY}
    record = observed(at_edges(start, {**GROWN, OK: 100.0}))
    stolen = [
        msgspec.structs.replace(
            one, generator=msgspec.structs.replace(one.generator, core_steal_share=0.5)
        )
        for one in record.frames
    ]
    judged = judge_one(metric, threshold, replace(record, frames=tuple(stolen)))
    assert judged.status is status, judged
