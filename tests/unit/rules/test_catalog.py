"""Names, and what is said about wrong ones."""

from __future__ import annotations

import msgspec
import pytest
from tests.builders import plan

from stormproof.model.objective import Abort
from stormproof.rules.catalog import CATALOG, unit_of
from stormproof.rules.grammar import objective
from stormproof.rules.questions import declared_by, problems_of, question_problems, suggestion


def test_every_metric_is_documented_and_askable() -> None:
    """Every metric has a line of documentation, an aggregation and, unless measured, a source."""
    for name, metric in CATALOG.items():
        assert metric.name == name
        assert metric.doc.endswith(".")
        assert metric.aggregations
        assert bool(metric.base) is (metric.reading.value != "measured")


TRENDS = "iteration_duration group_duration ws_connecting ws_session_duration ws_ping".split() + [
    f"http_req_{one}"
    for one in "duration blocked connecting tls_handshaking sending waiting receiving".split()
]
COUNTERS = (
    "iterations dropped_iterations data_sent data_received http_reqs ws_sessions ws_msgs_sent"
    " ws_msgs_received".split()
)


@pytest.mark.parametrize(
    ("names", "aggregations"),
    [
        (TRENDS, {"avg", "min", "med", "max", "p"}),
        (COUNTERS, {"count", "rate"}),
        (["checks", "http_req_failed"], {"rate"}),
        (["vus", "vus_max"], {"value", "min", "max"}),
    ],
)
def test_every_built_in_metric_of_k6_can_be_asked(names: list[str], aggregations: set[str]) -> None:
    """k6's names are all there, each with at least what k6 can ask of its kind."""
    for name in names:
        assert CATALOG[name].aggregations >= aggregations


def test_tags_of_k6_that_are_no_tags_here_say_what_to_ask() -> None:
    """Whoever brings thresholds from k6 is told where method, url and expectation have gone."""
    told = question_problems("http_reqs", ["method", "url", "expected_response"], "count")
    assert [one.partition(": ")[2].split()[0] for one in told] == ["it", "ask", "what"]


def test_units() -> None:
    """Durations are milliseconds, rates of counters per second, shares and counts plain."""
    assert unit_of(CATALOG["http_req_duration"], "p") == "ms"
    assert unit_of(CATALOG["http_reqs"], "rate") == "/s"
    assert unit_of(CATALOG["data_sent"], "rate") == "B/s"
    assert unit_of(CATALOG["http_req_failed"], "rate") == ""
    assert unit_of(CATALOG["recovery_ready_s"], "max") == "s"


def test_suggestions() -> None:
    """A near word is suggested, otherwise all known ones."""
    assert suggestion("feeed", ["feed", "chat"]) == "did you mean 'feed'?"
    assert suggestion("xyz", ["feed", "chat"]) == "known: chat, feed"
    assert suggestion("xyz", []) == "known: none"


def test_a_right_question_has_no_problem() -> None:
    """What the catalog knows is not complained about."""
    assert question_problems("http_req_duration", ["name", "scenario"], "p") == []


def test_values_are_held_against_the_plan() -> None:
    """A scenario or fault that the plan does not have is a problem, before anything runs."""
    bad = [
        ("http_reqs{scenario:fed}", "count>1", "did you mean 'feed'?"),
        ("recovery_ready_s{fault:cache-cutt}", "max<1", "did you mean 'cache-cut'?"),
    ]
    for metric, threshold, hint in bad:
        (problem,) = problems_of(objective(metric, threshold), plan())
        assert hint in problem
    assert problems_of(objective("recovery_ready_s{fault:cache-cut}", "max<1"), plan()) == []


def test_values_of_declared_tags_are_held_against_the_plan() -> None:
    """A region that no scenario runs in is a problem, before anything runs."""
    feed, chat = plan().scenarios
    tagged = plan(
        scenarios=(
            msgspec.structs.replace(feed, tags={"region": "eu-west"}),
            msgspec.structs.replace(chat, tags={"region": "us-east"}),
        )
    )
    declared = declared_by(tagged)
    asked = objective("http_reqs{region:eu-west}", "count>1", declared=declared)
    assert problems_of(asked, tagged) == []
    (problem,) = problems_of(
        objective("http_reqs{region:eu-wst}", "count>1", declared=declared), tagged
    )
    assert "did you mean 'eu-west'?" in problem
    assert "has no tag 'region'" in problems_of(asked, plan())[0]


@pytest.mark.parametrize(
    ("asked", "threshold", "hint"),
    [
        ("delivery_lost", "count==0", "no metric of it"),
        ("probe_failed{probe:ready}", "rate<0.1", "no metric of it"),
        ("http_req_failed{window:calm}", "rate<0.1", "cannot know window:calm beforehand"),
        ("http_reqs", "count>100", "has not reached yet"),
    ],
)
def test_what_cannot_be_decided_live_ends_no_run(asked: str, threshold: str, hint: str) -> None:
    """abortOnFail is refused where the frames so far cannot say that an objective is broken."""
    made = msgspec.structs.replace(objective(asked, threshold), abort=Abort())
    (problem,) = problems_of(made, plan())
    assert hint in problem


@pytest.mark.parametrize(
    ("asked", "threshold"),
    [
        ("http_req_failed", "rate<0.1"),
        ("http_req_duration{window:steady,over:10s}", "p(95)<300"),
        ("http_reqs{every:10s}", "count>100"),
        ("dropped_iterations", "count==0"),
        ("vus", "max<500"),
    ],
)
def test_what_frames_show_can_end_a_run(asked: str, threshold: str) -> None:
    """Whatever the load shows second by second may abort it."""
    made = msgspec.structs.replace(objective(asked, threshold), abort=Abort())
    assert problems_of(made, plan()) == []


def test_delivery_needs_its_checker() -> None:
    """Delivery cannot be asked of a trial whose checkers do not look at it."""
    (problem,) = problems_of(objective("delivery_lost", "count==0"), plan(checkers=()))
    assert "no checker 'delivery'" in problem


def test_a_probe_is_asked_for_by_its_name() -> None:
    """The share of failed answers needs its probe, one that the plan has, and is no gate."""
    (missing,) = question_problems("probe_failed", [], "rate")
    assert "needs its tag 'probe'" in missing
    (unknown,) = problems_of(objective("probe_failed{probe:redy}", "rate<0.01"), plan())
    assert "did you mean 'ready'?" in unknown
    asked = objective("probe_failed{probe:ready,window:calm}", "rate<0.01")
    assert problems_of(asked, plan()) == []
    (blind,) = problems_of(asked, plan(gate=(asked,)))
    assert "not the probes" in blind


def test_a_status_is_three_digits() -> None:
    """A status that cannot be one is a problem before anything runs; 0 is no answer at all."""
    assert problems_of(objective("http_reqs{status:429}", "count<5"), plan()) == []
    assert problems_of(objective("http_reqs{scenario:feed,status:0}", "rate<5"), plan()) == []
    (problem,) = problems_of(objective("http_reqs{status:4xx}", "count<5"), plan())
    assert "'4xx' is no status" in problem
    (elsewhere,) = question_problems("http_req_duration", ["status"], "p")
    assert "has no tag 'status'" in elsewhere
