"""A journey's own metrics through a whole run: declared, added to, judged, and refused aloud."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.integration.cli.conftest import Project

from stormproof.cli.main import run_commands
from stormproof.store.directory import RunDirectory
from stormproof.store.reader import load_record

SHOP = '''"""People buy."""

from stormproof import Counter, Gauge, Rate, Trend, journey

basket = Trend("basket", unit="EUR", doc="What is paid.", tags=("currency",))
orders = Counter("orders")
depth = Gauge("depth")
won = Rate("won")


@journey
async def buy(user):
    answer = await user.http.get("/items/{id}", id=user.index)
    basket.add(user, 12.5, currency="EUR")
    orders.add(user)
    depth.add(user, user.index)
    won.add(user, answer.status == 200)
'''
TRIAL = """
from stormproof import Floors, Trial, TrialProbe

TRIAL = Trial(
    name="shop", title="People buy", stack="none", scenarios={"buy": "buy"},
    probes={"ready": TrialProbe(path="/health/ready")}, floors=Floors(duration="5s"),
)
"""
BARS = {
    "basket{currency:EUR}": ["p(90)<13", "avg<=12.5"],
    "orders": ["count>=200", "rate>50"],
    "depth": ["max<=4", "min>=0"],
    "won": ["rate==1"],
}


@pytest.fixture
def shop(project: Project) -> list[str]:
    """Write a trial with metrics of its own; return the command that runs it."""

    buy = {"executor": "constant-arrival-rate", "rate": 100, "preAllocatedVUs": 5}
    project.change(
        lambda profile: profile.update(
            trial="shop", thresholds=BARS, gate={}, scenarios={"buy": buy}
        )
    )
    path = project.folder / "shop.py"
    path.write_text(SHOP + TRIAL)
    return [str(path) if one == project.trial else one for one in project.certify()]


def test_a_journeys_own_metrics_are_judged(project: Project, shop: list[str]) -> None:
    """What users add in several workers is in the record, the plan and the verdict."""
    project.change(lambda profile: profile.update(workers=2))
    assert run_commands(shop) in (0, 2)
    folder = project.run_directory()
    record = load_record(RunDirectory.open(folder))
    assert [one.name for one in record.plan.metrics] == ["basket", "depth", "orders", "won"]
    kept = {one.metric for mine in record.series.values() for one in mine.values()}
    assert {"basket", "depth", "orders", "won"} <= kept
    verdict = json.loads((folder / "verdict.json").read_bytes())
    values = {one["name"]: one["value"] for one in verdict["objectives"]}
    assert values["basket{currency:EUR}: avg<=12.5"] == 12.5
    assert values["won: rate==1"] == 1.0
    assert 200 <= values["orders: count>=200"] <= 300
    assert values["depth: max<=4"] <= 4
    assert "fail" not in {one["status"] for one in verdict["objectives"]}


def test_a_metric_with_a_taken_name_is_bad_input(
    shop: list[str], project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """A clash with a built-in name and a misspelt threshold are told together, nothing run."""
    path = Path(shop[1])
    path.write_text(path.read_text().replace('Counter("orders")', 'Counter("http_reqs")'))
    assert run_commands(["validate", *shop[1:6]]) == 64
    err = capsys.readouterr().err
    assert "shop.py: metric 'http_reqs': is a metric of stormproof's own" in err
    assert "there is no metric 'orders'" in err
    assert not (project.folder / "runs").exists()


def test_a_refused_value_keeps_the_run_from_passing(project: Project, shop: list[str]) -> None:
    """One basket below zero is no sample, and no PASS either."""
    path = Path(shop[1])
    path.write_text(path.read_text().replace("12.5, currency", "-12.5, currency"))
    assert run_commands(shop) == 2
    verdict = json.loads((project.run_directory() / "verdict.json").read_bytes())
    assert "metric-refused" in {one["kind"] for one in verdict["findings"]}
