"""The grammar of thresholds: what it reads, and what it says about the rest."""

from __future__ import annotations

import re

import pytest

from stormproof.rules.grammar import (
    Threshold,
    format_objective,
    objective,
    parse_metric,
    parse_threshold,
    split_objective,
)


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
