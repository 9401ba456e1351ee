"""An objective that was not met leads to the finding that tells why."""

from __future__ import annotations

import pytest
from tests.builders import plan

from stormproof.model.finding import ACCUSING, OWN_BREACH, Finding
from stormproof.model.metric import CustomMetric, MetricKind
from stormproof.model.plan import OwnChecker, Source
from stormproof.report.leads import FINDINGS_OF, WITHOUT, lead_of
from stormproof.rules.catalog import CATALOG
from stormproof.rules.metric import Reading

ELSEWHERE = {"part-died", OWN_BREACH}  # a finding that no metric counts, and those of a trial's own


def test_every_metric_of_a_checker_leads_somewhere_or_nowhere_on_purpose() -> None:
    """What a checker measures is linked to its findings, and every accusation has an objective."""
    measured = {name for name, one in CATALOG.items() if one.reading is Reading.MEASURED}
    assert measured == set(FINDINGS_OF) | WITHOUT
    linked = {kind for kinds in FINDINGS_OF.values() for kind in kinds}
    assert ACCUSING - linked == ELSEWHERE


@pytest.mark.parametrize(
    ("metric", "found", "place"),
    [
        ("set_lost", ["set-unread", "set-lost"], 1),
        ("set_lost", ["lost", "set-unread"], 1),
        ("set_lost", ["lost"], None),
        ("http_req_failed", ["lost"], None),
        ("carts_mixed", ["own-breach"], None),
    ],
)
def test_the_weightiest_finding_leads(metric: str, found: list[str], place: int | None) -> None:
    """Of the findings about an objective the one that accuses comes first, strangers never."""
    findings = [Finding(kind=kind, title=kind, count=1) for kind in found]
    assert lead_of(metric, findings, plan()) == place


def test_a_checker_of_the_trials_own_leads_to_what_it_found() -> None:
    """A metric that a checker of the trial's file measures leads to that checker's findings."""
    mixed = CustomMetric(name="carts_mixed", kind=MetricKind.COUNTER)
    source = Source(file="demo.py", function="no_mixed_carts", sha256="0" * 64)
    own = OwnChecker(source=source, metrics=(mixed,))
    findings = [
        Finding(kind=OWN_BREACH, title="another: 3 of them", count=1),
        Finding(kind=OWN_BREACH, title="no_mixed_carts: 2 of them", count=1),
    ]
    assert lead_of("carts_mixed", findings, plan(own_checkers=(own,))) == 1
    assert lead_of("carts", findings, plan(own_checkers=(own,))) is None
