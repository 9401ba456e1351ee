"""`run` and `quick` against a real target that says something of itself, or nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.integration.cli.conftest import Project
from tests.integration.cli.test_running import JOURNEYS

from stormproof.cli.first_look import with_served
from stormproof.cli.jobs import Job, compile_job
from stormproof.cli.live import LiveState
from stormproof.cli.main import run_commands
from stormproof.cli.quick import JOURNEY, within_its_sight
from stormproof.model.plan import Plan
from stormproof.model.record import Record
from stormproof.planning.documents import Amendments
from stormproof.rules.fold import merge_cells, per_second
from stormproof.store.directory import RunDirectory
from stormproof.store.reader import load_record

BARS = {
    "checks": ["rate==1"],
    "target:requests_total{status:200}": ["count>=1"],
    "target:async_logger_queue_size": ["max<500"],
    "target:async_loger_queue_size": ["max<500"],
}


@pytest.fixture
def told(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Have the project's target count its answers and say so, and work in its folder."""
    monkeypatch.chdir(project.folder)
    for name in ("BASE_URL", "REGION", "TEST_PROFILE", "STORMPROOF_ENV"):
        monkeypatch.delenv(name, raising=False)

    def metrics() -> str:
        answered = project.handler.answered
        buckets = "".join(
            f'request_latency_ms_bucket{{le="{bound}"}} {answered}\n' for bound in ("5", "+Inf")
        )
        return (
            "# TYPE requests_total counter\n"
            f'requests_total{{status="200"}} {answered}\n'
            "# TYPE request_latency_ms histogram\n"
            f"{buckets}request_latency_ms_sum {answered}\nrequest_latency_ms_count {answered}\n"
            "# TYPE rate_limit_hits_total counter\nrate_limit_hits_total 0\n"
            "# TYPE async_logger_queue_size gauge\nasync_logger_queue_size 3\nodd line\n"
        )

    project.handler.metrics = metrics
    return project


def verdict_of(project: Project) -> dict[str, Any]:
    verdict: dict[str, Any] = json.loads((project.run_directory() / "verdict.json").read_bytes())
    return verdict


def record_of(project: Project) -> Record:
    return load_record(RunDirectory.open(project.run_directory()))


def profile(folder: Path) -> str:
    path = folder / "told.json"
    path.write_text(
        json.dumps(
            {
                "duration": "3s",
                "warmup": "0s",
                "scenarios": {"default": {"executor": "constant-vus", "vus": 2}},
                "sources": {"target": {"interval": "1s"}},
                "thresholds": BARS,
            }
        )
    )
    return str(path)


def test_a_run_judges_what_its_target_says_of_itself(
    told: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """The target's own count is that of the load exactly, a misspelt figure is undecided with the
    right name, and judging again gives the same bytes."""
    (told.folder / "shop.py").write_text(JOURNEYS)
    order = ["run", "shop.py", "--target", told.target, "--profile", profile(told.folder)]
    assert run_commands(order) == 2
    answers = {one["name"]: one for one in verdict_of(told)["objectives"]}
    record = record_of(told)
    requests = merge_cells(per_second(record, "http_req", {}).values()).count
    counted = answers["target:requests_total{status:200}: count>=1"]
    assert counted["value"] == requests > 0
    assert answers["target:async_logger_queue_size: max<500"]["value"] == 3
    misspelt = answers["target:async_loger_queue_size: max<500"]
    assert misspelt["status"] == "inconclusive"
    assert record.problems == ()
    assert len(record.readings) >= 4
    printed = capsys.readouterr()
    assert "did you mean 'async_logger_queue_size'?" in printed.out
    assert "TARGET (" in printed.out
    assert "async_logger_queue_size" in (told.run_directory() / "report.html").read_text("utf-8")
    before = (told.run_directory() / "verdict.json").read_bytes()
    assert run_commands(["judge", str(told.run_directory())]) == 2
    assert (told.run_directory() / "verdict.json").read_bytes() == before


def test_quick_asks_for_the_figures_that_its_target_serves(
    told: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bars of row E7 are asked of a target that serves them; what needs more requests than
    there will be is named as not judged."""
    order = ["quick", f"{told.target}/items", "--vus", "3", "--duration", "2s"]
    assert run_commands(order) in (0, 2)
    verdict = verdict_of(told)
    asked = {one["name"] for one in verdict["objectives"]}
    assert {
        "target:rate_limit_hits_total: count<=5",
        "target:async_logger_queue_size: max<500",
    } <= asked
    assert "target:request_latency_ms: p(99)<2000" in {
        one["objective"] for one in verdict["not_judged"]
    }
    printed = capsys.readouterr()
    assert "rate_limit_hits_total per second" in printed.out


def test_a_target_without_figures_is_told_once_and_costs_nothing(
    told: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """Quick asks nothing of what is not served: no objective, no error, one line."""
    told.handler.metrics = None
    order = ["quick", f"{told.target}/items", "--vus", "3", "--duration", "2s"]
    assert run_commands(order) in (0, 2)
    verdict = verdict_of(told)
    assert not any("target:" in one["name"] for one in verdict["objectives"])
    aside = {one["objective"]: one["why"] for one in verdict["not_judged"]}
    assert "is no exposition" in aside["target:async_logger_queue_size: max<500"]
    assert "objectives not judged" in verdict["headline"]
    printed = capsys.readouterr()
    assert printed.err.count("the target's own figures are not judged") == 1
    assert printed.err.count("target gives no figures") == 1
    assert len(record_of(told).readings) == 1


@pytest.mark.parametrize("served", [True, False])
def test_a_soak_asks_whether_the_targets_memory_grows(told: Project, served: bool) -> None:
    """E10: an hour of quick soak is held to a slope of the memory that its target serves; where it
    serves none, that is named as not judged and the run is a reduced one."""
    figures = told.handler.metrics
    assert figures is not None
    memory = "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes 5e7\n"
    told.handler.metrics = (lambda: figures() + memory) if served else figures
    plan = within_its_sight(with_served(soak(told), {}, print))
    asked = {one.name: one for one in plan.objectives}
    unasked = {one.objective: one.why for one in plan.not_judged}
    slope = "target:process_resident_memory_bytes: slope<20000000"
    assert (slope in asked) == served == (slope not in unasked)
    assert plan.scope == ("full" if served else "reduced")
    if not served:
        assert unasked[slope] == "not served by the target"


def soak(told: Project, duration: str | None = None) -> Plan:
    """Return the plan of a quick soak of the project's target."""
    wish = Amendments(duration=duration, env={"path": "/items"})
    job = Job(file=JOURNEY, profile="quick-soak", target=told.target, wish=wish)
    return compile_job(job)[0]


def test_a_short_soak_says_that_it_sees_no_slope(told: Project) -> None:
    """A soak of minutes names the slope as not judged, with how long it takes."""
    plan = within_its_sight(soak(told, duration="5m"))
    (why,) = [one.why for one in plan.not_judged if "slope" in one.objective]
    assert why == "window load lasts about 300 s, a slope needs 720 s"
    assert plan.scope == "reduced"


def test_a_run_that_ends_by_our_own_fault_is_sealed_and_judged(
    told: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw ends the run with 70 and its trace, and leaves a record that passes
    nothing."""

    def fail(*_: object) -> None:
        raise OverflowError("cannot convert float infinity to integer")

    monkeypatch.setattr(LiveState, "on_reading", fail)
    assert run_commands(["quick", f"{told.target}/items", "--duration", "2s"]) == 70
    assert "our own fault: OverflowError" in capsys.readouterr().err
    assert record_of(told).sealed
    assert verdict_of(told)["verdict"] == "inconclusive"
