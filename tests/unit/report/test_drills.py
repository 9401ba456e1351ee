"""What a drill did to users, and what did not hold meanwhile, in the text and on the page."""

from __future__ import annotations

from dataclasses import replace

from tests.builders import ITERATIONS, counted, frame, frames, healthy_record, operations, plan

from stormproof.checks.judge import judge
from stormproof.model.plan import NamedObjective
from stormproof.model.record import Record
from stormproof.report.html import render_html
from stormproof.report.text import render_text
from stormproof.rules.grammar import objective

ANSWERS = NamedObjective(
    name="feed-answers", objective=objective("http_req_failed{scenario:feed}", "rate<0.05")
)


def hurt() -> Record:
    """Return a record in which a tenth of the feed fails in every third second."""
    bad = [operations([20.0] * 50, failed=5), counted(ITERATIONS, 50)]
    sent = [frame(one.worker, one.second, bad) if one.second % 3 == 0 else one for one in frames()]
    return replace(healthy_record(plan(hypotheses=(ANSWERS,))), frames=tuple(sent))


def test_the_text_tells_reach_and_spans() -> None:
    """How many were hurt, and the first spans of each hypothesis with the faults around them."""
    verdict = judge(hurt(), version="0")
    text = render_text(verdict, run_dir="runs/x", width=100, colour=False)
    assert "of operations failed while faults were in force" in text
    assert "feed-answers http_req_failed{scenario:feed}: rate<0.05: broken for 12 s" in text
    assert "12 to 13 s (cache-cut)" in text
    assert "and 7 more spans" in text


def test_the_page_shows_each_hypothesis_below_the_probes() -> None:
    """As a strip on the same clock."""
    record = hurt()
    page = render_html(judge(record, version="0"), record).decode()
    assert "Probes and hypotheses" in page
    assert "Probe feed-answers over time: 12 of 36 answers" in page
