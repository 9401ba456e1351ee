"""The grammar of thresholds: what it reads, and what it says about the rest."""

from __future__ import annotations

import re

import pytest

from stormproof.model.metric import CustomMetric, MetricKind
from stormproof.model.objective import Stretch
from stormproof.rules.grammar import (
    Threshold,
    format_objective,
    objective,
    parse_threshold,
    split_objective,
)
from stormproof.rules.questions import Declared
from stormproof.rules.tags import parse_metric


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http_reqs", ("http_reqs", {})),
        (" http_reqs{scenario:feed} ", ("http_reqs", {"scenario": "feed"})),
        (
            "http_req_duration{name:GET /api/posts/{id}}",
            ("http_req_duration", {"name": "GET /api/posts/{id}"}),
        ),
        (
            "http_req_duration{name:GET http://h:80/a, scenario: feed}",
            ("http_req_duration", {"name": "GET http://h:80/a", "scenario": "feed"}),
        ),
        ("checks{check:{a,b}}", ("checks", {"check": "{a,b}"})),
        ('checks{check:"a, b} \\"c\\" \\\\"}', ("checks", {"check": 'a, b} "c" \\'})),
        ('checks{check:12" screen}', ("checks", {"check": '12" screen'})),
    ],
)
def test_metrics_are_split(text: str, expected: tuple[str, dict[str, str]]) -> None:
    """Names, braces, colons, commas and quotes land where the grammar says."""
    assert parse_metric(text) == expected


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "does not start with a metric's name"),
        ("{a:b}", "does not start with a metric's name"),
        ("http_reqs{scenario:feed", "tags are written as http_reqs{tag:value}"),
        ("http_reqs scenario:feed", "tags are written as http_reqs{tag:value}"),
        ("http_reqs{scenario}", "write it as tag:value"),
        ("http_reqs{}", "write it as tag:value"),
        ("http_reqs{scenario:}", "a tag has no value"),
        ("http_reqs{scenario:a,scenario:b}", "is there twice"),
        ("http_reqs{name:/a/{id}", "never closed"),
        ("http_reqs{name:/a/id}}", "never opened"),
        ('http_reqs{name:"a}', "never closed"),
        ('http_reqs{name:"a" b}', "no quoted value"),
    ],
)
def test_broken_metrics_say_what_would_be_right(text: str, hint: str) -> None:
    """Every broken metric is refused with its cure."""
    with pytest.raises(ValueError, match=re.escape(hint)):
        parse_metric(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p(95)<300", Threshold("p", 95.0, "<", 300.0)),
        (" p( 99.9 ) <= 1e3 ", Threshold("p", 99.9, "<=", 1000.0)),
        ("rate<0.01", Threshold("rate", 0.0, "<", 0.01)),
        ("count === 0", Threshold("count", 0.0, "==", 0.0)),
        ("med!=.5", Threshold("med", 0.0, "!=", 0.5)),
        ("value>-1", Threshold("value", 0.0, ">", -1.0)),
    ],
)
def test_thresholds_are_read(text: str, expected: Threshold) -> None:
    """Aggregation, percentile, operator and bar are read as in k6."""
    assert parse_threshold(text) == expected


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "write it like p(95)<300"),
        ("p95<300", "write p(95)"),
        ("p<300", "p needs its percentile"),
        ("p()<300", "between 0 and 100"),
        ("p(101)<300", "between 0 and 100"),
        ("p(nan)<300", "between 0 and 100"),
        ("avg(5)<300", "only p takes an argument"),
        ("mean<300", "no aggregation 'mean'"),
        ("averag<300", "no aggregation"),
        ("rate<300ms", "bars have no unit"),
        ("rate<inf", "is no number"),
        ("rate<1e999", "is no number"),
        ("rate=<1", "no operator '=<'"),
        ("rate<", "is no threshold"),
    ],
)
def test_broken_thresholds_say_what_would_be_right(text: str, hint: str) -> None:
    """Every broken threshold is refused with its cure."""
    with pytest.raises(ValueError, match=re.escape(hint)):
        parse_threshold(text)


def test_an_objective_knows_its_unit_window_and_evidence() -> None:
    """The pseudo tag picks the window; unit and evidence come from catalog and threshold."""
    made = objective("http_req_duration{scenario:feed,window:calm}", "p(95) < 300")
    assert (made.metric, made.tags, made.window) == (
        "http_req_duration",
        {"scenario": "feed"},
        "calm",
    )
    assert (made.unit, made.samples_min, made.exact) == ("ms", 200, False)
    assert made.name == "http_req_duration{scenario:feed,window:calm}: p(95)<300"


@pytest.mark.parametrize(
    ("asked", "stretch", "name"),
    [
        ("http_reqs{over:30s}", Stretch(kind="over", seconds=30), "http_reqs{over:30s}"),
        ("http_reqs{every:90s}", Stretch(kind="every", seconds=90), "http_reqs{every:1m30s}"),
        (
            "http_reqs{for:1m,window:calm,scenario:feed}",
            Stretch(kind="for", seconds=60),
            "http_reqs{scenario:feed,window:calm,for:1m}",
        ),
    ],
)
def test_stretches_are_read(asked: str, stretch: Stretch, name: str) -> None:
    """A pseudo tag asks about stretches of the window, and is written back in its place."""
    made = objective(asked, "rate>5")
    assert made.stretch == stretch
    assert made.name == f"{name}: rate>5"


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("http_reqs{over:30}", "is not a duration"),
        ("http_reqs{over:500ms}", "not of whole seconds"),
        ("http_reqs{for:0s}", "not of whole seconds"),
        ("http_reqs{every:25h}", "1s to 24h"),
        ("http_reqs{over:30s,for:10s}", "over and for exclude each other"),
        ("recovery_ready_s{over:30s}", "leave out over"),
    ],
)
def test_broken_stretches_say_what_would_be_right(asked: str, hint: str) -> None:
    """A stretch that cannot be asked about is refused with its cure."""
    with pytest.raises(ValueError, match=re.escape(hint)):
        objective(asked, "max>5")


DECLARED = Declared(
    tags=frozenset({"region"}),
    metrics={
        "basket": CustomMetric(name="basket", kind=MetricKind.TREND, unit="EUR", tags=("kind",)),
        "orders": CustomMetric(name="orders", kind=MetricKind.COUNTER),
    },
)


def test_what_a_plan_declares_can_be_asked() -> None:
    """Tags of scenarios and metrics of journeys are as good as those of the catalog."""
    made = objective("http_reqs{region:eu}", "rate>5", declared=DECLARED)
    assert made.tags == {"region": "eu"}
    basket = objective("basket{kind:gift,region:eu,group:pay}", "p(95)<80", declared=DECLARED)
    assert (basket.unit, basket.samples_min, basket.custom) == (
        "EUR",
        200,
        DECLARED.metrics["basket"],
    )
    orders = objective("orders", "rate>2", declared=DECLARED)
    assert (orders.unit, orders.samples_min) == ("/s", 1)
    assert objective(*split_objective(basket.name), declared=DECLARED) == basket


@pytest.mark.parametrize(
    ("asked", "threshold", "hint"),
    [
        ("http_reqs{region:eu}", "rate>5", "has no tag 'region'"),
        ("basket", "avg<5", "there is no metric 'basket'"),
        ("browser_web_vital_lcp", "p(95)<5", "renders no pages"),
        ("grpc_req_duration", "p(95)<5", "HTTP and WebSockets only"),
        ("vus{scenario:feed}", "max<5", "has no tag 'scenario'"),
        ("vus", "avg<5", "use max, min, slope, value"),
    ],
)
def test_what_nothing_declares_is_refused(asked: str, threshold: str, hint: str) -> None:
    """A tag or metric that neither catalog nor plan knows is refused, with a word why."""
    with pytest.raises(ValueError, match=re.escape(hint)):
        objective(asked, threshold)


def test_probes_and_checkers_carry_no_tags_of_scenarios() -> None:
    """What is not made by scenarios cannot be asked by their tags."""
    for asked in ("probe_failed{probe:ready,region:eu}", "vus{region:eu}"):
        with pytest.raises(ValueError, match="has no tag 'region'"):
            objective(asked, "rate<0.1", declared=DECLARED)
    with pytest.raises(ValueError, match="orders has no tag 'kind'"):
        objective("orders{kind:a}", "count>1", declared=DECLARED)


def test_what_checkers_measure_is_exact_and_over_the_run() -> None:
    """Lost messages need no evidence to be lost, wherever they were lost."""
    made = objective("delivery_lost", "count==0")
    assert (made.window, made.exact, made.samples_min) == ("run", True, 1)
    assert objective("http_reqs", "count>5").exact is False
    assert objective("http_reqs", "count>5", exact=True).exact is True


@pytest.mark.parametrize(
    ("metric", "threshold", "hints"),
    [
        ("http_req_durations", "p(95)<3", ["did you mean 'http_req_duration'?"]),
        ("http_req_duration{scenari:feed}", "p(95)<3", ["did you mean 'scenario'?"]),
        ("http_req_duration{windo:calm}", "p(95)<3", ["did you mean 'window'?"]),
        ("http_req_duration{window:clam}", "p(95)<3", ["did you mean 'calm'?"]),
        ("http_req_failed", "p(95)<3", ["cannot be asked for 'p': use rate"]),
        ("delivery_lost{window:calm}", "count==0", ["leave out window:calm"]),
        (
            "http_reqs{nam:a,window:x}",
            "avg<1",
            ["no tag 'nam'", "asked for 'avg'", "no window 'x'"],
        ),
    ],
)
def test_unknown_words_are_refused_all_at_once(
    metric: str, threshold: str, hints: list[str]
) -> None:
    """A misspelt metric, tag, window or aggregation never passes, and each is named."""
    with pytest.raises(ValueError, match=".*".join(map(re.escape, hints))):
        objective(metric, threshold)


def test_a_name_can_be_read_back() -> None:
    """An objective's name splits into the metric and threshold that make it."""
    made = objective('http_reqs{name:"GET /a, b: {c"}', "rate>=0.1")
    assert objective(*split_objective(format_objective(made))) == made


def test_a_name_without_a_threshold_is_refused() -> None:
    """A colon inside the tags is no threshold."""
    with pytest.raises(ValueError, match="is no objective"):
        split_objective("http_reqs{scenario:feed}")


@pytest.mark.parametrize(
    ("threshold", "told"),
    [
        ("rate<5", "every share meets 'rate<5'"),
        ("rate<=1", "every share meets"),
        ("rate>=0", "every share meets"),
        ("rate!=2", "every share meets"),
        ("rate<0", "no share meets"),
        ("rate>1", "no share meets"),
        ("rate==95", "no share meets 'rate==95': a share lies between 0 and 1, 5 % is 0.05"),
    ],
)
def test_a_bar_that_decides_nothing_is_refused(threshold: str, told: str) -> None:
    """Percent where a share is meant would pass whatever happens, or never."""
    for metric in ("http_req_failed", "checks", "fault_effective"):
        with pytest.raises(ValueError, match=re.escape(told)):
            objective(metric, threshold)
    assert objective("http_reqs", "rate<5").bar == 5


@pytest.mark.parametrize("threshold", ["rate<1", "rate<=0", "rate>0", "rate==1", "rate!=0.5"])
def test_a_bar_that_some_share_meets_can_be_asked(threshold: str) -> None:
    """The ends of the scale are bars like others where they part the shares."""
    assert objective("checks", threshold).name == f"checks: {threshold}"
